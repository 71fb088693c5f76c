"""Who did what, when, and what it changed: O4."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

from tests.integration.command import waitline
from tests.integration.drawn import automation, waiting
from tests.integration.kit import House
from tests.stored import rows

NAME = "Receipt and follow-up"


async def actions(house: House, *arguments: str) -> list[dict[str, Any]]:
    found = (await waitline(house.environment, "audit", *arguments, "--json")).document
    assert isinstance(found, list)
    return found


async def test_what_is_done_to_automations_is_kept_with_what_was_before(house: House) -> None:
    """O4: who, when, what, before and after; the newest first, and what changed nothing is not."""
    file = house.folder / "automation.yaml"
    file.write_text(yaml.safe_dump(automation()))
    for arguments in (
        ["apply", str(file)],
        ["apply", str(file)],
        ["stop", NAME],
        ["stop", NAME],
        ["enable", NAME],
    ):
        assert (await waitline(house.environment, "automations", *arguments)).code == 0
    changed = automation() | {
        "templates": automation()["templates"] | {"nudge": {"subject": "Now", "text": "!"}}
    }
    file.write_text(yaml.safe_dump(changed))
    for arguments in (["apply", str(file)], ["delete", NAME, "--yes"]):
        assert (await waitline(house.environment, "automations", *arguments)).code == 0
    done = await actions(house, "--target", NAME)
    assert [one["what"] for one in done] == [
        "automation.delete",
        "automation.apply",
        "automation.enable",
        "automation.stop",
        "automation.apply",
    ]
    assert all(one["who"].startswith("cli:") for one in done)
    assert [one["at"] for one in done] == sorted((one["at"] for one in done), reverse=True)
    stopped = done[3]
    assert (stopped["before"]["is_enabled"], stopped["after"]["is_enabled"]) == (True, False)
    assert (done[-1]["before"], done[-1]["after"]["version"]) == (None, 1)
    assert (done[1]["before"]["version"], done[1]["after"]["version"]) == (1, 2)
    assert (done[0]["before"]["version"], done[0]["after"]) == (2, None)


async def test_templates_are_kept_as_they_were(house: House) -> None:
    """O4: a template that an apply changes, and no other."""
    file = house.folder / "automation.yaml"
    for nudge in ("First", "Second"):
        document = automation()
        document["templates"] = document["templates"] | {"nudge": {"subject": nudge, "text": "!"}}
        file.write_text(yaml.safe_dump(document))
        assert (await waitline(house.environment, "automations", "apply", str(file))).code == 0
    written = {alias: dict(reversed(one.items())) for alias, one in document["templates"].items()}
    file.write_text(yaml.safe_dump(document | {"templates": written}, sort_keys=False))
    assert (await waitline(house.environment, "automations", "apply", str(file))).code == 0
    done = await actions(house, "--what", "template.apply")
    assert sorted(one["target"] for one in done[1:]) == ["nudge", "receipt", "thanks"]
    last = done[0]
    assert (last["target"], last["before"]["subject"], last["after"]["subject"]) == (
        "nudge",
        "First",
        "Second",
    )


async def test_the_log_is_narrowed_and_read_page_by_page(house: House) -> None:
    """O4: by kind, target, operator and time; an id tells where the next page begins."""
    await house.apply(*(waiting(f"W{number}") for number in range(7)))
    for number in range(7):
        await waitline(house.environment, "automations", "stop", f"W{number}")
    everything = await actions(house, "--what", "automation.")
    assert len(everything) == 14
    pages, before = [], []
    while page := await actions(house, "--what", "automation.", "--limit", "5", *before):
        pages += page
        before = ["--before", str(page[-1]["id"])]
    assert pages == everything
    stops = await actions(house, "--what", "automation.stop")
    assert [one["target"] for one in stops] == [f"W{number}" for number in reversed(range(7))]
    assert len(await actions(house, "--who", "test", "--what", "automation.")) == 7
    assert len(await actions(house, "--since", stops[2]["at"])) == 3
    assert await actions(house, "--target", "W9") == []
    people = await waitline(house.environment, "audit", "--what", "automation.stop")
    assert "is_enabled: yes -> no" in people.out
    last = await waitline(house.environment, "audit", "--limit", "3")
    assert f"there may be more: --before {everything[2]['id']}" in last.err


async def test_migrations_and_new_topics_are_kept_too(
    kafka: str, empty_database: str, tmp_path: Path
) -> None:
    """O4: what an operator does before there is anything else."""
    name = f"audited-{uuid4().hex[:8]}"
    environment = {
        "DATABASE_URL": empty_database,
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "WAITLINE_TOPICS_EVENTS": f"{name}.events",
        "WAITLINE_TOPICS_CONTACTS": f"{name}.contacts",
        "WAITLINE_TOPICS_RECEIPTS": f"{name}.receipts",
        "WAITLINE_TOPICS_DEAD_LETTERS": f"{name}.dead-letters",
    }
    early = await waitline(environment, "topics", "create", "--partitions", "1")
    assert early.code == 0
    assert "this is not in the audit log" in early.err
    migrated = await waitline(environment, "migrate")
    later = environment | {"WAITLINE_TOPICS_EVENTS": f"{name}.more"}
    assert (await waitline(later, "topics", "create", "--partitions", "3")).code == 0
    assert (await waitline(later, "topics", "create")).err == ""
    done = await rows(
        empty_database, "select what, target, after ->> 'partitions' from audit order by id"
    )
    applied = [line.removeprefix("applied ") for line in migrated.out.splitlines()]
    assert done == [
        *(("schema.migrate", one, None) for one in applied),
        ("topics.create", f"{name}.more", "3"),
    ]
    who = {one for (one,) in await rows(empty_database, "select distinct who from audit")}
    assert len(who) == 1
    assert who.pop().startswith("cli:")
