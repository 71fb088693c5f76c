"""Segments and topics as operators meet them: files, commands, lists that follow the steps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from state.postgres.store import PostgresStore
from tests.integration.command import Said, waitline
from tests.integration.doors import CONTACTS, Door, Log
from tests.integration.drawn import TEMPLATES
from tests.integration.kit import publish_version
from tests.stored import rows


class Desk:
    """An operator's desk: commands against one database."""

    def __init__(self, database: str, folder: Path) -> None:
        self._environment = {"DATABASE_URL": database}
        self._folder = folder

    async def does(self, *arguments: str) -> Said:
        return await waitline(self._environment, *arguments)

    async def reads(self, *arguments: str) -> Any:
        """Return a reading command's JSON; people are told without a word beside it."""
        people = await self.does(*arguments)
        assert people.code == 0, people.err
        return (await self.does(*arguments, "--json")).document

    async def applies(self, document: Mapping[str, object], *options: str) -> Said:
        path = self._folder / "automation.yaml"
        path.write_text(yaml.safe_dump(dict(document)))
        return await self.does("automations", "apply", str(path), *options)


@pytest.fixture
def desk(database: str, tmp_path: Path) -> Desk:
    return Desk(database, tmp_path)


def changing(name: str = "Changing", start: str = "go", **more: object) -> dict[str, Any]:
    """Return an automation that adds to VIP, and takes off the digest."""
    steps = [
        {"key": "start", "type": "trigger", "config": {"event_name": start}},
        {"key": "add", "type": "add_to_segment", "config": {"segment_id": "VIP"}},
        {
            "key": "leave",
            "type": "set_topic_subscription",
            "config": {"topic_id": "digest", "subscription": "opt_out"},
        },
    ]
    ways = [{"from": "start", "to": "add"}, {"from": "add", "to": "leave"}]
    declared = {"segments": ["VIP"], "topics": {"digest": {"name": "Weekly digest"}}}
    return {"name": name, "steps": steps, "connections": ways, **declared, **more}


async def test_a_file_creates_what_it_declares_once(desk: Desk, database: str) -> None:
    """F1, O4: with the automation or not at all; a dry run creates nothing."""
    await desk.applies(changing(), "--dry-run")
    assert await desk.reads("segments", "list") == []
    assert (await desk.applies(changing())).code == 0
    assert "is unchanged" in (await desk.applies(changing())).out
    (segment,) = await desk.reads("segments", "list")
    assert (segment["name"], segment["members"]) == ("VIP", 0)
    (topic,) = await desk.reads("subscription-topics", "list")
    assert (topic["key"], topic["name"], topic["default_subscription"]) == (
        "digest",
        "Weekly digest",
        "opt_in",
    )
    assert [row[0] for row in await rows(database, "select what from audit order by id")] == [
        "automation.apply",
        "segment.create",
        "topic.create",
    ]


async def test_a_name_that_is_nowhere_is_refused_with_the_nearest(desk: Desk) -> None:
    """F1: what was created by hand is as good as what a file declares."""
    assert (await desk.does("segments", "create", "VIPs")).code == 0
    assert (await desk.does("subscription-topics", "create", "digest")).code == 0
    bare = changing()
    del bare["segments"], bare["topics"]
    refused = await desk.applies(bare)
    assert refused.code == 1
    assert 'there is no segment "VIP"; did you mean "VIPs"?' in refused.err
    assert (await desk.does("segments", "create", "VIP")).code == 0
    assert (await desk.applies(bare)).code == 0


async def test_members_are_listed_page_by_page(
    desk: Desk, door: Door, store: PostgresStore, database: str
) -> None:
    """F2: the list follows the profile, written in the run's own transaction."""
    assert (await desk.applies(changing())).code == 0
    log = Log()
    await door.feed([log.add("go", email=f"p{number}@x.io") for number in range(5)])
    first = await desk.reads("segments", "show", "VIP", "--limit", "3")
    rest = await desk.reads("segments", "show", "VIP", "--limit", "3", "--after", first["next"])
    assert (first["member_count"], rest["next"]) == (5, None)
    people = {one["identifier"] for page in (first, rest) for one in page["members"]}
    assert people == {f"email:p{number}@x.io" for number in range(5)}
    assert (len(first["members"]), len(rest["members"])) == (3, 2)
    written_by = {one["by"] for page in (first, rest) for one in page["members"]}
    assert written_by == {f"{run['id']}/add" for run in await desk.reads("runs", "list")}
    topic = await desk.reads("subscription-topics", "show", "digest")
    assert (topic["subscribed"], topic["unsubscribed"], len(topic["members"])) == (0, 5, 5)
    contact = await desk.reads("contacts", "show", "email:p1@x.io")
    assert contact["segments"] == ["VIP"]
    assert contact["consent"]["topics"] == {"digest": False}
    assert "VIP" in (await desk.does("contacts", "show", "email:p1@x.io")).out


async def test_a_topic_that_nobody_created_is_listed_as_undeclared(
    desk: Desk, door: Door, store: PostgresStore
) -> None:
    """F4, I6: an event may name any key, and what was chosen is kept."""
    payload = {"topic": "offers"}
    said = {"topic": CONTACTS, "email": "ann@x.io", "payload": payload}
    await door.feed([Log().add("contact.unsubscribed", **said)])
    (topic,) = await desk.reads("subscription-topics", "list")
    assert (topic["key"], topic["default_subscription"], topic["unsubscribed"]) == (
        "offers",
        None,
        1,
    )
    assert "undeclared" in (await desk.does("subscription-topics", "list")).out
    (ann,) = (await desk.reads("subscription-topics", "show", "offers"))["members"]
    assert ann["by"] == f"{CONTACTS}/0/0"


async def test_what_is_used_cannot_be_deleted(
    desk: Desk, door: Door, store: PostgresStore, database: str
) -> None:
    """O4, F5: by name or id; afterwards a step that names it would fail."""
    assert (await desk.applies(changing())).code == 0
    await door.feed([Log().add("go", email="ann@x.io")])
    for group, name in (("segments", "VIP"), ("subscription-topics", "digest")):
        asked = await desk.does(group, "delete", name)
        assert (asked.code, "add --yes" in asked.err) == (2, True)
        used = await desk.does(group, "delete", name, "--yes")
        assert (used.code, 'is used by "Changing"' in used.err) == (1, True)
    assert (await desk.does("automations", "delete", "Changing", "--yes")).code == 0
    for group, name in (("segments", "VIP"), ("subscription-topics", "digest")):
        assert (await desk.does(group, "delete", name, "--yes")).code == 0
    assert await desk.reads("segments", "list") == []
    assert await rows(database, "select count(*) from segment_members") == [(0,)]
    assert (await desk.reads("contacts", "show", "email:ann@x.io"))["segments"] == []
    (kept,) = await desk.reads("subscription-topics", "list")
    assert (kept["id"], kept["unsubscribed"]) == (None, 1)
    audited = [row[0] for row in await rows(database, "select what from audit order by id")]
    assert audited[-2:] == ["segment.delete", "topic.delete"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("segments", "show", "VPI"), 1, 'there is no segment "VPI"; did you mean "VIP"?'),
        (("segments", "delete", "VPI", "--yes"), 1, 'did you mean "VIP"?'),
        (("segments", "create", "VIP"), 1, 'there is a segment "VIP" already'),
        (("segments", "create", ""), 2, "the name is empty"),
        (("segments", "show", "VIP", "--after", "x"), 2, "is no contact id"),
        (("subscription-topics", "show", "digst"), 1, 'did you mean "digest"?'),
        (("subscription-topics", "create", "digest"), 1, 'there is a topic "digest" already'),
        (("subscription-topics", "create", "x", "--default", "in"), 2, '"in" is no subscription'),
        (("suppressions", "add", "phone:+4912345678", "--why", "x"), 2, "write email:VALUE"),
        (("suppressions", "add", "email:a@x.io", "--why", " "), 2, "--why is empty"),
        (("suppressions", "remove", "email:a@x.io", "--why", "x"), 1, "is not suppressed"),
    ],
)
async def test_what_commands_refuse(
    desk: Desk, arguments: tuple[str, ...], code: int, said: str
) -> None:
    """O4: each says what to do instead, and changes nothing."""
    assert (await desk.applies(changing())).code == 0
    refused = await desk.does(*arguments)
    assert refused.code == code
    assert said in refused.err
    assert len(refused.err.splitlines()) == 1


async def test_an_address_is_suppressed_and_released_by_hand(
    desk: Desk, door: Door, store: PostgresStore, database: str
) -> None:
    """F4, O4, I5: the address is shown while somebody holds it; the audit never names it."""
    await publish_version(store, sending())
    log = Log()
    await door.feed([log.add("mail", email="ann@x.io")])
    address = "email:Ann@X.io"
    assert (
        "is suppressed" in (await desk.does("suppressions", "add", address, "--why", "a call")).out
    )
    again = await desk.does("suppressions", "add", address, "--why", "a call")
    assert "was suppressed already" in again.out
    (one,) = await desk.reads("suppressions", "list")
    assert (one["address"], one["reason"]) == ("ann@x.io", "operator")
    assert await desk.reads("suppressions", "list", "--address", address) == [one]
    assert await desk.reads("suppressions", "list", "--address", "email:b@x.io") == []
    await door.settle()
    assert await rows(database, "select status, error ->> 'code' from messages") == [
        ("skipped", "suppressed")
    ]
    async with store.session() as session:
        await session.run("delete from identifiers")
    (one,) = await desk.reads("suppressions", "list")
    assert one["address"] is None
    removed = await desk.does("suppressions", "remove", address, "--why", "she asked")
    assert "may be written to again" in removed.out
    assert await desk.reads("suppressions", "list") == []
    audited = await rows(database, "select what, target, after::text from audit order by id")
    assert [what for what, _, _ in audited][-2:] == ["suppression.add", "suppression.remove"]
    assert "ann" not in repr(audited).lower()


def sending() -> dict[str, Any]:
    mail = {"template": {"id": "receipt"}, "category": "transactional"}
    steps = [
        {"key": "start", "type": "trigger", "config": {"event_name": "mail"}},
        {"key": "mail", "type": "send_email", "config": mail},
    ]
    ways = [{"from": "start", "to": "mail"}]
    return {"name": "Sending", "steps": steps, "connections": ways, "templates": TEMPLATES}
