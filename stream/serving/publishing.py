"""Events that come by HTTP, on their way to Kafka: accepted only once all replicas have them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog
from aiokafka.errors import KafkaError

from handlers.http.fault import Fault, unavailable
from state.event import Coordinates
from stream.announcement import BadEvent, Checked, check, fresh_id
from stream.clock import Clock
from stream.config import Settings
from stream.producer import Publisher
from stream.wire_form import USUAL, Way

#: When to come again while no broker answers, in seconds.
RETRY_SECONDS = 5

#: How long it is waited before a broker is tried again that has refused us, in seconds.
PAUSE_SECONDS = 1.0

#: How long a broker may take to say that it is there.
ASK_SECONDS = 3.0

_AWAY = "No broker answers: nothing was sent, try again"

log = structlog.get_logger()


class EventPublisher:
    """Publishes events that requests bring; it lives while Kafka is away, and says so."""

    def __init__(self, publisher: Publisher, settings: Settings, clock: Clock) -> None:
        self._publisher = publisher
        self._settings = settings
        self._clock = clock
        self._topics = (settings.topics_events[0], settings.topics_contacts[0])
        self._way = Way(topic=settings.topics_events[0])

    async def run(self) -> None:
        """Connect, however long that takes: what only reads is served meanwhile."""
        while not self._publisher.is_started:
            try:
                await self._publisher.start()
            except (KafkaError, TimeoutError, OSError) as error:
                remedy = "events are refused until a broker answers: check KAFKA_BOOTSTRAP_SERVERS"
                log.warning("http.kafka_unreachable", reason=str(error), remedy=remedy)
                await self._clock.sleep(self._clock.jittered(PAUSE_SECONDS))
        log.info("http.kafka_connected")
        if (lack := await self.trouble()) is not None:
            log.warning("http.kafka_not_ready", reason=lack)

    @property
    def is_connected(self) -> bool:
        """Tell whether a broker has answered since the start."""
        return self._publisher.is_started

    async def publish(self, document: Mapping[str, object]) -> str:
        """Publish an event and return its id; one without an id is given a fresh one.

        Raises:
            Fault: the event cannot be understood, or no broker has acknowledged it.
        """
        checked = self._checked(document, self._way)
        again = f"send it again with the Idempotency-Key {checked.event_id}, and it counts once"
        await self._put(checked, again)
        return checked.event_id

    async def publish_contact(self, document: Mapping[str, object]) -> Coordinates:
        """Publish a contact event to the contacts topic and return where it stands.

        Raises:
            Fault: the event cannot be understood, or no broker has acknowledged it.
        """
        return await self._put(self._checked(document, USUAL), "ask again, the last word counts")

    def _checked(self, document: Mapping[str, object], way: Way) -> Checked:
        if not self._publisher.is_started:
            raise unavailable(_AWAY, RETRY_SECONDS)
        document = {"id": fresh_id(self._clock.new_id()), **document}
        try:
            return check(document, self._settings, self._clock.utc_now(), way)
        except BadEvent as error:
            raise Fault("field_invalid", str(error)) from None

    async def _put(self, checked: Checked, again: str) -> Coordinates:
        if not self._publisher.knows(checked.record.topic):
            await self._require(checked.record.topic)
        try:
            async with asyncio.timeout(self._settings.http_publish_timeout.total_seconds()):
                return await self._publisher.publish(*checked.record)
        except (KafkaError, TimeoutError) as error:
            log.warning("http.not_acknowledged", reason=type(error).__name__)
            raise unavailable(
                f"No broker has acknowledged the event, and it may still arrive: {again}",
                RETRY_SECONDS,
            ) from None

    async def _require(self, topic: str) -> None:
        """Refuse at once what would be waited for in vain: the library waits for topics to come.

        Raises:
            Fault: there is no such topic, or nobody to ask.
        """
        try:
            async with asyncio.timeout(ASK_SECONDS):
                missing = await self._publisher.missing([topic])
        except (KafkaError, TimeoutError, OSError):
            raise unavailable(_AWAY, RETRY_SECONDS) from None
        if missing:
            log.warning("topics.missing", topics=[topic], remedy="waitline topics create")
            raise unavailable(
                "The topic that it belongs to is not there yet: nothing was sent, try again",
                RETRY_SECONDS,
            )

    async def trouble(self) -> str | None:
        """Return why events cannot be published now, None if they can."""
        if not self._publisher.is_started:
            return "not connected yet"
        try:
            async with asyncio.timeout(ASK_SECONDS):
                missing = await self._publisher.missing(self._topics)
        except (KafkaError, TimeoutError, OSError) as error:
            return type(error).__name__
        lacks = ", ".join(sorted(missing))
        return f"it lacks {lacks}: run `waitline topics create`" if missing else None
