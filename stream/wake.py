"""Wakes due timers: a sweep that hands them to the door, where lag may hold them (T2, W4)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import structlog

from handlers.timer import TimerDue
from state.share import EVERYBODYS, Share
from state.turn import Moved, Unavailable
from stream.clock import Clock
from stream.processor import Processor
from stream.seam import TimerStore

#: How many timers one turn takes at most.
TIMERS_MAX = 1000

#: The longest pause between two looks, in seconds: timers that other workers made are found by it.
IDLE_SECONDS = 0.25

#: The pause, in seconds, while timers are due and wait for lows to catch up, and after some fired:
#: a turn costs what twenty timers cost, so a few gather for the next one.
BRISK_SECONDS = 0.02

#: From so late on, in seconds, a timer is anybody's: its own worker is gone, or behind.
STAND_IN_SECONDS = 0.5

#: How often it is looked for such, in seconds: each look walks over what has just been fired.
OTHERS_SECONDS = 0.25

#: From so late on, a timer is held rather than about to fire, and no haste helps, in seconds.
LATE_SECONDS = 2.0

#: How long before a timer is due its partitions' lows begin to be kept fresh, in seconds (W4).
PRESSING_SECONDS = 1.0

#: How often timers that lag holds are looked at again, for the cap, in seconds (rule W4).
HELD_SECONDS = 5.0

#: How often the alert about held timers is repeated, in seconds.
ALERT_SECONDS = 60.0

#: What nobody has taken that should have.
OVERDUE = EVERYBODYS._replace(late_by=timedelta(seconds=STAND_IN_SECONDS))

log = structlog.get_logger()


class Wake:
    """Sweeps due timers. Any number may run beside each other: the contact's lock decides.

    Each takes its `share` first, so that they rarely want the same, and what others leave undone.
    """

    def __init__(
        self,
        store: TimerStore,
        processor: Processor,
        clock: Clock,
        share: Callable[[], Share] = lambda: EVERYBODYS,
    ) -> None:
        self._store = store
        self._processor = processor
        self._clock = clock
        self._share = share
        self._held_at = clock.monotonic()
        self._stood_in_at = -OTHERS_SECONDS
        self._alerted_at = -ALERT_SECONDS
        #: Whether some timer is due, or nearly so: then lows must be kept fresh (rule W4).
        self.is_pressing = False

    async def run(self) -> None:
        """Look and sweep until cancelled."""
        while True:
            try:
                pause = await self._look()
            except (Moved, Unavailable) as fault:
                log.warning("wake.retried", reason=str(fault))
                pause = IDLE_SECONDS
            await self._clock.sleep(pause)

    async def sweep(self) -> int:
        """Hand due timers to the door; return how many fired, or were moved by a freeze (T3)."""
        now = self._clock.monotonic()
        include_held = now - self._held_at >= HELD_SECONDS
        if include_held:
            self._held_at = now
        due = await self._due(include_held=include_held)
        if not due:
            return 0
        tally = await self._processor.apply_timers([TimerDue(*each) for each in due])
        if tally["timers_held"]:
            self._alert()
        return tally["timers_fired"] + tally["timers_moved"]

    async def _look(self) -> float:
        """Sweep if something is due; return how long to rest.

        Lows are kept fresh from shortly before a timer is due (rule W4).
        """
        due_in = await self._store.next_due_in()
        self.is_pressing = due_in is not None and due_in <= PRESSING_SECONDS
        if due_in is None or due_in > 0:
            return IDLE_SECONDS if due_in is None else min(due_in, IDLE_SECONDS)
        fired = await self.sweep()
        if fired >= TIMERS_MAX:
            return 0.0
        return BRISK_SECONDS if fired or due_in > -LATE_SECONDS else IDLE_SECONDS

    async def _due(self, *, include_held: bool) -> list[tuple[int, UUID]]:
        """Return what is ours to fire, and if that is no full turn, what others should have fired.

        In this order, so that workers who are all behind do not all take the same.
        """
        share, now = self._share(), self._clock.monotonic()
        ours: list[tuple[int, UUID]] = []
        if share.own:
            ours = await self._store.due(TIMERS_MAX, include_held=include_held, share=share)
        if len(ours) == TIMERS_MAX or len(share.own) == share.of:
            return ours
        if now - self._stood_in_at < OTHERS_SECONDS:
            return ours
        self._stood_in_at = now
        theirs = await self._store.due(TIMERS_MAX, include_held=include_held, share=OVERDUE)
        return list(dict.fromkeys([*ours, *theirs]))[:TIMERS_MAX]

    def _alert(self) -> None:
        """Say once in a while that timers are held: somebody may have to look (rule W4)."""
        now = self._clock.monotonic()
        if now - self._alerted_at >= ALERT_SECONDS:
            self._alerted_at = now
            log.warning("timers.held", remedy="waitline lag says which partition holds them")
