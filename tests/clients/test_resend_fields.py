"""Every field of every answer of Resend's routes: a live server's answers, held to the tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.clients.resend_journeys import Asker, definitions, people, runs, templates
from tests.clients.served import Served, make_key
from tests.integration.drawn import automation
from tests.unit.http import fields
from tests.unit.http.resend_fields import ANSWERS, ERROR, rows_of
from tests.unit.http.test_strict_readers import RUN_STATUSES, STEP_STATUSES, STEP_TYPES

#: Null by the contract, and always known here: a run and a step are recorded when they begin.
NEVER_NULL = {"started_at", "data[].started_at", "steps[].started_at"}

#: Ids that are not ours to make: a step may name a template by its alias, a segment and a topic by
#: their keys; and events have the ids that their producers give them, which the answer to a sending
#: (`id`, beyond Resend), a wait (`resumed_by_event`) and an explanation tell.
GIVEN = ("template.id", "segment_id", "topic_id", "resumed_by_event.id")
TELL_EVENTS = ("POST /events/send", "GET /events/explain/{event_id}")


def ids_in(document: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every id of a document with its path."""
    if isinstance(document, list):
        for item in document:
            yield from ids_in(item, path)
    if isinstance(document, dict):
        for key, value in document.items():
            here = f"{path}.{key}".removeprefix(".")
            is_id = key == "id" or key.endswith("_id")
            if is_id and not isinstance(value, dict | list):
                yield here, value
            yield from ids_in(value, here)


async def test_every_answer_is_as_the_tables_say(served: Served, subtests: pytest.Subtests) -> None:
    """R1, R4: every route, and runs of every kind: each field, its type, its nulls, the status."""
    (receipts,) = await served.house.apply(automation())
    async with served.client() as client:
        ask = Asker(client)
        await definitions(ask)
        await people(ask)
        await runs(ask, await templates(ask), str(receipts.automation_id))
    assert {one.route for one in ask.said} == ANSWERS.keys()
    for route, answer in ANSWERS.items():
        with subtests.test(route=route):
            assert {one.status for one in ask.said if one.route == route} == {answer.status}
            for document in ask.documents(route):
                assert "statusCode" not in document
                assert answer.rows is None or fields.misfits(document, answer.rows) == []
    for route, row in rows_of(ANSWERS):
        with subtests.test(route=route, field=row.path):
            is_never_null = row.path in NEVER_NULL or row.type == "json"
            wanted = {"there"} if is_never_null else fields.WITNESSED[row.presence]
            assert fields.witnesses(ask.documents(route), row) >= wanted
    for one in ask.said:
        if one.route not in TELL_EVENTS:
            for path, value in ids_in(one.document):
                is_given = path.endswith(GIVEN) and path.startswith("steps.")
                is_event = path.endswith("resumed_by_event.id")
                assert is_given or is_event or fields.TYPES["uuid"](value), (one.route, path, value)
    shown = ask.documents("GET /automations/{automation_id}/runs/{run_id}")
    steps = [step for run in shown for step in run["steps"]]
    assert {run["status"] for run in shown} == RUN_STATUSES
    assert {step["type"] for step in steps} == STEP_TYPES
    assert {step["status"] for step in steps} >= {"completed", "failed", "skipped", "waiting"}
    assert {step["status"] for step in steps} <= STEP_STATUSES
    assert {wait["status"] for run in shown for wait in run["waits"]} >= {"received", "timed_out"}


# --- refusals -------------------------------------------------------------------------------------

NAMES = {
    name: str(uuid4())
    for name in ("automation_id", "run_id", "segment_id", "topic_id", "email_id", "audience_id")
} | dict.fromkeys(("identifier", "contact", "event_id"), "nobody@example.com")

#: What is said of a thing that is not there: what is deleted already, and what explains why.
NOT_REFUSED = {
    "DELETE /segments/{segment_id}",
    "DELETE /audiences/{segment_id}",
    "GET /events/explain/{event_id}",
}

#: What a request must say before it is looked for what it names.
BODIES = {
    "/automations/{automation_id}": {"name": "x"},
    "/events/{identifier}": {"schema": None},
    "/contact-properties/{identifier}": {"fallback_value": None},
    "/contacts/{contact}/topics": [],
    "/audiences/{audience_id}/contacts": {"email": "nobody@example.com"},
}


def _is_error(answer: httpx.Response, status: int, name: str) -> bool:
    """Tell whether this is the refusal, in its body and its order of keys."""
    said = answer.json()
    assert fields.misfits(said, ERROR) == []
    assert list(said) == ["statusCode", "message", "name"]
    assert answer.status_code == said["statusCode"]
    return (answer.status_code, said["name"]) == (status, name)


async def test_every_route_refuses_as_the_contract_says(
    served: Served, subtests: pytest.Subtests
) -> None:
    """Without a key, with a wrong one, with one that may not; what is not there; a bad body."""
    sender = await make_key(served.house, "--scope", "send")
    reader = await make_key(served.house, "--scope", "read")
    async with (
        httpx.AsyncClient(base_url=served.url, timeout=30) as nobody,
        served.client("re_wrong") as stranger,
        served.client(sender) as sending,
        served.client(reader) as reading,
        served.client() as client,
    ):
        for route in ANSWERS:
            method, template = route.split(" ")
            path = template.format(**NAMES)
            body = BODIES.get(template, {"name": "x"} if method in ("POST", "PATCH") else {})
            with subtests.test(route=route):
                refused = await nobody.request(method, path, json=body)
                assert _is_error(refused, 401, "missing_api_key"), refused.text
                refused = await stranger.request(method, path, json=body)
                assert _is_error(refused, 403, "invalid_api_key"), refused.text
                lacking = sending if method == "GET" else reading
                refused = await lacking.request(method, path, json=body)
                assert _is_error(refused, 401, "restricted_api_key"), refused.text
                if "{" in template and route not in NOT_REFUSED:
                    refused = await client.request(method, path, json=body)
                    assert _is_error(refused, 404, "not_found"), refused.text
                if method in ("POST", "PATCH"):
                    refused = await client.request(
                        method, path, content=b"{", headers={"content-type": "application/json"}
                    )
                    assert _is_error(refused, 400, "validation_error"), refused.text
                if method == "POST" and ANSWERS[route].status in (201, 202) and "{" not in template:
                    refused = await client.request(method, path, json={})
                    assert _is_error(refused, 422, "missing_required_field"), refused.text
                refused = await client.put(path, json={})
                assert _is_error(refused, 405, "method_not_allowed"), refused.text
