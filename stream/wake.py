"""Wakes due timers: a sweep that hands them to the door, where lag may hold them (T2, W4)."""

from __future__ import annotations

import structlog

from handlers.timer import TimerDue
from state.turn import Moved, Unavailable
from stream.clock import Clock
from stream.processor import Processor
from stream.seam import TimerStore

#: How many timers one turn takes at most.
TIMERS_MAX = 1000

#: The longest pause between two looks, in seconds: timers that other workers made are found by it.
IDLE_SECONDS = 0.25

#: The shortest pause, in seconds, while timers are due and wait for lows to catch up.
BRISK_SECONDS = 0.05

#: From so late on, a timer is held rather than about to fire, and no haste helps, in seconds.
LATE_SECONDS = 2.0

#: How long before a timer is due its partitions' lows begin to be kept fresh, in seconds (W4).
PRESSING_SECONDS = 1.0

#: How often timers that lag holds are looked at again, for the cap, in seconds (rule W4).
HELD_SECONDS = 5.0

#: How often the alert about held timers is repeated, in seconds.
ALERT_SECONDS = 60.0

log = structlog.get_logger()


class Wake:
    """Sweeps due timers. Any number may run beside each other: the contact's lock decides."""

    def __init__(self, store: TimerStore, processor: Processor, clock: Clock) -> None:
        self._store = store
        self._processor = processor
        self._clock = clock
        self._held_at = clock.monotonic()
        self._alerted_at = -ALERT_SECONDS
        #: Whether some timer is due, or nearly so: then lows must be kept fresh (rule W4).
        self.is_pressing = False

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                fired = await self.sweep()
                pause = 0.0 if fired else await self._pause()
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
        due = await self._store.due(TIMERS_MAX, include_held=include_held)
        if not due:
            return 0
        tally = await self._processor.apply_timers([TimerDue(*each) for each in due])
        if tally["timers_held"]:
            self._alert()
        return tally["timers_fired"] + tally["timers_moved"]

    def _alert(self) -> None:
        """Say once in a while that timers are held: somebody may have to look (rule W4)."""
        now = self._clock.monotonic()
        if now - self._alerted_at >= ALERT_SECONDS:
            self._alerted_at = now
            log.warning("timers.held", remedy="waitline lag says which partition holds them")

    async def _pause(self) -> float:
        """Return how long to rest; lows are kept fresh from shortly before a timer is due."""
        due_in = await self._store.next_due_in()
        self.is_pressing = due_in is not None and due_in <= PRESSING_SECONDS
        if due_in is None or due_in < -LATE_SECONDS:
            return IDLE_SECONDS
        return min(max(due_in, BRISK_SECONDS), IDLE_SECONDS)
