"""Resend's Python client defines events and automations, and is told what is wrong with them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
import resend
from resend.exceptions import MissingRequiredFieldsError, ResendError, ValidationError

from tests.clients.served import Served
from tests.clients.test_resend_python import ANN, refusal, said_by
from tests.waiting import until_so

STEPS: list[dict[str, Any]] = [
    {"key": "start", "type": "trigger", "config": {"event_name": "user.created"}},
    {"key": "pause", "type": "delay", "config": {"duration": "1 hour"}},
]
CONNECTIONS = [{"from": "start", "to": "pause"}]


@pytest.fixture(autouse=True)
def pointed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resend, "api_url", served.url)
    monkeypatch.setattr(resend, "api_key", served.key)


def graph(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "steps": STEPS, "connections": CONNECTIONS, **more}


async def created(name: str, **more: Any) -> str:
    made = await said_by(resend.Automations.create, graph(name, **more))
    assert made["object"] == "automation"
    return str(made["id"])


async def runs_of(automation_id: str, status: str) -> list[Any]:
    listed = await said_by(resend.Automations.Runs.list, automation_id, {"status": status})
    found: list[Any] = listed["data"]
    return found


async def test_an_automation_lives_from_creation_to_deletion(served: Served) -> None:
    """S1, S4: created disabled, enabled, run, stopped, copied, changed, deleted with its runs."""
    known = await created("Welcome")
    assert (await said_by(resend.Automations.get, known))["status"] == "disabled"
    changed = {"automation_id": known, "status": "enabled"}
    assert (await said_by(resend.Automations.update, changed))["id"] == known

    await said_by(resend.Events.send, {"event": "user.created", "email": ANN})
    (run,) = await until_so(lambda: runs_of(known, "running"))

    in_use = await refusal(
        resend.Automations.update,
        {"automation_id": known, "steps": STEPS[:1], "connections": []},
    )
    assert isinstance(in_use, ValidationError)
    assert "disable it first" in str(in_use)

    stopped = await said_by(resend.Automations.stop, known)
    assert (stopped["id"], stopped["status"]) == (known, "disabled")
    assert [one["id"] for one in await runs_of(known, "running")] == [run["id"]]

    copy = await said_by(resend.Automations.duplicate, known)
    drawn = await said_by(resend.Automations.get, copy["id"])
    assert (drawn["name"], drawn["status"]) == ("Welcome (Copy)", "disabled")
    assert drawn["steps"][1]["config"] == {"duration": "1 hour"}
    assert drawn["connections"] == [{"from": "start", "to": "pause", "type": "default"}]

    await said_by(
        resend.Automations.update,
        {"automation_id": copy["id"], "name": "Short", "steps": STEPS[:1], "connections": []},
    )
    drawn = await said_by(resend.Automations.get, copy["id"])
    assert (drawn["name"], len(drawn["steps"])) == ("Short", 1)

    removed = await said_by(resend.Automations.remove, known)
    assert (removed["id"], removed["deleted"]) == (known, True)
    assert (await refusal(resend.Automations.get, known)).code == 404
    ended = await served.house.record(UUID(run["id"]))
    assert (ended["status"], ended["ended_reason"]) == (
        "cancelled",
        "cancelled_automation_deleted",
    )


async def test_an_event_is_defined_and_binds_what_is_sent(served: Served) -> None:
    made = await said_by(resend.Events.create, {"name": "a/b c", "schema": {"plan": "number"}})
    by_name = await said_by(resend.Events.get, "a/b c")
    assert (by_name["id"], by_name["schema"]) == (made["id"], {"plan": "number"})
    misfit = {"event": "a/b c", "email": ANN, "payload": {"plan": "pro"}}
    refused = await refusal(resend.Events.send, misfit)
    assert isinstance(refused, ValidationError)
    assert "plan" in str(refused)
    changed = {"identifier": made["id"], "schema": None}
    assert (await said_by(resend.Events.update, changed))["id"] == made["id"]
    await said_by(resend.Events.send, misfit)
    (listed,) = (await said_by(resend.Events.list))["data"]
    assert (listed["name"], listed["schema"]) == ("a/b c", None)
    taken = await refusal(resend.Events.create, {"name": "a/b c"})
    assert taken.code == 409
    gone = await said_by(resend.Events.remove, "a/b c")
    assert (gone["id"], gone["deleted"]) == (made["id"], True)
    assert (await refusal(resend.Events.get, "a/b c")).code == 404


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ({"steps": STEPS, "connections": []}, MissingRequiredFieldsError, "Missing `name` field."),
        ({"name": "x", "steps": STEPS}, MissingRequiredFieldsError, "Missing `connections` field."),
        (graph("x", steps=[*STEPS[:1], {**STEPS[1], "config": {}}]), ValidationError, "`duration`"),
        (graph("x", steps=[STEPS[0], None]), ValidationError, "steps[1]"),
        (
            graph("x", steps=[{**STEPS[0], "config": {}}, STEPS[1]]),
            ValidationError,
            "expects `eventName`",
        ),
        (graph("x", status="on"), ValidationError, "enabled"),
        (graph("x", connections=[{"from": "start", "to": "nowhere"}]), ValidationError, "nowhere"),
    ],
)
@pytest.mark.usefixtures("served")
async def test_what_is_wrong_with_a_graph_is_said(
    body: dict[str, Any], kind: type[ResendError], said: str
) -> None:
    """F1: the answer names the field as it is on the wire, and says how to mend it."""
    refused = await refusal(resend.Automations.create, body)
    assert isinstance(refused, kind)
    assert said in str(refused)
