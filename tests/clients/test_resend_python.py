"""Resend's official Python client, sync and async, against a live server and a real worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import resend
from resend.exceptions import (
    InvalidApiKeyError,
    MissingApiKeyError,
    MissingRequiredFieldsError,
    RateLimitError,
    ResendError,
    ValidationError,
)

from tests.clients.served import Served, make_key, serve
from tests.integration.drawn import automation
from tests.waiting import until_so

ANN = "ann@example.com"


@pytest.fixture(autouse=True)
def pointed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the client at the server, which is all that its users have to do."""
    monkeypatch.setattr(resend, "api_url", served.url)
    monkeypatch.setattr(resend, "api_key", served.key)


async def said_by(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call the client, which blocks, beside the worker."""
    return await asyncio.to_thread(call, *arguments)


async def refusal(call: Callable[..., Any], *arguments: Any) -> ResendError:
    with pytest.raises(ResendError) as raised:
        await said_by(call, *arguments)
    return raised.value


async def test_a_run_is_started_watched_and_resumed_by_the_sync_client(served: Served) -> None:
    (applied,) = await served.house.apply(automation())
    automation_id = str(applied.automation_id)

    sent = await said_by(
        resend.Events.send,
        {"event": "order.completed", "email": ANN, "payload": {"order_id": "o-1"}},
    )
    assert (sent["object"], sent["event"]) == ("event", "order.completed")

    async def waits() -> Any:
        listed = await said_by(resend.Automations.Runs.list, automation_id, {"status": "running"})
        if not listed["data"]:
            return None
        run = await said_by(resend.Automations.Runs.get, automation_id, listed["data"][0]["id"])
        return run if run["steps"][-1]["status"] == "waiting" else None

    run = await until_so(waits)
    assert [(step["key"], step["type"], step["status"]) for step in run["steps"]] == [
        ("start", "trigger", "completed"),
        ("receipt", "send_email", "completed"),
        ("opened", "wait_for_event", "waiting"),
    ]
    assert run["steps"][1]["output"]["to"] == ANN
    assert run["trigger"] == {"event_name": "order.completed", "payload": {"order_id": "o-1"}}
    assert run["resolved_identity_value"] == ANN

    # By the contact's id this time, as the run tells it.
    opened = {"event": "email.opened", "contact_id": run["contact_id"]}
    await said_by(resend.Events.send, opened)

    async def is_over() -> Any:
        known = await said_by(resend.Automations.Runs.get, automation_id, run["id"])
        return known if known["status"] == "completed" else None

    over = await until_so(is_over)
    assert over["completed_at"] is not None
    assert over["waits"][0]["outcome_branch"] == "event_received"
    push = over["steps"][-1]
    assert (push["key"], push["type"], push["waitline_type"]) == (
        "thanks",
        "send_email",
        "send_push",
    )
    done = await said_by(
        resend.Automations.Runs.list, automation_id, {"status": "completed,failed"}
    )
    assert [one["id"] for one in done["data"]] == [run["id"]]
    assert done["has_more"] is False


async def test_the_async_client_sends_lists_and_reads(served: Served) -> None:
    (applied,) = await served.house.apply(automation())
    automation_id = str(applied.automation_id)
    listed = await resend.Automations.list_async({"limit": 5, "status": "enabled"})
    (item,) = listed["data"]
    assert (item["id"], item["status"]) == (automation_id, "enabled")
    drawn = await resend.Automations.get_async(automation_id)
    assert [step["key"] for step in drawn["steps"]][:2] == ["start", "receipt"]
    assert drawn["connections"][0] == {"from": "start", "to": "receipt", "type": "default"}
    for number in range(3):
        await resend.Events.send_async(
            {"event": "order.completed", "email": f"person{number}@example.com"}
        )

    async def all_run() -> Any:
        page = await resend.Automations.Runs.list_async(automation_id)
        return page["data"] if len(page["data"]) == 3 else None

    runs = await until_so(all_run)
    first = await resend.Automations.Runs.list_async(automation_id, {"limit": 2})
    assert [one["id"] for one in first["data"]] == [one["id"] for one in runs[:2]]
    assert first["has_more"] is True
    rest = await resend.Automations.Runs.list_async(
        automation_id, {"limit": 2, "after": first["data"][-1]["id"]}
    )
    assert [one["id"] for one in rest["data"]] == [runs[2]["id"]]
    assert rest["has_more"] is False
    back = await resend.Automations.Runs.list_async(
        automation_id, {"limit": 2, "before": runs[2]["id"]}
    )
    assert [one["id"] for one in back["data"]] == [one["id"] for one in runs[:2]]


async def test_each_error_reaches_the_client_as_the_class_it_has_for_it(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = str(UUID(int=7))
    missing = await refusal(resend.Events.send, {"event": "order.completed"})
    assert isinstance(missing, MissingRequiredFieldsError)
    no_name = await refusal(resend.Events.send, {"email": ANN})
    assert isinstance(no_name, MissingRequiredFieldsError)
    assert str(no_name) == "Missing `event` field."
    both = {"event": "e", "email": ANN, "contact_id": nobody}
    assert isinstance(await refusal(resend.Events.send, both), ValidationError)
    system = {"event": "resend:email.opened", "email": ANN}
    assert isinstance(await refusal(resend.Events.send, system), ValidationError)
    too_many = await refusal(resend.Automations.list, {"limit": 101})
    assert isinstance(too_many, ValidationError)
    assert "between 1 and 100" in str(too_many)
    unknown = await refusal(resend.Automations.get, nobody)
    assert (unknown.code, unknown.error_type, str(unknown)) == (
        404,
        "not_found",
        "Automation not found",
    )
    stranger = {"event": "e", "contact_id": nobody}
    assert (await refusal(resend.Events.send, stranger)).code == 404
    monkeypatch.setattr(resend, "api_key", await make_key(served.house, "--scope", "send"))
    restricted = await refusal(resend.Automations.list)
    assert (restricted.code, restricted.error_type) == (401, "restricted_api_key")
    monkeypatch.setattr(resend, "api_key", "re_123")
    assert isinstance(await refusal(resend.Automations.list), InvalidApiKeyError)
    monkeypatch.setattr(resend, "api_key", "")
    assert isinstance(await refusal(resend.Automations.list), MissingApiKeyError)


async def test_too_many_requests_are_refused_with_when_to_come_again(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(served.house, WAITLINE_HTTP_RATE="0.1", WAITLINE_HTTP_BURST=2) as slow:
        monkeypatch.setattr(resend, "api_url", slow.url)
        monkeypatch.setattr(resend, "api_key", slow.key)
        listed = await said_by(resend.Automations.list)
        assert listed["http_headers"]["ratelimit-policy"] == "2;w=20"
        assert listed["http_headers"]["ratelimit-remaining"] == "1"
        await said_by(resend.Automations.list)
        refused = await refusal(resend.Automations.list)
    assert isinstance(refused, RateLimitError)
    assert 1 <= int(refused.headers["retry-after"]) <= 10
    assert refused.headers["ratelimit-remaining"] == "0"
