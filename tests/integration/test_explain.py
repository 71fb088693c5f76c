"""`explain` on real servers: every verdict, of events that went through Kafka and a worker."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handlers.explaining.explain import explain
from state.event import Coordinates
from stream.inquiry import investigate
from tests.explaining import only
from tests.integration.drawn import Post, automation, post, waiting
from tests.integration.kit import House

FAR = {"timeout": "1 hour"}


async def explained(
    house: House, asked: str | Coordinates, source: str | None = None, **changes: object
) -> dict[str, Any]:
    """Return the explanation of an event by its id or place."""
    case = await investigate(house.settings(**changes), str(asked), source, lambda _: None)
    return json.loads(json.dumps(explain(case)))


async def applied(house: House, *posts: Post) -> list[Coordinates]:
    """Publish and wait until all of it is processed."""
    places = await house.publish(*posts)
    await house.until_applied(places)
    return places


def ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).isoformat()


async def test_what_an_event_did(house: House) -> None:
    """O3: what it did is told by id and by place: runs started, waits resumed, runs ended."""
    exits = {"exit": [{"event": "order.refunded"}]}
    await house.apply(automation() | exits)
    async with house.worker():
        order = {"email": "ann@x.io", "external_id": "c-1"}
        (place,) = await applied(house, post("order.completed", id="order", **order))
        await house.run_when("order", lambda run: run["activity"] == "waiting")
        await applied(house, post("email.opened", id="open", external_id="c-1"))
        run = await house.run_when("order", lambda run: run["status"] == "completed")
        await applied(house, post("order.completed", id="order-2", **order))
        await house.run_when("order-2", lambda run: run["activity"] == "waiting")
        await applied(house, post("order.refunded", id="refund", email="ann@x.io"))
    started = await explained(house, "order")
    assert started["verdict"] == "started"
    assert only(started["automations"])["run_id"] == run["id"]
    assert started["identity"]["contact_id"] == run["contact_id"]
    assert await explained(house, place) == started
    resumed = await explained(house, "open")
    assert resumed["verdict"] == "resumed"
    wait = only([one for one in resumed["waits"] if one["verdict"] == "resumed"])
    assert (wait["run_id"], wait["step_key"]) == (run["id"], "opened")
    exited = await explained(house, "refund")
    assert exited["verdict"] == "exited"
    assert only(exited["exits"])["automation"] == "Receipt and follow-up"


async def test_an_early_event_that_a_wait_found_by_look_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W2: an event stored before the wait was parked is said to have resumed it."""
    await house.apply(waiting(**FAR))
    enabled = ago()
    async with house.worker():
        await applied(house, post("answer", id="early", email="ann@x.io"))
        assert (await explained(house, "early"))["verdict"] == "no_open_wait"
        await applied(house, post("go", id="go", email="ann@x.io", occurred_at=enabled))
        run = await house.run_when("go", lambda run: run["status"] == "completed")
    found = await explained(house, "early")
    assert found["verdict"] == "resumed"
    assert only(found["waits"])["run_id"] == run["id"]
    assert "look-back" in only(found["waits"])["reason"]
    # However many runs the contact has had since, the one that used the event is found.
    monkeypatch.setattr("stream.inquiry.RUNS_JUDGED", 0)
    assert await explained(house, "early") == found


async def test_why_an_automation_refused_an_event(house: House) -> None:
    """S1, S2, S5: filter false with the values, re-entry, stopped, before_enabled, too_old."""
    rich = {"field": "event.total", "operator": "gt", "value": 50}
    filtered = waiting("Filtered", "paid", **FAR)
    filtered["steps"][0]["config"]["filter_rule"] = rich
    once = waiting("Once", "joined", **FAR) | {"reentry": "once"}
    stopped = waiting("Stopped", "left", **FAR)
    await house.apply(filtered, once, stopped)
    await house.enable("Stopped", False)
    ann = {"email": "ann@x.io"}
    async with house.worker():
        await applied(
            house,
            post("paid", id="poor", payload={"total": 30}, **ann),
            post("joined", id="first", **ann),
            post("left", id="left", **ann),
            post("paid", id="before", payload={"total": 99}, occurred_at=ago(hours=1), **ann),
        )
        await applied(house, post("joined", id="second", **ann))
    poor = await explained(house, "poor")
    assert poor["verdict"] == "filter_false"
    assert only(poor["automations"])["reason"] == "event.total gt 50: was 30"
    assert only(poor["automations"])["values"][0]["actual"] == 30
    assert (await explained(house, "second"))["verdict"] == "once"
    left = await explained(house, "left")
    assert left["verdict"] == "stopped"
    assert only(left["automations"])["automation"] == "Stopped"
    assert (await explained(house, "before"))["verdict"] == "before_enabled"


async def test_an_event_that_was_too_old(house: House) -> None:
    """S5: an event beyond the limit starts nothing and says its age."""
    await house.apply(waiting(**FAR))
    await house.connection.execute("update automations set enabled_at = now() - interval '9 days'")
    await house.connection.execute("update catalogue set revision = revision + 1")
    async with house.worker():
        await applied(house, post("go", id="old", email="ann@x.io", occurred_at=ago(days=8)))
    found = await explained(house, "old")
    assert found["verdict"] == "too_old"
    assert "8.0 days old" in only(found["automations"])["reason"]


async def test_why_a_wait_refused_an_event(house: House) -> None:
    """W2, W3, W5: before the window, after the deadline, too late, already closed."""
    await house.apply(waiting("Long", "go", **FAR), waiting("Short", "hop", timeout="1 second"))
    async with house.worker():
        await applied(house, post("go", id="go", email="ann@x.io"))
        await applied(
            house, post("answer", id="before", email="ann@x.io", occurred_at=ago(hours=1))
        )
        await applied(house, post("answer", id="first", email="ann@x.io"))
        await applied(house, post("answer", id="again", email="ann@x.io"))
        await applied(house, post("hop", id="hop", email="ben@x.io"))
        await house.run_when("hop", lambda run: run["status"] == "completed")
        await applied(house, post("answer", id="late", email="ben@x.io"))
        await applied(house, post("hop", id="hop-2", email="eve@x.io"))
        run = await house.run_when("hop-2", lambda run: run["status"] == "completed")
        in_time = run["waits"][0]["opened_at"]
        await applied(house, post("answer", id="slow", email="eve@x.io", occurred_at=in_time))
    before = await explained(house, "before")
    assert before["verdict"] == "before_window"
    assert "before the window began" in before["reason"]
    again = await explained(house, "again")
    assert again["verdict"] == "already_closed"
    assert "another event, first" in again["reason"]
    late = await explained(house, "late")
    assert late["verdict"] == "after_deadline"
    assert "after the deadline" in late["reason"]
    slow = await explained(house, "slow")
    assert slow["verdict"] == "late_arrival"
    record = await house.run("hop-2")
    assert record["waits"][0]["late_match"]["event_id"] == "slow"


async def test_records_that_were_dropped_or_set_aside(narrow_house: House) -> None:
    """E4, E5: a duplicate names its winner; a conflict and a broken record their reasons."""
    house = narrow_house
    await house.apply(waiting(**FAR))
    async with house.worker():
        first, second, other, broken = await applied(
            house,
            post("go", id="twice", email="ann@x.io"),
            post("go", id="twice", email="ann@x.io"),
            post("go", id="twice", email="ben@x.io"),
            Post(b"{not json"),
        )
    assert (await explained(house, first))["verdict"] == "started"
    duplicate = await explained(house, second)
    assert duplicate["verdict"] == "duplicate"
    assert duplicate["winner"] == first._asdict()
    assert duplicate["automations"] == []
    assert str(first) in duplicate["reason"]
    conflict = await explained(house, other)
    assert conflict["verdict"] == "quarantined"
    assert "id_conflict" in conflict["reason"]
    assert str(first) in conflict["reason"]
    by_id = await explained(house, "twice")
    assert by_id["verdict"] == "quarantined"
    assert by_id["winner"] == first._asdict()
    assert only(by_id["automations"])["verdict"] == "started"
    verdicts = ["stored", "duplicate", "quarantined"]
    assert [one["verdict"] for one in by_id["records"]] == verdicts
    unreadable = await explained(house, broken)
    assert unreadable["verdict"] == "quarantined"
    assert only(unreadable["records"])["reason"] == "not_json"
    assert only(unreadable["records"])["fingerprint"]


async def test_a_name_that_nobody_uses_and_a_merge_that_was_blocked(house: House) -> None:
    """E7, I2: unclaimed with "did you mean"; merge_blocked where nothing else happened."""
    await house.apply(waiting(**FAR))
    async with house.worker():
        await applied(house, post("answers", id="typo", email="ann@x.io"))
        await applied(
            house,
            post("go", id="one", email="ann@x.io", external_id="c-1"),
            post("go", id="two", external_id="c-2"),
        )
        both = {"email": "ann@x.io", "external_id": "c-2"}
        await applied(house, post("answer", id="meet", occurred_at=ago(hours=1), **both))
    typo = await explained(house, "typo")
    assert typo["verdict"] == "unclaimed"
    assert "Did you mean answer?" in typo["reason"]
    assert typo["event"]["payload"] == {}
    meet = await explained(house, "meet")
    assert meet["verdict"] == "merge_blocked"
    assert "different_external_id" in meet["identity"]["notes"][0]["reason"]


async def test_what_was_not_processed_or_never_published(narrow_house: House) -> None:
    """O3: not yet processed (how far behind), never seen, and places with nothing in them."""
    house = narrow_house
    await house.apply(waiting(**FAR))
    async with house.worker():
        await applied(house, post("go", id="read", email="ann@x.io"))
    _, unread = await house.publish(
        post("go", email="ann@x.io"), post("go", id="unread", email="ann@x.io")
    )
    by_id = await explained(house, "unread")
    assert by_id["verdict"] == "not_processed"
    assert "1 records of its partition come before it" in by_id["reason"]
    assert (by_id["event"]["topic"], by_id["event"]["offset"]) == (house.events, unread.offset)
    assert (await explained(house, unread))["verdict"] == "not_processed"
    nothing = await explained(house, "nothing")
    assert (nothing["verdict"], nothing["event"]) == ("never_seen", None)
    beyond = await explained(house, Coordinates(house.events, 0, 99))
    assert beyond["verdict"] == "never_seen"
    assert "ends at 3" in beyond["reason"]


async def test_what_is_stored_is_told_although_kafka_is_away(house: House) -> None:
    await house.apply(waiting(**FAR))
    async with house.worker():
        await applied(house, post("go", id="go", email="ann@x.io"))
    away = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    assert (await explained(house, "go", **away))["verdict"] == "started"
    unknown = await explained(house, "nothing", **away)
    assert unknown["verdict"] == "never_seen"
    assert "not Kafka" in unknown["reason"]


async def test_a_cloud_event_is_found_under_its_source_or_without(house: House) -> None:
    """E1, E2: the key is (source, id); an id alone is searched for among the younger events."""
    await house.apply(waiting(**FAR))
    headers = {"ce_specversion": "1.0", "ce_type": "go", "ce_source": "shop", "ce_id": "1"}
    cloud = [*headers.items(), ("ce_email", "ann@x.io")]
    async with house.worker():
        await applied(house, Post(b"{}", headers=[(name, text.encode()) for name, text in cloud]))
    assert (await explained(house, "1", "shop"))["verdict"] == "started"
    assert (await explained(house, "1"))["event"]["source"] == "shop"
