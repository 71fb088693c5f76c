"""The contracts' example runs, reproduced by real runs: key for key, read from a live server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from tests.clients.golden_documents import differences, golden
from tests.clients.served import Served
from tests.integration.drawn import post, waiting
from tests.kit import line, trigger, wait
from tests.unit.http import fields
from tests.unit.http.resend_fields import ANSWERS, RUN
from tests.unit.http.test_revkeen_runs import RUN_DETAIL as REVKEEN_RUN
from tests.unit.http.test_sendrealm_runs import RUN_DETAIL as SENDREALM_RUN

ANN, BEN, USER = "ann@example.com", "ben@example.com", "user@example.com"

WELCOME: Mapping[str, Any] = {
    **line(
        {"key": "welcome", "type": "send_email", "config": {"template": {"id": "welcome-email"}}},
        name="Welcome series",
        on=trigger("user.created"),
    ),
    "templates": {"welcome-email": {"subject": "Welcome", "text": "Hello."}},
}

#: A receipt, its opening, and a push of thanks: Sendrealm's and RevKeen's run.
THANKS: Mapping[str, Any] = {
    **line(
        {
            "key": "send_receipt",
            "type": "send_email",
            "config": {"template": {"id": "tmplver_receipt"}},
        },
        wait("wait_for_open", "sendrealm.mail.open", timeout="30 minutes"),
        {
            "key": "send_thanks",
            "type": "send_push",
            "config": {"template": {"id": "tmplver_thanks"}},
        },
        name="Thank who opened",
        on=trigger("order.completed"),
    ),
    "templates": {
        "tmplver_receipt": {"subject": "Your receipt", "text": "Thanks."},
        "tmplver_thanks": {"title": "Thank you", "text": "See you."},
    },
    "annotations": {
        "revkeen": {"objective": "Thank whoever opens the receipt", "risk_profile": "medium"}
    },
}


def completed(record: Mapping[str, Any]) -> bool:
    return bool(record["status"] == "completed")


def waits(record: Mapping[str, Any]) -> bool:
    return bool(record["activity"] == "waiting")


async def asked(served: Served, path: str, **headers: str) -> Any:
    async with served.client() as client:
        answer = await client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def thanked(served: Served) -> tuple[UUID, str]:
    """Let the example run happen; return the ids of its automation and of itself."""
    (applied,) = await served.house.apply(THANKS)
    house, said = served.house, {"order_id": "ord_123"}
    await house.publish(post("order.completed", id="evt_123", email=ANN, payload=said))
    await house.run_when("evt_123", waits)
    await house.publish(post("sendrealm.mail.open", id="evt_456", email=ANN))
    run = await house.run_when("evt_123", completed)
    return applied.automation_id, run["id"]


async def test_resend_s_example_run_is_reproduced(served: Served) -> None:
    """R4: a trigger, then a welcome that was sent."""
    (applied,) = await served.house.apply(WELCOME)
    await served.house.publish(post("user.created", id="evt_1", email=USER))
    run = await served.house.run_when("evt_1", completed)
    found = await asked(served, f"/automations/{applied.automation_id}/runs/{run['id']}")
    assert fields.misfits(found, RUN) == []
    assert differences(golden("resend_run"), fields.without_ours(found, RUN)) == []


async def test_resend_s_example_run_list_is_reproduced(served: Served) -> None:
    """R1: one run is over and one waits, the newest first."""
    (applied,) = await served.house.apply(waiting())
    house = served.house
    await house.publish(post("go", id="evt_1", email=ANN))
    await house.run_when("evt_1", waits)
    await house.publish(post("go", id="evt_2", email=BEN), post("answer", email=ANN))
    await house.run_when("evt_1", completed)
    await house.run_when("evt_2", waits)
    found = await asked(served, f"/automations/{applied.automation_id}/runs")
    rows = ANSWERS["GET /automations/{automation_id}/runs"].rows
    assert rows is not None
    assert fields.misfits(found, rows) == []
    assert differences(golden("resend_runs"), found) == []


async def test_sendrealm_s_run_123_is_reproduced(served: Served) -> None:
    """R4, W8: a receipt, opened in time, and a push of thanks."""
    _, run_id = await thanked(served)
    found = await asked(served, f"/sendrealm/automation-runs/{run_id}")
    assert fields.misfits(found["data"], SENDREALM_RUN) == []
    known = {**found, "data": fields.without_ours(found["data"], SENDREALM_RUN)}
    assert differences(golden("sendrealm_run"), known) == []


async def test_revkeen_s_example_run_is_reproduced(served: Served) -> None:
    """R4: the same run in its words; of approvals and notifications there are none."""
    automation_id, run_id = await thanked(served)
    path = f"/revkeen/v2/automations/{automation_id}/runs/{run_id}"
    found = await asked(served, path, **{"x-api-key": served.key})
    assert fields.misfits(found["data"], REVKEEN_RUN) == []
    assert differences(golden("revkeen_run"), found) == []


@pytest.mark.parametrize(
    ("expected", "found", "told"),
    [
        ({"a": None}, {}, ".a: missing"),
        ({}, {"a": None}, ".a: unknown"),
        ({"a": None}, {"a": ""}, ".a: '', not None"),
        ({"a": 1}, {"a": True}, ".a: True, not 1"),
        ([1], [1, 2], ": [1, 2], not [1]"),
        ("run_123", "run_123", ": 'run_123' is no id"),
        (["run_1", "run_1"], [str(UUID(int=1)), str(UUID(int=2))], "is elsewhere"),
        (["run_1", "run_2"], [str(UUID(int=1)), str(UUID(int=1))], "should not be"),
        ("2026-06-08T14:15:00.000Z", "2026-06-08T14:15:00Z", "not '2026"),
        ("2026-06-08T14:15:00.000Z", None, "None, not"),
    ],
)
def test_a_document_that_is_not_as_the_golden_one_is_told(expected, found, told) -> None:
    (said,) = differences(expected, found)
    assert told in said
