"""One run's fault must not stop the others: it fails that run and nothing else (rule E5)."""

from __future__ import annotations

import traceback
from types import TracebackType

from handlers.advance import end_by_engine_error
from handlers.directory import NeedsContacts
from handlers.world import NeedsLookBack, World
from state.run import Run
from state.turn import Fault

#: The books that a run's walk may write into.
_WRITTEN_BY_RUNS = ("effects", "closed_waits", "receipts", "emitted")

#: What is no fault: more must be read before it can be decided.
_NEEDS = (NeedsLookBack, NeedsContacts)


class Guard:
    """Ends `run`, as it was before, with `engine_error` if what is done in this context raises.

    What the run had written until then is taken back with it, so that its history stays whole (R4).
    """

    __slots__ = ("_closed", "_contact", "_deleted", "_profile", "_run", "_sizes", "_world")

    def __init__(self, world: World, run: Run) -> None:
        self._world = world
        self._run = run
        self._contact = world.contact(run.contact_id)
        self._profile = world.changes.profiles.get(run.contact_id)
        self._closed = tuple(world.closed_waits(run.contact_id))
        self._deleted = len(world.to_delete)
        self._sizes = world.changes.sizes(_WRITTEN_BY_RUNS)

    def __enter__(self) -> None:
        """Enter; what may be written was noted when the guard was made."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> bool:
        """Keep a fault from spreading, whatever it is: it is this run's alone (rule E5)."""
        if not isinstance(error, Exception) or isinstance(error, _NEEDS):
            return False
        self._undo()
        self._world.put_run(end_by_engine_error(self._world, self._run, type(error).__name__))
        # Frames alone: an exception's text may carry a payload's values.
        frames = "".join(traceback.format_tb(error.__traceback__))
        self._world.changes.faults.append(Fault(self._run.run_id, type(error).__name__, frames))
        return True

    def _undo(self) -> None:
        """Put back everything that one run's walk may write besides the run itself."""
        world, changes, contact_id = self._world, self._world.changes, self._run.contact_id
        world.people.put_back(self._contact)
        changes.profiles.pop(contact_id, None)
        if self._profile is not None:
            changes.profiles[contact_id] = self._profile
        for name, size in zip(_WRITTEN_BY_RUNS, self._sizes, strict=True):
            changes.cut(name, size)
        del world.to_delete[self._deleted :]
        world.closed[contact_id] = list(self._closed)
