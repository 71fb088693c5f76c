"""The one entrance: what inputs do to the world, one at a time, in order.

Pure: everything it knows is in the world it is given, everything it does is in the changes it
returns. The same inputs on the same world give the same changes, however often it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from msgspec import Struct

from handlers.abandon import Abandon, apply_abandon
from handlers.arrival import apply_event
from handlers.deletion import settle_deletions
from handlers.directory import NeedsContacts
from handlers.ending import Cancel, Expire, apply_cancel, apply_expiry
from handlers.retry import Retry, apply_retry
from handlers.settlement import apply_answer
from handlers.timer import Release, TimerDue, apply_release, apply_timer
from handlers.unmerge import UndoMerge, apply_unmerge
from handlers.world import NeedsLookBack, World
from state.effect import Answer
from state.event import Event
from state.turn import Changes, Need

#: All that may be decided on; what each of them does stands in `_DOES`.
Input = Event | TimerDue | Release | Answer | Abandon | Cancel | Expire | Retry | UndoMerge


_DOES: Mapping[type, Callable[[World, Any], None]] = {
    Event: apply_event,
    TimerDue: apply_timer,
    Release: apply_release,
    Answer: apply_answer,
    Abandon: apply_abandon,
    Cancel: apply_cancel,
    Expire: apply_expiry,
    Retry: apply_retry,
    UndoMerge: apply_unmerge,
}
assert _DOES.keys() == set(get_args(Input)), "every input does something"


class Needs(Struct, frozen=True):
    """What must be brought before the decision can be made: look-backs, or numbers for contacts."""

    look_backs: tuple[Need, ...] = ()
    contacts: bool = False


def decide(world: World, inputs: Sequence[Input]) -> Changes | Needs:
    """Apply inputs one at a time, in the order given (rule D1), and return what changes.

    The world is spent afterwards: where needs are returned, decide again on a fresh one.
    """
    events = [each for each in inputs if isinstance(each, Event)]
    world.oldest_v = min((each.verdict_time(world.now)[0] for each in events), default=None)
    try:
        for each in inputs:
            _DOES[type(each)](world, each)
            settle_deletions(world)
    except NeedsLookBack as lacking:
        return Needs(look_backs=lacking.needs)
    except NeedsContacts:
        return Needs(contacts=True)
    return world.settle()
