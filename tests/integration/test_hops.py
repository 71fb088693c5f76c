"""Events that steps emit, over real Kafka and back: a circle ends, and explain tells why: S6."""

from __future__ import annotations

import json
from typing import Any

from state.event import HOPS_MAX
from tests.integration.drawn import post
from tests.integration.kit import House


def circle() -> dict[str, Any]:
    """Return an automation that starts itself: a changed contact changes its contact."""
    update = {"first_name": "Zoe", "emit": True}
    return {
        "name": "Circle",
        "steps": [
            {"key": "start", "type": "trigger", "config": {"event_name": "contact.updated"}},
            {"key": "rename", "type": "contact_update", "config": update},
        ],
        "connections": [{"from": "start", "to": "rename"}],
    }


def joining() -> dict[str, Any]:
    """Return two automations in one chain: whoever is added to a segment is welcomed."""
    return {
        "name": "Joining",
        "steps": [
            {"key": "start", "type": "trigger", "config": {"event_name": "go"}},
            {
                "key": "add",
                "type": "add_to_segment",
                "config": {"segment_id": "VIP", "emit": True},
            },
        ],
        "connections": [{"from": "start", "to": "add"}],
        "segments": ["VIP"],
    }


def welcoming() -> dict[str, Any]:
    heard = {"event_name": "waitline.segment.added"}
    note = {"properties": {"welcomed": {"var": "event.name"}}}
    return {
        "name": "Welcoming",
        "steps": [
            {"key": "start", "type": "trigger", "config": heard},
            {"key": "note", "type": "contact_update", "config": note},
        ],
        "connections": [{"from": "start", "to": "note"}],
    }


async def test_an_automation_that_starts_itself_stops_after_eight_hops(house: House) -> None:
    """S6: exactly nine runs, hops 0 to 8; the tenth event starts nothing, and explain says why."""
    await house.apply(circle())
    async with house.worker():
        (place,) = await house.publish(
            post(
                "contact.updated",
                topic=house.contacts,
                id="first",
                email="ann@x.io",
                payload={"first_name": "Ann"},
            )
        )
        await house.until_count("events where name = 'contact.updated'", HOPS_MAX + 2, seconds=90.0)
        assert await house.count("runs_done") == HOPS_MAX + 1
        assert await house.count("kafka_outbox where topic = 'contacts'") in (0, 1)
    hops = await house.rows(
        "select coalesce((doc -> 'trigger' ->> 'hops')::int, 0) from runs_done order by 1"
    )
    assert [row[0] for row in hops] == list(range(HOPS_MAX + 1))
    ((last_id,),) = await house.rows(
        "select event_id from events order by processed_at desc limit 1"
    )
    explained = await house.waitline("explain", last_id)
    (judged,) = explained["automations"]
    assert (explained["verdict"], judged["verdict"]) == ("loop_limit", "loop_limit")
    assert "8 hops" in judged["reason"]
    run = await house.run(last_id)
    assert run is None
    records = await house.topic(house.contacts, HOPS_MAX + 2)
    emitted = [json.loads(record.value()) for record in records][1:]
    assert sorted(one["hops"] for one in emitted) == list(range(1, HOPS_MAX + 2))
    assert {one["caused_by"]["step_key"] for one in emitted} == {"rename"}
    assert place.topic == house.contacts


async def test_a_segment_that_is_joined_starts_who_listens(house: House) -> None:
    """S6, R4: the run shows which run's step caused its trigger."""
    await house.apply(joining(), welcoming())
    async with house.worker():
        await house.publish(post("go", id="go", email="ann@x.io"))
        joined = await house.run_when("go", lambda run: run["status"] == "completed")
        await house.until_count("runs_done", 2)
    ((event_id,),) = await house.rows(
        "select event_id from events where name = 'waitline.segment.added'"
    )
    welcomed = await house.run(event_id)
    assert welcomed is not None
    assert welcomed["automation_name"] == "Welcoming"
    assert welcomed["contact_id"] == joined["contact_id"]
    assert welcomed["trigger_event"]["hops"] == 1
    assert welcomed["trigger_event"]["caused_by"] == {
        "run_id": joined["id"],
        "step_key": "add",
        "automation_id": joined["automation_id"],
    }
    assert "hops" not in joined["trigger_event"]
    contact = await house.waitline("contacts", "show", "email:ann@x.io")
    assert contact["profile"]["properties"] == {"welcomed": "VIP"}
