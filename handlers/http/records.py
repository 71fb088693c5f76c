"""Run records as all dialects render them, and the versions that they are told by."""

from __future__ import annotations

from uuid import UUID

from handlers.publishing.catalogue import compile_version
from handlers.record import run_record
from state.automation import Version
from state.reading import StoredRun, VersionRow

#: How many versions are kept compiled; beyond that, the one that was compiled first is forgotten.
COMPILED_MAX = 100


class Records:
    """Tells of stored runs; a version is compiled once, not for each of its runs that is asked for.

    Versions never change, but for the name of their automation.
    """

    def __init__(self) -> None:
        self._compiled: dict[tuple[UUID, str, int], Version] = {}

    def of(self, stored: StoredRun) -> dict[str, object]:
        """Return the record of a run."""
        return run_record(stored, self._version(stored.version))

    def _version(self, row: VersionRow) -> Version:
        key = (row.automation_id, row.name, row.number)
        known = self._compiled.get(key)
        if known is None:
            if len(self._compiled) >= COMPILED_MAX:
                del self._compiled[next(iter(self._compiled))]
            known = self._compiled[key] = compile_version(*row)
        return known
