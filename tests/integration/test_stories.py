"""The demo's three stories on real servers, every printed fact asserted; driven by another client.

The run record is compared whole: what a test cannot know beforehand (instants, derived ids) is
taken from where it must agree with, or judged by its order.
"""

from __future__ import annotations

import json
from datetime import timedelta

import yaml

from state.contact import contact_uuid
from state.event import Coordinates
from state.moment import moment_text
from tests.integration.drawn import post
from tests.integration.kit import ROOT, House
from tests.integration.told import (
    Record,
    assert_ascending,
    assert_sent,
    contact_of,
    did,
    head_of_receipt,
    is_completed,
    is_waiting,
    later,
    read_events,
    receipts,
    recorded,
    step,
)

EXAMPLE = yaml.safe_load((ROOT / "deploy/examples/receipt-and-follow-up.yaml").read_text())


async def test_ann_opens_her_receipt_and_is_known_by_two_names(house: House) -> None:
    """R4, I2, W8: the order names her by two names, the open by the other one; the run goes on."""
    (applied,) = await house.apply(EXAMPLE)
    with house.process() as worker:
        worker.start()
        (first,) = await house.publish(
            post(
                "contact.created",
                topic=house.contacts,
                id="ann-is",
                external_id="cust-1",
                payload={"first_name": "Ann"},
            )
        )
        await house.until_applied([first])
        (ordered,) = await house.publish(
            post(
                "order.completed",
                to=1,
                id="ann-order",
                email=" Ann@Example.com ",
                external_id="cust-1",
                payload={"order_id": "o-1", "total": 30},
            )
        )
        parked = await house.run_when("ann-order", is_waiting)
        (wait,) = await house.waitline("waits")
        (opened,) = await house.publish(
            post("email.opened", to=2, id="ann-open", external_id="cust-1", payload={"n": 1})
        )
        done = await house.run_when("ann-order", is_completed)
        assert await house.waitline("runs", "show", done["id"]) == done

        events = {message.key(): message for message in await read_events(house, 2)}
        ann = str(contact_uuid(await contact_of(house, 2, "ann@example.com")))
        assert ann == str(contact_uuid(await contact_of(house, 1, "cust-1")))
        head = {
            "id": done["id"],
            "automation_id": str(applied.automation_id),
            "automation_name": "Receipt and follow-up",
            "automation_version": 1,
            "error": None,
            "contact_id": ann,
            "resolved_identity_type": "external_id",
            "resolved_identity_value": "cust-1",
            "resolved_identity_path": "first seen in ann-is",
            "trigger_event": {
                "id": "ann-order",
                "event": "order.completed",
                "occurred_at": recorded(events[ordered]),
                "recorded_at": recorded(events[ordered]),
                **ordered._asdict(),
                "payload": {"order_id": "o-1", "total": 30},
            },
            "held": None,
            "paused_since": None,
            "retried_from": None,
            "retried_as": None,
            "actions": [],
        }
        created, parked_at = parked["created_at"], parked["waits"][0]["opened_at"]
        email_id = parked["messages"][0]["id"]
        deadline = later(parked_at, timedelta(minutes=30))
        variables = {"template": {"id": "receipt", "variables": {"NAME": "Ann"}}}
        start = step("start", "trigger", created, created)
        receipt = step(
            *("receipt", "send_email", created, parked_at),
            input=variables,
            output={"to": "ann@example.com", "email_id": email_id, **variables},
        )
        receipt_sent = {
            "id": email_id,
            "channel": "email",
            "step_key": "receipt",
            "to": "ann@example.com",
            "subject": "Thanks Ann",
            "status": "sent",
            "last_event": None,
            "created_at": created,
            "error": None,
            "sent_after_cancel": False,
            "next_attempt_at": None,
        }
        waited = {"event_name": "email.opened", "timeout": "30 minutes"}
        open_wait = {
            "step_key": "opened",
            "events": ["email.opened"],
            "status": "waiting",
            "deadline": deadline,
            "opened_at": parked_at,
            "closed_at": None,
            "outcome_branch": None,
            "resumed_by_event": None,
            "floor": recorded(events[ordered]),
            "lookback_truncated": False,
            "held_for_lag": False,
            "fired_under_lag": False,
            "late_match": None,
            "kept_event": None,
            "frozen_seconds": 0.0,
        }
        assert parked == {
            **head,
            "updated_at": parked_at,
            "status": "running",
            "activity": "waiting",
            "ended_reason": None,
            "ended_by": None,
            "steps": [
                start,
                receipt,
                step(
                    *("opened", "wait_for_event", parked_at, None),
                    status="waiting",
                    branch_taken=None,
                    input=waited,
                ),
            ],
            "waits": [open_wait],
            "messages": [receipt_sent],
            "created_at": created,
            "started_at": created,
            "completed_at": None,
        }
        assert wait == {
            "run_id": done["id"],
            "automation": "Receipt and follow-up",
            "automation_version": 1,
            "step_key": "opened",
            "events": ["email.opened"],
            "contact_id": ann,
            "opened_at": parked_at,
            "floor": recorded(events[ordered]),
            "deadline": deadline,
            "due_at": deadline,
            "held_for_lag": False,
            "held": None,
            "kept_event": None,
        }

        closed_at, completed_at = done["waits"][0]["closed_at"], done["completed_at"]
        push_id = done["messages"][1]["id"]
        plain = {"template": {"id": "thanks", "variables": None}}
        assert done == {
            **head,
            "updated_at": completed_at,
            "status": "completed",
            "activity": None,
            "ended_reason": "completed_end",
            "ended_by": None,
            "steps": [
                start,
                receipt,
                step(
                    *("opened", "wait_for_event", parked_at, closed_at),
                    branch_taken="event_received",
                    input=waited,
                    output={"event": "email.opened", "payload": {"n": 1}},
                ),
                step(
                    *("thanks", "send_push", closed_at, completed_at),
                    input=plain,
                    output={"to": ann, "push_id": push_id, **plain},
                ),
            ],
            "waits": [
                open_wait
                | {
                    "status": "received",
                    "closed_at": closed_at,
                    "outcome_branch": "event_received",
                    "resumed_by_event": {
                        "id": "ann-open",
                        "event": "email.opened",
                        "occurred_at": recorded(events[opened]),
                        **opened._asdict(),
                    },
                }
            ],
            "messages": [
                receipt_sent,
                {
                    "id": push_id,
                    "channel": "push",
                    "step_key": "thanks",
                    "to": ann,
                    "title": "Need anything else?",
                    "status": "sent",
                    "last_event": None,
                    "created_at": closed_at,
                    "error": None,
                    "sent_after_cancel": False,
                    "next_attempt_at": None,
                },
            ],
            "created_at": created,
            "started_at": created,
            "completed_at": completed_at,
        }
        assert_ascending(
            recorded(events[ordered]), created, parked_at, recorded(events[opened]), closed_at
        )
        assert_ascending(closed_at, completed_at)
        assert_sent(house, done)

        assert await receipts(house, 2) == {
            "ann-order": [
                {
                    **head_of_receipt("ann-order", "order.completed", ordered, ann),
                    "processed_at": created,
                    "did": [did("automation", "started", done)],
                    "ended": [],
                }
            ],
            "ann-open": [
                {
                    **head_of_receipt("ann-open", "email.opened", opened, ann),
                    "processed_at": closed_at,
                    "did": [did("wait", "resumed", done) | {"step_key": "opened"}],
                    "ended": [],
                }
            ],
        }


async def test_ben_does_not_open_his_and_his_run_takes_the_timeout(house: House) -> None:
    """W3, W8, T2: the deadline passes, the timeout's branch is taken, never early, a nudge sent."""
    impatient = with_timeout("1 second")
    await house.apply(impatient)
    with house.process() as worker:
        worker.start()
        (ordered,) = await house.publish(
            post("order.completed", id="ben-order", email="ben@example.com")
        )
        done = await house.run_when("ben-order", is_completed)
        again = await house.waitline("runs", "list", "--contact", "email:ben@example.com")
        assert [run["id"] for run in again] == [done["id"]]

    assert done["trigger_event"]["payload"] == {}
    assert Coordinates(*(done["trigger_event"][name] for name in Coordinates._fields)) == ordered
    assert (done["status"], done["activity"], done["ended_reason"], done["error"]) == (
        *("completed", None, "completed_end", None),
    )
    assert done["resolved_identity_type"] == "email"
    assert done["resolved_identity_value"] == "ben@example.com"
    assert done["resolved_identity_path"] == "first seen in ben-order"
    (wait,) = done["waits"]
    assert wait["deadline"] == later(wait["opened_at"], timedelta(seconds=1))
    assert wait["closed_at"] >= wait["deadline"]
    outcome = {name: wait[name] for name in ("status", "outcome_branch", "resumed_by_event")}
    assert outcome == {"status": "timed_out", "outcome_branch": "timeout", "resumed_by_event": None}
    assert (wait["fired_under_lag"], wait["late_match"]) == (False, None)
    assert [(one["key"], one["status"], one["branch_taken"]) for one in done["steps"]] == [
        ("start", "completed", "default"),
        ("receipt", "completed", "default"),
        ("opened", "completed", "timeout"),
        ("nudge", "completed", "default"),
    ]
    assert done["steps"][2]["output"] is None
    assert [one["started_at"] for one in done["steps"]][1:] == [
        one["completed_at"] for one in done["steps"]
    ][:-1]
    assert [(one["subject"], one["to"], one["status"]) for one in done["messages"]] == [
        ("Thanks friend", "ben@example.com", "sent"),
        ("Your receipt is waiting", "ben@example.com", "sent"),
    ]
    assert_ascending(*(one["completed_at"] for one in done["steps"]))
    assert_sent(house, done)
    assert list(await receipts(house, 1)) == ["ben-order"]


async def test_cleos_open_comes_before_her_order_and_is_found_by_look_back(house: House) -> None:
    """W2: the open was stored, in a turn of its own, before the run began that waits for it."""
    await house.apply(EXAMPLE)
    happened = await house.store.database_now()
    with house.process() as worker:
        worker.start()
        (opened,) = await house.publish(
            post("email.opened", to=0, id="cleo-open", email="cleo@example.com")
        )
        await house.until_applied([opened])
        (ordered,) = await house.publish(
            post(
                "order.completed",
                to=3,
                id="cleo-order",
                email="cleo@example.com",
                occurred_at=happened.isoformat(),
            )
        )
        done = await house.run_when("cleo-order", lambda run: run["status"] != "running")
        explained = await house.waitline("explain", "cleo-open")

    assert (done["status"], done["ended_reason"]) == ("completed", "completed_end")
    assert done["trigger_event"]["occurred_at"] == moment_text(happened)
    assert done["trigger_event"]["recorded_at"] > moment_text(happened)
    assert [one["key"] for one in done["steps"]] == ["start", "receipt", "opened", "thanks"]
    (wait,) = done["waits"]
    assert wait["opened_at"] == wait["closed_at"]
    assert wait["status"] == "received"
    assert wait["outcome_branch"] == "event_received"
    assert wait["floor"] == moment_text(happened)
    assert not wait["lookback_truncated"]
    assert wait["resumed_by_event"]["id"] == "cleo-open"
    assert wait["resumed_by_event"]["occurred_at"] < wait["opened_at"]
    assert {name: wait["resumed_by_event"][name] for name in Coordinates._fields} == (
        opened._asdict()
    )
    assert done["trigger_event"]["partition"] == ordered.partition == 3
    assert [message["status"] for message in done["messages"]] == ["sent", "sent"]
    assert_sent(house, done)
    assert explained["verdict"] == "resumed"
    assert done["id"] in json.dumps(explained)


def with_timeout(timeout: str) -> Record:
    steps = [
        one | {"config": one["config"] | {"timeout": timeout}} if one["key"] == "opened" else one
        for one in EXAMPLE["steps"]
    ]
    return {**EXAMPLE, "steps": steps}
