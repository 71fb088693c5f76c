"""Commands that look: what a story left is shown to people, and as JSON to programs."""

from __future__ import annotations

from tests.integration.command import Said, waitline
from tests.integration.drawn import Post, automation, post, waiting
from tests.integration.kit import House


async def look(house: House, *arguments: str) -> tuple[object, str]:
    """Return a command's JSON and what it tells people, neither with anything beside it."""
    document = await waitline(house.environment, *arguments, "--json")
    people = await waitline(house.environment, *arguments)
    assert (document.err, people.err) == ("", "")
    assert people.code == 0
    assert "\x1b" not in people.out
    return document.document, people.out


async def refused(house: House, *arguments: str) -> Said:
    said = await waitline(house.environment, *arguments, "--json")
    assert (said.code, said.out) == (1, "")
    assert "Traceback" not in said.err
    return said


async def test_runs_waits_and_contacts_after_a_story(house: House) -> None:
    """R4, W8, I4: run, wait and identity are shown as they are."""
    await house.apply(automation(), waiting("Other", "go"))
    ann = {"email": "ann@x.io", "external_id": "c-1"}
    async with house.worker():
        await house.publish(
            post("order.completed", id="order", **ann), post("go", id="go", email="ben@x.io")
        )
        run = await house.run_when("order", lambda run: run["activity"] == "waiting")
        await house.run_when("go", lambda run: run["activity"] == "waiting")

        found, people = await look(house, "runs", "list")
        assert {one["trigger_event"]["id"] for one in found} == {"order", "go"}
        assert run["id"] in people

        waits, people = await look(house, "waits")
        (opened,) = [one for one in waits if one["run_id"] == run["id"]]
        assert opened["events"] == ["email.opened"]
        assert opened["contact_id"] == run["contact_id"]
        assert opened["deadline"] == run["waits"][0]["deadline"]
        assert "email.opened" in people

        await house.publish(post("email.opened", id="open", external_id="c-1"))
        run = await house.run_when("order", lambda run: run["status"] == "completed")

    shown, people = await look(house, "runs", "show", run["id"])
    assert shown == run
    for fact in ("order", "email.opened open", "ann@x.io", "event_received", "sent"):
        assert fact in people
    contact, people = await look(house, "contacts", "show", "email:ann@x.io")
    assert contact["id"] == run["contact_id"]
    named = {(one["type"], one["value"], one["linked_by"]) for one in contact["identifiers"]}
    assert named == {("email", "ann@x.io", "order"), ("external_id", "c-1", "order")}
    assert [one["id"] for one in contact["runs"]] == [run["id"]]
    assert "Newest runs" in people


async def test_lists_of_runs_are_filtered(house: House) -> None:
    await house.apply(automation(), waiting("Other", "go"))
    async with house.worker():
        await house.publish(
            post("order.completed", id="order", email="ann@x.io"),
            *(post("go", id=f"go-{n}", external_id="c-1") for n in range(3)),
        )
        await house.run_when("order", lambda run: run["activity"] == "waiting")
        await house.run_when("go-2", lambda run: run["activity"] == "waiting")
        await house.publish(post("answer", id="answer", external_id="c-1"))
        await house.until_count("runs_done", 3)

    async def listed(*options: str) -> list[str]:
        said = await waitline(house.environment, "runs", "list", *options, "--json")
        return [one["trigger_event"]["id"] for one in said.document]

    assert set(await listed()) == {"order", "go-0", "go-1", "go-2"}
    assert await listed("--status", "running") == ["order"]
    assert len(await listed("--status", "completed")) == 3
    assert await listed("--status", "failed") == []
    assert await listed("--automation", "Receipt and follow-up") == ["order"]
    assert await listed("--contact", "email:ANN@x.io") == ["order"]
    assert len(await listed("--contact", "external_id:c-1", "--limit", "2")) == 2
    assert await listed("--contact", "email:nobody@x.io") == []


async def test_names_lag_and_dead_letters(narrow_house: House) -> None:
    """E5, E7: names are counted, records set aside are kept with bytes and reason."""
    house = narrow_house
    await house.apply(waiting())
    async with house.worker():
        *_, broken = places = await house.publish(
            post("go", id="go", email="ann@x.io"),
            post("strange", id="strange", email="ann@x.io"),
            Post(b"{not json \xff"),
        )
        await house.until_applied(places)

        parts, people = await look(house, "lag")
        assert len(parts) == 2
        (part,) = [one for one in parts if one["topic"] == house.events]
        assert (part["end_offset"], part["next_offset"], part["behind"]) == (3, 3, 0)
        assert part["owner"]
        assert f"{house.events}/0" in people

    names, people = await look(house, "events", "names")
    counted = {one["name"]: (one["count"], one["used_by"]) for one in names}
    assert counted == {"go": (1, ["Waiting"]), "answer": (0, ["Waiting"]), "strange": (1, [])}
    assert "nobody" in people
    letters, people = await look(house, "dead-letters", "list")
    assert [one["reason"] for one in letters] == ["not_utf8"]
    assert "not_utf8" in people
    letter, people = await look(house, "dead-letters", "show", str(broken))
    assert letter["raw"] is None
    assert letter["raw_base64"]
    other = await waitline(house.environment, "dead-letters", "list", "--reason", "x", "--json")
    assert other.document == []


async def test_a_record_that_was_set_aside_shows_its_text(house: House) -> None:
    async with house.worker():
        (place,) = await house.publish(Post(b'{"event": "x"}', headers=[("via", b"test")]))
        await house.until_applied([place])
    letter, people = await look(house, "dead-letters", "show", str(place))
    assert letter["raw"] == '{"event": "x"}'
    assert letter["headers"] == [["via", "test"]]
    assert "header via: test" in people


async def test_explain_tells_people_a_story_and_programs_a_document(house: House) -> None:
    """O3: the verdict in a sentence first, then what it rests on."""
    await house.apply(waiting())
    async with house.worker():
        places = await house.publish(post("go", id="go", email="ann@x.io"))
        await house.until_applied(places)
    document, people = await look(house, "explain", "go")
    assert document["verdict"] == "started"
    first, second, *_ = people.splitlines()
    assert first == "started"
    assert second == 'The event started a run of "Waiting".'
    unknown = await waitline(house.environment, "explain", "nothing", "--json")
    assert unknown.code == 1
    assert '"never_seen"' in unknown.out


async def test_lag_without_kafka_shows_what_postgres_knows(house: House) -> None:
    async with house.worker():
        places = await house.publish(post("go", email="ann@x.io"))
        await house.until_applied(places)
    environment = house.environment | {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    said = await waitline(environment, "lag", "--json")
    assert "Kafka at 127.0.0.1:1 cannot be used" in said.err
    assert len(said.document) == 8
    assert {one["end_offset"] for one in said.document} == {None}


async def test_what_is_not_there_ends_with_1_and_says_where_to_look(house: House) -> None:
    missing = "0b3c8f9e-63a5-5c57-8d0f-2f6a54b1d7aa"
    assert "waitline runs list" in (await refused(house, "runs", "show", missing)).err
    assert "nobody is known" in (await refused(house, "contacts", "show", "email:a@x.io")).err
    place = f"{house.events}/0/9"
    assert "nothing was set aside" in (await refused(house, "dead-letters", "show", place)).err
    named = await refused(house, "runs", "list", "--automation", "A")
    assert 'there is no automation "A"' in named.err
