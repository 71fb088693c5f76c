"""Why what an operator asks of a definition is refused; who serves it finds the words."""

from __future__ import annotations

from uuid import UUID


class NotFound(Exception):
    """There is no such thing: `what` is its kind in words, `named` the id or name asked for."""

    def __init__(self, what: str, named: object) -> None:
        super().__init__(f'there is no {what} "{named}"')
        self.what = what
        self.named = str(named)


class NameTaken(Exception):
    """There is a thing of this kind and name already; `field` is what must be unique."""

    def __init__(self, what: str, name: str, field: str = "name") -> None:
        super().__init__(f'there is a {what} of the {field} "{name}" already: choose another')
        self.what = what
        self.name = name
        self.field = field


def id_in(text: str) -> UUID | None:
    """Return the id that a text is, None if it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
