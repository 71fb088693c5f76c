"""Resend's command line, npm's `resend-cli`, against a live server and a real worker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.clients.node_clients import ResendCli, npm_resend_cli
from tests.clients.served import Served, make_key
from tests.clients.test_resend_node import ANN, BEN, NOBODY
from tests.waiting import until_so

#: Before any server: without Node, none is started for nothing.
pytestmark = pytest.mark.usefixtures("npm")

#: What stands in a file for `--file`: camelCase, as the CLI hands it to the Node client.
WORKFLOW: dict[str, Any] = {
    "name": "Welcome",
    "steps": [
        {"key": "start", "type": "trigger", "config": {"eventName": "user.created"}},
        {"key": "hello", "type": "send_email", "config": {"template": {"id": "hello"}}},
        {
            "key": "verified",
            "type": "wait_for_event",
            "config": {"eventName": "user.verified", "timeout": "1 day"},
        },
        {"key": "thanks", "type": "send_email", "config": {"template": {"id": "hello"}}},
    ],
    "connections": [
        {"from": "start", "to": "hello"},
        {"from": "hello", "to": "verified"},
        {"from": "verified", "to": "thanks", "type": "event_received"},
    ],
}


@pytest.fixture
def resend(npm: Path, served: Served) -> ResendCli:
    return npm_resend_cli(npm, served)


async def make_template(resend: ResendCli, *more: str) -> str:
    made = await resend(
        *("templates", "create", "--name", "Hello", "--alias", "hello", "--text", "Welcome"),
        *("--subject", "Hello {{{NAME}}}", "--from", "Shop <shop@example.com>"),
        *("--html", "<p>Hello</p>", "--var", "NAME:string:friend", *more),
    )
    assert made == {"object": "template", "id": made["id"]}
    return str(made["id"])


async def test_a_run_is_started_watched_resumed_and_its_automation_ended(
    served: Served, resend: ResendCli
) -> None:
    """S1, S4, W1: an automation's life in commands."""
    await make_template(resend)
    await resend("templates", "publish", "hello")
    file = served.house.folder / "workflow.json"
    file.write_text(json.dumps(WORKFLOW))
    known = (await resend("automations", "create", "--file", str(file)))["id"]
    drawn = await resend("automations", "get", known)
    assert (drawn["status"], drawn["steps"][2]["config"]) == (
        "disabled",
        {"event_name": "user.verified", "timeout": "1 day"},
    )
    assert (await resend("automations", "update", known, "--status", "enabled"))["id"] == known
    (listed,) = (await resend("automations", "list", "--limit", "5"))["data"]
    assert (listed["id"], listed["status"]) == (known, "enabled")

    created = ("--event", "user.created", "--email", ANN, "--payload", '{"plan": "pro"}')
    sent = await resend("events", "send", *created)
    assert (sent["object"], sent["event"]) == ("event", "user.created")

    async def runs(status: str) -> list[Any]:
        found = await resend("automations", "runs", "list", known, "--status", status)
        return list(found["data"])

    async def waits() -> Any:
        for one in await runs("running,failed"):
            asked = ("--automation-id", known, "--run-id", one["id"])
            run = await resend("automations", "runs", "get", *asked)
            if run["steps"][-1]["status"] == "waiting":
                return run
        return None

    run = await until_so(waits)
    assert [step["key"] for step in run["steps"]] == ["start", "hello", "verified"]
    letter = await resend("emails", "get", run["steps"][1]["output"]["email_id"])
    assert (letter["to"], letter["subject"]) == ([ANN], "Hello friend")
    await resend("events", "send", "--event", "user.verified", "--contact-id", run["contact_id"])
    (over,) = await until_so(lambda: runs("completed"))
    assert over["id"] == run["id"]

    await resend("events", "send", "--event", "user.created", "--email", BEN)
    (second,) = await until_so(lambda: runs("running"))
    page = await resend("automations", "runs", known, "--limit", "1")
    assert ([one["id"] for one in page["data"]], page["has_more"]) == ([second["id"]], True)
    stopped = await resend("automations", "stop", known)
    assert stopped == {"object": "automation", "id": known, "status": "disabled"}
    assert [one["id"] for one in await runs("running")] == [second["id"]]
    gone = await resend("automations", "delete", known, "--yes")
    assert (gone["id"], gone["deleted"]) == (known, True)
    refused = await resend.refusal("automations", "get", known)
    assert refused["message"] == "Automation not found"
    assert (await served.house.record(UUID(second["id"])))["status"] == "cancelled"


async def test_events_templates_and_properties_are_kept_by_commands(resend: ResendCli) -> None:
    named = ("--name", "user.created", "--schema", '{"seats": "number"}')
    event = (await resend("events", "create", *named))["id"]
    found = await resend("events", "get", "user.created")
    assert (found["id"], found["schema"]) == (event, {"seats": "number"})
    misfit = ("--event", "user.created", "--email", ANN, "--payload", '{"seats": "many"}')
    assert "seats" in (await resend.refusal("events", "send", *misfit))["message"]
    assert (await resend("events", "update", event, "--schema", "null"))["id"] == event
    await resend("events", "send", *misfit)
    (listed,) = (await resend("events", "list"))["data"]
    assert (listed["name"], listed["schema"]) == ("user.created", None)
    assert (await resend("events", "delete", "user.created", "--yes"))["deleted"] is True
    assert (await resend.refusal("events", "get", event))["message"] == "Event not found"

    template = await make_template(resend)
    changed = await resend("templates", "update", "hello", "--subject", "Later")
    assert changed["id"] == template
    shown = await resend("templates", "get", template)
    assert (shown["subject"], shown["status"], shown["variables"][0]["key"]) == (
        "Later",
        "draft",
        "NAME",
    )
    copy = (await resend("templates", "duplicate", "hello"))["id"]
    page = await resend("templates", "list", "--limit", "1")
    assert ([one["id"] for one in page["data"]], page["has_more"]) == ([copy], True)
    assert (await resend("templates", "delete", "hello", "--yes"))["deleted"] is True

    plan = ("--key", "plan", "--type", "string", "--fallback-value", "free")
    known = (await resend("contact-properties", "create", *plan))["id"]
    seats = ("--key", "seats", "--type", "number", "--fallback-value", "1")
    await resend("contact-properties", "create", *seats)
    assert (await resend("contact-properties", "update", known, "--clear-fallback-value"))[
        "id"
    ] == known
    listed = (await resend("contact-properties", "list"))["data"]
    assert {(one["key"], one["fallbackValue"]) for one in listed} == {("plan", None), ("seats", 1)}
    found = await resend("contact-properties", "get", known)
    assert (found["key"], found["type"]) == ("plan", "string")
    assert (await resend("contact-properties", "delete", known, "--yes"))["deleted"] is True


async def test_contacts_segments_and_topics_are_kept_by_commands(resend: ResendCli) -> None:
    segment = (await resend("segments", "create", "--name", "Customers"))["id"]
    chosen = ("--name", "News", "--default-subscription", "opt_out")
    topic = (await resend("topics", "create", *chosen))["id"]
    described = ("--description", "On Fridays")
    assert (await resend("topics", "update", topic, *described))["id"] == topic
    found = await resend("topics", "get", topic)
    assert (found["description"], found["default_subscription"]) == ("On Fridays", "opt_out")
    assert [one["id"] for one in (await resend("topics", "list"))["data"]] == [topic]

    person = ("--email", ANN, "--first-name", "Ann", "--properties", '{"plan": "pro"}')
    made = (await resend("contacts", "create", *person, "--segment-id", segment))["id"]
    known = await resend("contacts", "get", ANN)
    assert (known["id"], known["first_name"], known["properties"]) == (
        made,
        "Ann",
        {"plan": {"value": "pro", "type": "string"}},
    )
    assert (await resend("contacts", "update", ANN, "--unsubscribed"))["id"] == made
    assert (await resend("contacts", "get", made))["unsubscribed"] is True
    (listed,) = (await resend("contacts", "list"))["data"]
    assert listed["id"] == made
    (listed,) = (await resend("segments", "contacts", segment))["data"]
    assert listed["id"] == made
    (listed,) = (await resend("contacts", "segments", ANN))["data"]
    assert listed["id"] == segment
    await resend("contacts", "remove-segment", ANN, segment)
    assert (await resend("contacts", "segments", made))["data"] == []
    joined = await resend("contacts", "add-segment", made, "--segment-id", segment)
    assert joined["id"] == segment
    choice = json.dumps([{"id": topic, "subscription": "opt_in"}])
    assert (await resend("contacts", "update-topics", ANN, "--topics", choice))["id"] == made
    (listed,) = (await resend("contacts", "topics", made))["data"]
    assert (listed["id"], listed["subscription"]) == (topic, "opt_in")

    assert (await resend("segments", "get", segment))["name"] == "Customers"
    assert [one["id"] for one in (await resend("segments", "list"))["data"]] == [segment]
    for command in (("contacts", ANN), ("segments", segment), ("topics", topic)):
        kind, named = command
        assert (await resend(kind, "delete", named, "--yes"))["deleted"] is True
    assert (await resend.refusal("contacts", "get", ANN))["message"] == "Contact not found"


async def test_what_is_refused_is_printed_as_the_server_says_it(
    npm: Path, served: Served, resend: ResendCli
) -> None:
    """F1: a workflow in snake_case is refused with what the client has dropped of it."""
    steps = [{"key": "start", "type": "trigger", "config": {"event_name": "user.created"}}]
    graph = ("--name", "Lost", "--steps", json.dumps(steps), "--connections", "[]")
    refused = await resend.refusal("automations", "create", *graph)
    assert 'step "start", config.event_name: is missing' in refused["message"]
    assert "the Node client expects `eventName`" in refused["message"]
    assert refused["code"] == "create_error"
    for command, said in (
        (("automations", "runs", "get", "--automation-id", NOBODY, "--run-id", NOBODY), "run not"),
        (("automations", "stop", NOBODY), "Automation not found"),
        (("events", "send", "--event", "e", "--contact-id", NOBODY), "Contact not found"),
        (("automations", "get", "7"), "valid UUID"),
    ):
        assert said in (await resend.refusal(*command))["message"]
    stranger = npm_resend_cli(npm, served, "re_123")
    assert "API key" in (await stranger.refusal("automations", "list"))["message"]
    sender = npm_resend_cli(npm, served, await make_key(served.house, "--scope", "send"))
    await sender("events", "send", "--event", "e", "--email", ANN)
    assert "the scope `send`" in (await sender.refusal("automations", "list"))["message"]
