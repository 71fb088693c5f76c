"""E5: every shape of poison on a real Kafka and a real Postgres, each between healthy neighbours.

The records come from a producer that is not ours, under every codec that it has.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import confluent_kafka
import pytest
from confluent_kafka import Message, TopicPartition

from state.event import RAW_MAX, Coordinates
from tests.integration.command import waitline
from tests.integration.drawn import Post, post, waiting
from tests.integration.kit import House
from tests.integration.recorded import records_of
from tests.poison.shape import FINE, TOMBSTONE, Shape
from tests.poison.shapes import CONTACTS, EVENTS

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


class Sort(NamedTuple):
    """What goes by one topic: the poison, and the healthy events around it."""

    shapes: Sequence[Shape]
    start: str
    answer: str


SORTS = {
    "events": Sort(EVENTS, "go", "answer"),
    "contacts": Sort(CONTACTS, "contact.created", "contact.identified"),
}


def around(shape: Shape, number: int, sort: Sort) -> list[Post]:
    """Return a person's trigger, the poison, and the event that this person's run waits for."""
    person = f"p{number}@x.io"
    return [
        post(sort.start, id=f"start-{number}", email=person),
        Post(shape.value, key=shape.key, headers=list(shape.headers)),
        post(sort.answer, id=f"answer-{number}", email=person),
    ]


def produce(servers: str, topic: str, triples: Sequence[Sequence[Post]]) -> list[Coordinates]:
    """Write each three in one batch, by one codec after the other; return where poison stands."""
    producers = [
        confluent_kafka.Producer({
            "bootstrap.servers": servers,
            "compression.type": codec,
            "message.max.bytes": 2_000_000,
            "linger.ms": 2,
            "log_level": 0,
        })
        for codec in CODECS
    ]  # fmt: skip
    places: list[Coordinates] = []

    def written(error: object, message: Message) -> None:
        assert error is None, error
        places.append(Coordinates(message.topic(), message.partition(), message.offset()))

    for number, triple in enumerate(triples):
        producer = producers[number % len(CODECS)]
        for one in triple:
            producer.produce(
                topic, value=one.value, key=one.key, headers=list(one.headers), on_delivery=written
            )
        assert producer.flush(20) == 0
    return places


def end_of(servers: str, at: Coordinates) -> int:
    consumer = confluent_kafka.Consumer({"bootstrap.servers": servers, "group.id": "none"})
    try:
        return consumer.get_watermark_offsets(TopicPartition(at.topic, at.partition), 10)[1]
    finally:
        consumer.close()


@pytest.mark.parametrize("batch_max", [3000, 1], ids=["in one batch", "in batches of one"])
@pytest.mark.parametrize("name", SORTS)
async def test_poison_costs_itself_and_nothing_else(
    narrow_house: House, name: str, batch_max: int
) -> None:
    """E5, E6, E2: reason, field, bytes, hash and place of each; its neighbours do their work."""
    house, sort = narrow_house, SORTS[name]
    topic = house.events if name == "events" else house.contacts
    await house.apply(waiting("Waiting", sort.start, event_name=sort.answer))
    triples = [around(shape, number, sort) for number, shape in enumerate(sort.shapes)]
    places = await asyncio.to_thread(produce, house.kafka, topic, triples)
    poison = dict(zip(places[1::3], sort.shapes, strict=True))
    bad = {at: one for at, one in poison.items() if one.reason not in {FINE, TOMBSTONE}}
    async with house.worker(WAITLINE_BATCH_MAX=batch_max) as worker:
        await house.until_applied(places, 90)
        tombstones = worker.counters.value("tombstones")
        letters = await house.topic(house.dead_letters, len(bad))

    end = await house.value("select next_offset from partitions where topic = $1", topic)
    assert end == places[-1].offset + 1 == await asyncio.to_thread(end_of, house.kafka, places[-1])
    assert tombstones == sum(shape.reason == TOMBSTONE for shape in sort.shapes)
    await assert_neighbours_met(house, len(sort.shapes))
    await assert_set_aside(house, bad)
    assert_announced(letters, bad)
    await assert_told(house, bad)


async def assert_neighbours_met(house: House, count: int) -> None:
    """Every healthy trigger started a run, and the event after the poison resumed it."""
    runs = await records_of(house.database)
    assert runs.keys() == {f"start-{number}" for number in range(count)}
    for number in range(count):
        run = runs[f"start-{number}"]
        (wait,) = run["waits"]
        assert (run["status"], wait["status"]) == ("completed", "received"), run
        assert wait["resumed_by_event"]["id"] == f"answer-{number}"


async def assert_set_aside(house: House, bad: dict[Coordinates, Shape]) -> None:
    """The quarantine holds these records and no others."""
    rows = await house.rows(
        'select topic, partition, "offset", reason, detail, raw, sha256 from quarantine'
    )
    found = {Coordinates(*row[:3]): row[3:] for row in rows}
    assert found.keys() == bad.keys()
    for at, (reason, detail, raw, sha256) in found.items():
        shape = bad[at]
        value = shape.value or b""
        assert (reason, raw) == (shape.reason, value[:RAW_MAX]), shape.name
        assert sha256 == hashlib.sha256(value).digest()
        assert shape.said in detail


def assert_announced(letters: Sequence[Message], bad: dict[Coordinates, Shape]) -> None:
    """The dead letters are these records, each once."""
    announced = []
    for letter in letters:
        headers = dict(letter.headers() or ())
        at = Coordinates(
            headers["waitline-topic"].decode(),
            int(headers["waitline-partition"]),
            int(headers["waitline-offset"]),
        )
        value = bad[at].value or b""
        assert (letter.value() or b"") == value[:RAW_MAX]
        assert headers["waitline-reason"].decode() == bad[at].reason
        assert headers["waitline-sha256"].decode() == hashlib.sha256(value).hexdigest()
        announced.append(at)
    assert sorted(announced) == sorted(bad)


async def assert_told(house: House, bad: dict[Coordinates, Shape]) -> None:
    """O3, E5: the list names each, and `explain` tells one of each reason by its coordinates."""
    listed = await waitline(house.environment, "dead-letters", "list", "--limit", "1000", "--json")
    assert {
        (Coordinates(one["topic"], one["partition"], one["offset"]), one["reason"])
        for one in listed.document
    } == {(at, shape.reason) for at, shape in bad.items()}
    details = {(one["offset"]): one["detail"] for one in listed.document}
    for at in {shape.reason: at for at, shape in bad.items()}.values():
        explained = (await waitline(house.environment, "explain", str(at), "--json")).document
        assert explained["verdict"] == "quarantined"
        assert details[at.offset] in explained["reason"]
        shown = await waitline(house.environment, "dead-letters", "show", str(at), "--json")
        assert shown.document["sha256"] == hashlib.sha256(bad[at].value or b"").hexdigest()


async def test_what_postgres_itself_refuses_is_cut_out_of_its_batch(narrow_house: House) -> None:
    """E5: SQLSTATE class 22 from the server bisects to the one event; its neighbours go on."""
    house = narrow_house
    await house.apply(waiting())
    zero = "length(event_id) - length(event_id)"
    refusal = f"case when event_id like 'poison%' then 1 / ({zero}) = 1 else true end"
    await house.connection.execute(f"alter table events add constraint refusal check ({refusal})")
    triples = [
        [
            post("go", id=f"start-{number}", email=f"p{number}@x.io"),
            post("go", id=f"poison-{number}", email=f"p{number}@x.io"),
            post("answer", id=f"answer-{number}", email=f"p{number}@x.io"),
        ]
        for number in range(10)
    ]
    places = await asyncio.to_thread(produce, house.kafka, house.events, triples)
    async with house.worker():
        await house.until_applied(places)
    await assert_neighbours_met(house, 10)
    rows = await house.rows(
        'select "offset", event_id, reason, detail from quarantine order by "offset"'
    )
    said = "the database refused it with SQLSTATE 22012"
    assert rows == [
        (at.offset, f"poison-{number}", "refused_by_database", said)
        for number, at in enumerate(places[1::3])
    ]
