"""What went wrong, said to the one who typed the command."""

from __future__ import annotations

#: How commands end (interface.md, "Commands").
FAILED = 1
MISUSED = 2


class Trouble(Exception):
    """A command cannot do what was asked: one or two lines that say why and what to do."""

    def __init__(self, text: str, code: int = FAILED) -> None:
        super().__init__(text)
        self.code = code
