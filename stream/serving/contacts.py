"""Changes of contacts that come by HTTP: contact events on Kafka, waited for until applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handlers.http.fault import unavailable
from state.event import Coordinates
from state.postgres.reading import ReadingPool
from state.postgres.reading_stream import is_applied
from stream.clock import Clock
from stream.config import Settings
from stream.serving.publishing import RETRY_SECONDS, EventPublisher

#: How long a request waits until its change was applied, in seconds.
APPLIED_SECONDS = 10.0
#: The pause before it looks again; each later one is longer, up to the last.
PAUSE_SECONDS = 0.01
PAUSE_SECONDS_MAX = 0.25


class ContactChanges:
    """The one way in which requests change contacts: the way that everybody else's changes come."""

    def __init__(
        self, events: EventPublisher, reading: ReadingPool, settings: Settings, clock: Clock
    ) -> None:
        self._events = events
        self._reading = reading
        self._epoch = settings.stream_epoch
        self._clock = clock

    async def change(self, documents: Sequence[Mapping[str, object]]) -> None:
        """Publish contact events about one person in order, and wait until they are applied.

        All name the person by the same identifier, by which Kafka keeps their order: the last one
        applied is all applied.

        Raises:
            Fault: one cannot be understood, no broker has acknowledged it, or no worker applied it
                in time.
        """
        place: Coordinates | None = None
        for document in documents:
            place = await self._events.publish_contact(document)
        if place is not None:
            await self._until_applied(place)

    async def _until_applied(self, place: Coordinates) -> None:
        deadline = self._clock.monotonic() + APPLIED_SECONDS
        pause = PAUSE_SECONDS
        while not await self._is_applied(place):
            if self._clock.monotonic() >= deadline:
                raise unavailable(
                    f"The change was accepted as {place} and is not applied yet: it will be once "
                    "a worker runs (`waitline run`)",
                    RETRY_SECONDS,
                )
            await self._clock.sleep(pause)
            pause = min(1.5 * pause, PAUSE_SECONDS_MAX)

    async def _is_applied(self, place: Coordinates) -> bool:
        async with self._reading.session() as session:
            return await is_applied(session, place, self._epoch)
