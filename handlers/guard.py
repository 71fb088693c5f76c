"""One run's fault must not stop the others: it fails that run and nothing else (rule E5)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from handlers.advance import end_by_engine_error
from handlers.world import NeedsContacts, NeedsLookBack, World
from state.run import Run


@contextmanager
def guarded(world: World, run: Run) -> Iterator[None]:
    """End `run`, as it was before, with `engine_error` if what is done with it raises."""
    effects = len(world.changes.effects)
    try:
        yield
    except (NeedsLookBack, NeedsContacts):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this run's alone (E5)
        del world.changes.effects[effects:]
        world.put_run(end_by_engine_error(world, run, type(error).__name__))
        world.changes.tally["engine_errors"] += 1
