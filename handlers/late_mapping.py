"""A mapping that is made when somebody reads it, which is seldom."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from typing_extensions import override


class LateMapping(Mapping[str, object]):
    """What `make` returns, asked at the first read and kept."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], Mapping[str, object]]) -> None:
        self._make = make
        self._made: Mapping[str, object] | None = None

    def _known(self) -> Mapping[str, object]:
        if self._made is None:
            self._made = self._make()
        return self._made

    @override
    def __getitem__(self, key: str) -> object:
        return self._known()[key]

    @override
    def __contains__(self, key: object) -> bool:
        return key in self._known()

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    @override
    def __len__(self) -> int:
        return len(self._known())
