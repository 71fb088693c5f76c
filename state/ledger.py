"""Books of which a decision opens few: what is not written to costs nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

_MAKERS: dict[str, Callable[[], Any]] = {"list": list, "dict": dict, "Counter": Counter}


class Ledger:
    """Named lists, dicts and counters, each made at its first use, under one instant.

    A batch decides thousands of groups, each with changes of its own, and a group writes into a
    handful of some thirty books. Subclasses annotate their books.
    """

    _makers: ClassVar[dict[str, Callable[[], Any]]] = {}

    now: datetime

    def __init_subclass__(cls) -> None:
        """Note what each book is, by the name of its type."""
        cls._makers = {
            name: _MAKERS[str(said).partition("[")[0]] for name, said in cls.__annotations__.items()
        }

    def __init__(self, now: datetime, **books: Any) -> None:
        self.now = now
        vars(self).update(books)

    if not TYPE_CHECKING:  # its checker is to know the books, and no other attributes

        def __getattr__(self, name: str) -> Any:
            """Make a book that nobody has opened yet."""
            maker = self._makers.get(name)
            if maker is None:
                raise AttributeError(name)
            book = vars(self)[name] = maker()
            return book

    @override
    def __eq__(self, other: object) -> bool:
        """Compare what is written; that an empty book was opened means nothing."""
        return type(self) is type(other) and self._written() == other._written()

    @override
    def __repr__(self) -> str:
        """Show what is written."""
        return f"{type(self).__name__}({self._written()})"

    def _written(self) -> dict[str, Any]:
        return {name: book for name, book in vars(self).items() if book}

    def sizes(self, names: Iterable[str]) -> list[int]:
        """Return how much is written in each of these books."""
        written = vars(self)
        return [len(written.get(name, ())) for name in names]

    def cut(self, name: str, size: int) -> None:
        """Take back what was appended to a list since this was its size."""
        if name in vars(self):
            del vars(self)[name][size:]

    def append(self, other: Ledger) -> None:
        """Take in what another ledger of this kind holds."""
        for name, theirs in vars(other).items():
            if name == "now":
                continue
            mine = getattr(self, name)
            if isinstance(mine, list):
                mine += theirs
            else:
                mine.update(theirs)
