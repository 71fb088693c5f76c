"""One run's fault must not stop the others: it fails that run and nothing else (rule E5)."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from handlers.advance import end_by_engine_error
from handlers.directory import NeedsContacts
from handlers.world import NeedsLookBack, World
from state.run import Run
from state.turn import Fault

#: The books that a run's walk may write into.
_WRITTEN_BY_RUNS = ("effects", "closed_waits", "receipts", "emitted")


@contextmanager
def guarded(world: World, run: Run) -> Iterator[None]:
    """End `run`, as it was before, with `engine_error` if what is done with it raises.

    What the run had written until then is taken back with it, so that its history stays whole (R4).
    """
    undo = _remembering(world, run.contact_id)
    try:
        yield
    except (NeedsLookBack, NeedsContacts):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this run's alone (E5)
        undo()
        world.put_run(end_by_engine_error(world, run, type(error).__name__))
        # Frames alone: an exception's text may carry a payload's values.
        frames = "".join(traceback.format_tb(error.__traceback__))
        world.changes.faults.append(Fault(run.run_id, type(error).__name__, frames))


def _remembering(world: World, contact_id: int) -> Callable[[], None]:
    """Return what puts back everything that one run's walk may write besides the run itself."""
    changes = world.changes
    contact, profile = world.contact(contact_id), changes.profiles.get(contact_id)
    sizes, to_delete = changes.sizes(), len(world.to_delete)
    closed = list(world.closed_waits(contact_id))

    def undo() -> None:
        world.people.put_back(contact)
        changes.profiles.pop(contact_id, None)
        if profile is not None:
            changes.profiles[contact_id] = profile
        for name in _WRITTEN_BY_RUNS:
            changes.cut(name, sizes)
        del world.to_delete[to_delete:]
        world.closed[contact_id] = closed

    return undo
