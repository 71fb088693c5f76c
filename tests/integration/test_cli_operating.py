"""Commands that change something: migrate, topics, automations, publish, run."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
import yaml

from state.event import Coordinates
from stream.wire_form import WireForm
from tests.integration.command import ROOT, waitline
from tests.integration.drawn import automation, post, waiting
from tests.integration.kit import House
from tests.waiting import until_so


def written(folder: Path, *documents: dict[str, Any]) -> list[str]:
    """Write automation files; return their paths."""
    paths = []
    for number, document in enumerate(documents):
        path = folder / f"automation-{number}.yaml"
        path.write_text(yaml.safe_dump(document))
        paths.append(str(path))
    return paths


# --- setting up -----------------------------------------------------------------------------------


async def test_migrate_says_what_it_applied_and_may_be_repeated(empty_database: str) -> None:
    environment = {"DATABASE_URL": empty_database}
    before = await waitline(environment, "runs", "list")
    assert before.code == 1
    assert "is not migrated" in before.err
    assert "run `waitline migrate`" in before.err
    refused = await waitline(environment, "run")
    assert (refused.code, refused.out) == (1, "")
    assert "run `waitline migrate`" in refused.err
    dry = await waitline(environment, "migrate", "--dry-run")
    assert (dry.code, dry.out.splitlines()[0]) == (0, "would apply 0001_initial.sql")
    assert (await waitline(environment, "runs", "list")).code == 1
    first = await waitline(environment, "migrate")
    assert first.code == 0
    assert "applied 0001_initial.sql" in first.out
    assert dry.out.replace("would apply", "applied") == first.out
    for options in ((), ("--dry-run",)):
        assert "nothing to apply" in (await waitline(environment, "migrate", *options)).out
    assert (await waitline(environment, "runs", "list", "--json")).document == []


async def test_topics_are_created_once(kafka: str) -> None:
    name = f"made-{uuid4().hex[:8]}"
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "WAITLINE_TOPICS_EVENTS": f"{name}.events",
        "WAITLINE_TOPICS_CONTACTS": f"{name}.contacts",
        "WAITLINE_TOPICS_RECEIPTS": f"{name}.receipts",
        "WAITLINE_TOPICS_DEAD_LETTERS": f"{name}.dead-letters",
    }
    missing = await waitline(environment, "publish", "x", "--email", "ann@x.io")
    assert missing.code == 1
    assert "run `waitline topics create`" in missing.err
    made = await waitline(environment, "topics", "create", "--partitions", "3")
    assert made.code == 0
    assert f"created {name}.events: 3 partitions, records kept for 7 days" in made.out
    again = await waitline(environment, "topics", "create")
    assert f"exists {name}.dead-letters: 3 partitions" in again.out


# --- automations ----------------------------------------------------------------------------------


async def test_automations_are_applied_changed_and_unchanged(house: House) -> None:
    """S1: a version is made only where something differs; a dry run tells and changes nothing."""
    (file,) = written(house.folder, automation())
    apply = ("automations", "apply", file)
    dry = await waitline(house.environment, *apply, "--dry-run")
    assert "would be created: version 1, would be enabled" in dry.out
    assert (await waitline(house.environment, "automations", "list", "--json")).document == []
    assert "created: version 1, enabled" in (await waitline(house.environment, *apply)).out
    assert "is unchanged: version 1" in (await waitline(house.environment, *apply)).out
    changed = automation(timeout="1 hour")
    changed["templates"] = changed["templates"] | {"thanks": {"title": "New", "text": "Hi."}}
    written(house.folder, changed)
    published = await waitline(house.environment, *apply)
    assert "published: version 2" in published.out
    assert 'step "opened" changed' in published.out
    assert 'template "thanks" changed' in published.out


async def test_a_file_that_cannot_be_used_stops_all_of_them(house: House) -> None:
    broken = waiting("Broken")
    broken["connections"][0]["to"] = "wiat"
    files = written(house.folder, automation(), broken)
    refused = await waitline(house.environment, "automations", "apply", *files)
    assert refused.code == 1
    assert "nothing was applied" in refused.err
    assert "automation-1.yaml" in refused.err
    assert "wiat" in refused.err
    assert (await waitline(house.environment, "automations", "list", "--json")).document == []


@pytest.mark.parametrize(
    ("text", "said"), [("a: [", "not YAML"), ("- a", "expected an automation"), (None, "No such")]
)
async def test_what_is_no_automation_file(house: House, text: str | None, said: str) -> None:
    path = house.folder / "odd.yaml"
    if text is not None:
        path.write_text(text)
    refused = await waitline(house.environment, "automations", "apply", str(path))
    assert refused.code == 1
    assert said in refused.err


async def test_an_automation_is_shown_stopped_enabled_and_deleted(house: House) -> None:
    """S4, O4: stop and delete are an operator's, and each is in the audit log."""
    await house.apply(automation())
    name = "Receipt and follow-up"

    async def status() -> str:
        (one,) = (await waitline(house.environment, "automations", "list", "--json")).document
        return str(one["status"])

    assert "is stopped" in (await waitline(house.environment, "automations", "stop", name)).out
    again = await waitline(house.environment, "automations", "stop", name)
    assert "was stopped already" in again.out
    assert await status() == "stopped"
    assert "is enabled" in (await waitline(house.environment, "automations", "enable", name)).out
    assert await status() == "enabled"
    shown = (await waitline(house.environment, "automations", "show", name, "--json")).document
    assert shown["definition"]["steps"][0]["key"] == "start"
    assert "order.completed" in shown["listens_to"]
    people = await waitline(house.environment, "automations", "show", name)
    assert yaml.safe_load(people.out.split("\n\n", 1)[1]) == shown["definition"]
    gone = await waitline(house.environment, "automations", "delete", name, "--yes")
    assert gone.code == 0
    assert (await waitline(house.environment, "automations", "list", "--json")).document == []
    who = await house.rows("select what, who from audit order by id")
    assert [what for what, _ in who][-3:] == [
        "automation.stop",
        "automation.enable",
        "automation.delete",
    ]
    assert all(one.startswith("cli:") for what, one in who if what != "automation.apply")


@pytest.mark.parametrize("verb", ["show", "enable", "stop"])
async def test_an_unknown_automation_is_answered_with_the_nearest(house: House, verb: str) -> None:
    await house.apply(automation())
    said = await waitline(house.environment, "automations", verb, "Receipt and folow-up")
    assert said.code == 1
    assert 'did you mean "Receipt and follow-up"?' in said.err
    assert len(said.err.splitlines()) == 1


# --- publishing -----------------------------------------------------------------------------------


async def test_one_event_is_published_and_answers_where_it_stands(house: House) -> None:
    order = ("publish", "order.completed", "--email", "ann@x.io", "--payload", '{"total": 30}')
    said = (await waitline(house.environment, *order, "--json")).document
    assert list(said) == ["id", "topic", "partition", "offset"]
    assert said["id"].startswith("evt_")
    (record,) = await house.topic(house.events, 1)
    assert json.loads(record.value()) == {
        "id": said["id"],
        "event": "order.completed",
        "email": "ann@x.io",
        "payload": {"total": 30},
    }
    changed = await waitline(
        house.environment, "publish", "contact.updated", "--email", "ann@x.io", "--id", "c-1"
    )
    assert f"published c-1 to {house.contacts}/" in changed.out


async def test_one_event_is_one_whatever_form_it_is_published_in(house: House) -> None:
    """E1, E2, E4: a CloudEvent of the topic's is the plain event of its id, and comes again."""
    await house.apply(waiting())
    order = ("publish", "go", "--email", "ann@x.io", "--id", "e-1", "--payload", '{"total": 30}')
    forms = (WireForm.JSON, WireForm.CLOUDEVENTS, WireForm.CLOUDEVENTS_BINARY)
    async with house.worker():
        for form in forms:
            said = (await waitline(house.environment, *order, "--format", form, "--json")).document
            place = Coordinates(said["topic"], said["partition"], said["offset"])
            await house.until_applied([place])
        lines = json.dumps({"event": "go", "id": "e-2", "email": "bob@x.io"})
        arguments = ("publish", "--file", "-", "--format", "cloudevents", "--source", "/shop")
        await waitline(house.environment, *arguments, stdin=lines)
        await house.until_count("runs_active", 2)
    assert await house.rows("select source, event_id from events order by event_id") == [
        (house.events, "e-1"),
        ("/shop", "e-2"),
    ]
    assert await house.count("duplicates") == 2
    assert await house.count("quarantine") == 0


async def test_a_file_is_published_from_standard_input(house: House) -> None:
    lines = "".join(
        json.dumps({"event": "go", "id": f"e{number}", "email": f"p{number}@x.io"}) + "\n"
        for number in range(50)
    )
    said = await waitline(house.environment, "publish", "--file", "-", "--json", stdin=lines)
    assert said.document == {"published": 50}
    records = await house.topic(house.events, 50)
    assert {json.loads(record.value())["id"] for record in records} == {f"e{n}" for n in range(50)}


# --- workers --------------------------------------------------------------------------------------


def _started(house: House, number: int) -> subprocess.Popen[bytes]:
    with (house.folder / "run.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "stream", "run", "--workers", str(number)],
            cwd=ROOT,
            env=os.environ | house.environment,
            stdout=log,
            stderr=log,
        )


async def _workers(house: House) -> int:
    return int(await house.value("select count(distinct owner) from partitions"))


@pytest.mark.parametrize("number", [1, 2])
async def test_workers_run_share_the_partitions_and_drain(house: House, number: int) -> None:
    """SIGTERM drains every worker: exit code 0, and nobody is left."""
    await house.apply(waiting())
    process = _started(house, number)
    try:
        await until_so(lambda: _is(house, number), 40)
        await house.publish(*(post("go", id=f"{n}", email=f"p{n}@x.io") for n in range(20)))
        await house.until_count("runs_active", 20)
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) == (number if number > 1 else 0)
        process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(process.wait, 30)
        assert code == 0, (house.folder / "run.log").read_text()
        assert not [child for child in children if child.is_running()]
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()


async def _is(house: House, number: int) -> bool:
    return await _workers(house) == number
