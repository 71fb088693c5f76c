"""Resend's official Node client, npm's `resend`, against a live server and a real worker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.clients.node_clients import Resend, npm_resend
from tests.clients.served import Served, make_key, serve
from tests.integration.drawn import waiting
from tests.waiting import until_so

#: Before any server: without Node, none is started for nothing.
pytestmark = pytest.mark.usefixtures("npm")

#: The client puts an address into a path as it is, with its plus.
ANN, BEN = "ann+news@example.com", "ben@example.com"
NOBODY = "00000000-0000-4000-8000-000000000000"

TEMPLATE: dict[str, Any] = {
    "name": "Hello",
    "alias": "hello",
    "from": "Shop <shop@example.com>",
    "subject": "Hello {{{NAME}}}",
    "text": "Welcome.",
    "variables": [{"key": "NAME", "type": "string", "fallbackValue": "friend"}],
}

IS_PAID = {"type": "rule", "field": "event.plan", "operator": "neq", "value": "free"}
IS_PRO = {"type": "rule", "field": "contact.properties.plan", "operator": "eq", "value": "pro"}

#: One step of each type that Resend has, as JavaScript has it: in camelCase.
STEPS: list[dict[str, Any]] = [
    {"key": "start", "type": "trigger", "config": {"eventName": "user.created"}},
    {
        "key": "hello",
        "type": "send_email",
        "config": {
            "template": {"id": "hello", "variables": {"NAME": {"var": "event.name"}}},
            "replyTo": "help@example.com",
        },
    },
    {
        "key": "chosen",
        "type": "wait_for_event",
        "config": {"eventName": "plan.chosen", "timeout": "3 days", "filterRule": IS_PAID},
    },
    {
        "key": "note",
        "type": "contact_update",
        "config": {
            "firstName": "Ann",
            "properties": {"plan": {"var": "wait_events.plan.chosen.plan"}},
        },
    },
    {"key": "join", "type": "add_to_segment", "config": {"segmentId": NOBODY}},
    {"key": "is_pro", "type": "condition", "config": IS_PRO},
    {"key": "pause", "type": "delay", "config": {"duration": "1 hour"}},
    {"key": "forget", "type": "contact_delete", "config": {}},
]
CONNECTIONS = [
    {"from": "start", "to": "hello"},
    {"from": "hello", "to": "chosen"},
    {"from": "chosen", "to": "note", "type": "event_received"},
    {"from": "chosen", "to": "pause", "type": "timeout"},
    {"from": "note", "to": "join"},
    {"from": "join", "to": "is_pro"},
    {"from": "is_pro", "to": "forget", "type": "condition_met"},
    {"from": "is_pro", "to": "pause", "type": "condition_not_met"},
]


@pytest.fixture
async def resend(npm: Path, served: Served) -> AsyncIterator[Resend]:
    async with npm_resend(npm, served) as client:
        yield client


async def onboarding(resend: Resend) -> dict[str, Any]:
    """Make what the steps name; return the automation that has them all."""
    await resend.chain(["templates.create", TEMPLATE], ["publish"])
    segment = await resend("segments.create", {"name": "Customers"})
    steps = [
        {**step, "config": {"segmentId": segment["id"]}} if step["key"] == "join" else step
        for step in STEPS
    ]
    return {"name": "Onboarding", "steps": steps, "connections": CONNECTIONS}


async def run_when(resend: Resend, automation_id: str, key: str, status: str) -> Any:
    """Return the newest run of an automation, once its last step is so."""

    async def is_so() -> Any:
        listed = await resend("automations.runs.list", {"automationId": automation_id})
        if not listed["data"]:
            return None
        asked = {"automationId": automation_id, "runId": listed["data"][0]["id"]}
        run = await resend("automations.runs.get", asked)
        last = run["steps"][-1]
        return run if (last["key"], last["status"]) == (key, status) else None

    return await until_so(is_so)


async def test_an_automation_of_all_step_types_is_created_and_runs(resend: Resend) -> None:
    """S1, W1, I5: what JavaScript says in camelCase is what the worker does."""
    made = await resend("automations.create", await onboarding(resend))
    known = made["id"]
    assert made == {"object": "automation", "id": known}
    drawn = await resend("automations.get", known)
    assert (drawn["name"], drawn["status"]) == ("Onboarding", "disabled")
    assert drawn["connections"][:3] == [{"type": "default", **one} for one in CONNECTIONS[:3]]
    configs = {step["key"]: step["config"] for step in drawn["steps"]}
    assert [step["type"] for step in drawn["steps"]] == [step["type"] for step in STEPS]
    assert configs["chosen"] == {
        "event_name": "plan.chosen",
        "timeout": "3 days",
        "filter_rule": IS_PAID,
    }
    assert (configs["hello"]["reply_to"], configs["note"]["first_name"]) == (
        "help@example.com",
        "Ann",
    )
    assert (await resend("automations.update", known, {"status": "enabled"}))["id"] == known

    created = {"event": "user.created", "email": ANN, "payload": {"name": "Ann"}}
    sent = await resend("events.send", created)
    assert (sent["object"], sent["event"]) == ("event", "user.created")
    run = await run_when(resend, known, "chosen", "waiting")
    assert (run["object"], run["status"], run["completed_at"]) == (
        "automation_run",
        "running",
        None,
    )
    email_id = run["steps"][1]["output"]["email_id"]
    letter = await resend("emails.get", email_id)
    assert (letter["id"], letter["to"], letter["subject"]) == (email_id, [ANN], "Hello Ann")
    assert (letter["reply_to"], letter["last_event"]) == (["help@example.com"], "sent")
    contact = await resend("contacts.get", ANN)
    assert contact["id"] == run["contact_id"]

    # Nobody waits for the first; the second is sent by the contact's id.
    chosen = {"event": "plan.chosen", "contactId": contact["id"]}
    await resend("events.send", {**chosen, "payload": {"plan": "free"}})
    await resend("events.send", {**chosen, "payload": {"plan": "pro"}})
    run = await run_when(resend, known, "forget", "completed")
    assert (run["status"], run["ended_reason"]) == ("cancelled", "contact_deleted")
    assert [step["key"] for step in run["steps"]] == [
        step["key"] for step in STEPS if step["key"] != "pause"
    ]
    assert all(step["status"] == "completed" for step in run["steps"])
    assert run["waits"][0]["outcome_branch"] == "event_received"
    assert (await resend.refusal("contacts.get", ANN)).message == "Contact not found"


async def test_an_automation_is_stopped_copied_changed_and_deleted(
    served: Served, resend: Resend
) -> None:
    """S4: a run goes on when its automation is stopped, and ends when it is deleted."""
    graph = {
        "name": "Welcome",
        "steps": [STEPS[0], STEPS[6]],
        "connections": [{"from": "start", "to": "pause"}],
    }
    known = (await resend("automations.create", {**graph, "status": "enabled"}))["id"]
    await resend("events.send", {"event": "user.created", "email": ANN})
    run = await run_when(resend, known, "pause", "waiting")
    changes = {"steps": [STEPS[0]], "connections": []}
    in_use = await resend.refusal("automations.update", known, changes)
    assert (in_use.status, in_use.name) == (422, "validation_error")
    assert "disable it first" in in_use.message

    stopped = await resend("automations.stop", known)
    assert stopped == {"object": "automation", "id": known, "status": "disabled"}
    asked = {"automationId": known, "status": ["running", "failed"]}
    running = await resend("automations.runs.list", asked)
    assert [one["id"] for one in running["data"]] == [run["id"]]
    assert (await resend("automations.runs.list", {**asked, "status": "cancelled"}))["data"] == []

    copies = [(await resend("automations.duplicate", known))["id"] for _ in range(2)]
    drawn = await resend("automations.get", copies[0])
    assert (drawn["name"], drawn["status"]) == ("Welcome (Copy)", "disabled")
    assert drawn["steps"][1]["config"] == {"duration": "1 hour"}
    await resend("automations.update", copies[0], {"name": "Short", **changes})
    drawn = await resend("automations.get", copies[0])
    assert (drawn["name"], len(drawn["steps"])) == ("Short", 1)

    first = await resend("automations.list", {"limit": 2})
    assert ([one["id"] for one in first["data"]], first["has_more"]) == (copies[::-1], True)
    rest = await resend("automations.list", {"after": copies[0], "status": "disabled"})
    assert ([one["id"] for one in rest["data"]], rest["has_more"]) == ([known], False)
    back = await resend("automations.list", {"before": known, "limit": 1})
    assert [one["id"] for one in back["data"]] == copies[:1]

    gone = await resend("automations.remove", known)
    assert gone == {"object": "automation", "id": known, "deleted": True}
    assert (await resend.refusal("automations.get", known)).message == "Automation not found"
    ended = await served.house.record(UUID(run["id"]))
    assert ended["status"] == "cancelled"


async def test_an_event_is_defined_and_binds_what_is_sent(resend: Resend) -> None:
    """E4: an idempotency key that the client sends makes two requests one event."""
    made = await resend("events.create", {"name": "a/b c", "schema": {"seats": "number"}})
    assert made == {"object": "event", "id": made["id"]}
    found = await resend("events.get", "a/b c")
    assert (found["object"], found["id"], found["schema"]) == (
        "event",
        made["id"],
        {"seats": "number"},
    )
    sent = {"event": "a/b c", "email": ANN, "payload": {"seats": "many"}}
    misfit = await resend.refusal("events.send", sent)
    assert (misfit.status, misfit.name) == (422, "validation_error")
    assert "seats" in misfit.message
    assert (await resend("events.update", made["id"], {"schema": None}))["id"] == made["id"]
    key = {"idempotencyKey": "order-1"}
    assert (await resend("events.send", sent, key))["id"] == "order-1"
    (listed,) = (await resend("events.list", {"limit": 1}))["data"]
    assert (listed["name"], listed["schema"]) == ("a/b c", None)
    taken = await resend.refusal("events.create", {"name": "a/b c"})
    assert (taken.status, taken.name) == (409, "validation_error")
    gone = await resend("events.remove", "a/b c")
    assert gone == {"object": "event", "id": made["id"], "deleted": True}
    assert (await resend.refusal("events.get", "a/b c")).status == 404


async def test_each_error_reaches_the_client_with_its_status_and_name(
    npm: Path, served: Served, resend: Resend
) -> None:
    missing = await resend.refusal("events.send", {"email": ANN})
    assert missing[:3] == (422, "missing_required_field", "Missing `event` field.")
    nobody = await resend.refusal("events.send", {"event": "e"})
    assert (nobody.status, nobody.name) == (422, "missing_required_field")
    both = await resend.refusal("events.send", {"event": "e", "email": ANN, "contactId": NOBODY})
    assert (both.status, both.name) == (422, "validation_error")
    system = await resend.refusal("events.create", {"name": "resend:email.opened"})
    assert (system.status, system.name) == (422, "validation_error")
    limit = await resend.refusal("automations.list", {"limit": 101})
    assert (limit.status, limit.name) == (422, "validation_error")
    no_id = await resend.refusal("automations.get", "7")
    assert (no_id.status, no_id.name) == (422, "invalid_parameter")
    unknown = await resend.refusal("events.send", {"event": "e", "contactId": NOBODY})
    assert unknown[:3] == (404, "not_found", "Contact not found")
    asked = {"automationId": NOBODY, "runId": NOBODY}
    for call, what in (
        ("automations.get", "Automation not found"),
        ("automations.stop", "Automation not found"),
        ("automations.duplicate", "Automation not found"),
        ("automations.remove", "Automation not found"),
        ("emails.get", "Email not found"),
    ):
        assert (await resend.refusal(call, NOBODY))[:3] == (404, "not_found", what)
    assert (await resend.refusal("automations.runs.get", asked)).status == 404
    elsewhere = await resend.refusal("broadcasts.list")
    assert (elsewhere.status, elsewhere.name) == (404, "not_found")
    key = {"idempotencyKey": "k" * 257}
    long = await resend.refusal("events.send", {"event": "e", "email": ANN}, key)
    assert (long.status, long.name) == (400, "invalid_idempotency_key")
    keyless = await resend.refusal("automations.list", {}, {"headers": {"authorization": ""}})
    assert (keyless.status, keyless.name) == (401, "missing_api_key")
    async with npm_resend(npm, served, "re_123") as stranger:
        invalid = await stranger.refusal("automations.list")
        assert (invalid.status, invalid.name) == (403, "invalid_api_key")
    async with npm_resend(npm, served, await make_key(served.house, "--scope", "send")) as sender:
        await sender("events.send", {"event": "e", "email": ANN})
        restricted = await sender.refusal("automations.list")
        assert (restricted.status, restricted.name) == (401, "restricted_api_key")


async def test_too_many_requests_are_refused_with_when_to_come_again(
    npm: Path, served: Served
) -> None:
    async with (
        serve(served.house, WAITLINE_HTTP_RATE="0.1", WAITLINE_HTTP_BURST=1) as slow,
        npm_resend(npm, slow) as client,
    ):
        headers = await client.headers("automations.list")
        assert (headers["ratelimit-limit"], headers["ratelimit-remaining"]) == ("1", "0")
        refused = await client.refusal("automations.list")
    assert (refused.status, refused.name) == (429, "rate_limit_exceeded")
    assert 1 <= int(refused.headers["retry-after"]) <= 10


#: What the client makes a null or `{}` of, and what is to be said of it.
DROPPED: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    (
        {"key": "x", "type": "wait_for_event", "config": {"event_name": "paid"}},
        ("config.event_name: is missing", "expects `eventName`"),
    ),
    (
        {"key": "x", "type": "add_to_segment", "config": {"segment_id": NOBODY}},
        ("config.segment_id: is missing", "expects `segmentId`"),
    ),
    (
        {"key": "x", "type": "contact_update", "config": {"first_name": "Ann"}},
        ("config: changes nothing", "expects `firstName`"),
    ),
    (
        {"key": "x", "type": "send_email", "config": {"template_id": NOBODY}},
        ("config.template: is missing",),
    ),
    (
        {"key": "x", "type": "delay", "config": {"seconds": 60}},
        ("config.seconds: is not a key of this step; write `duration`",),
    ),
    (
        {"key": "x", "type": "send_sms", "config": {}},
        ("steps[1]: must be a step, not null", "a step whose type it does not know"),
    ),
    (
        {"key": "x", "type": "condition", "config": {**IS_PAID, "operator": "equals"}},
        ("equals", 'did you mean "eq"'),
    ),
]


async def test_what_the_client_drops_is_named_and_why(resend: Resend) -> None:
    """F1: a graph in snake_case arrives as `{}`; the answer says what was lost, and to whom."""
    ways = [{"from": "start", "to": "x"}]
    trigger = {"key": "start", "type": "trigger", "config": {"event_name": "user.created"}}
    graph: dict[str, Any] = {"name": "Lost", "steps": [trigger], "connections": []}
    refused = await resend.refusal("automations.create", graph)
    assert (refused.status, refused.name) == (422, "validation_error")
    assert 'step "start", config.event_name: is missing' in refused.message
    assert "the Node client expects `eventName`, and drops `event_name`" in refused.message
    for step, said in DROPPED:
        drawn = {"name": "Lost", "steps": [STEPS[0], step], "connections": ways}
        refused = await resend.refusal("automations.create", drawn)
        assert (refused.status, refused.name) == (422, "validation_error")
        assert [one for one in said if one not in refused.message] == [], refused.message
    assert (await resend("automations.list"))["data"] == []


async def test_runs_are_paged_and_chosen_by_status(
    npm: Path, served: Served, resend: Resend
) -> None:
    (applied,) = await served.house.apply(waiting())
    automation_id = str(applied.automation_id)
    for number in range(3):
        await resend("events.send", {"event": "go", "email": f"person{number}@example.com"})

    async def all_run() -> Any:
        page = await resend("automations.runs.list", {"automationId": automation_id})
        return page["data"] if len(page["data"]) == 3 else None

    runs = [one["id"] for one in await until_so(all_run)]
    pages: list[tuple[dict[str, Any], list[str], bool]] = [
        ({"limit": 2}, runs[:2], True),
        ({"limit": 2, "after": runs[1]}, runs[2:], False),
        ({"limit": 1, "before": runs[2]}, runs[1:2], True),
        ({"status": ["running", "completed"], "limit": 3}, runs, False),
        ({"status": "completed"}, [], False),
    ]
    for asked, expected, has_more in pages:
        page = await resend("automations.runs.list", {"automationId": automation_id, **asked})
        assert page["object"] == "list"
        assert ([one["id"] for one in page["data"]], page["has_more"]) == (expected, has_more)
    async with npm_resend(npm, served, prefix="/resend") as prefixed:
        page = await prefixed("automations.runs.list", {"automationId": automation_id})
    assert [one["id"] for one in page["data"]] == runs
