"""Runs whose e-mail goes out over SMTP: sent, refused, put off, lost (F2, F3, F5)."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from stream.config import Settings
from stream.senders.choice import close_senders, open_senders
from stream.service import Worker
from tests.integration.command import waitline
from tests.integration.doors import EVENTS, Log, open_door
from tests.integration.drawn import automation, post
from tests.integration.kit import House, publish_version
from tests.integration.postbox import LOSS, SILENCE, Postbox, posted, reaching
from tests.integration.told import is_completed, is_waiting
from tests.stored import rows


@asynccontextmanager
async def mailing(house: House, box: Postbox, **changes: object) -> AsyncIterator[Worker]:
    """Run a worker that sends through this server; an order has been made."""
    settings = {f"WAITLINE_{name.upper()}": each for name, each in reaching(box).items()}
    settings |= {"WAITLINE_SMTP_TIMEOUT": 0.8, **changes}
    await house.apply(automation())
    async with house.worker(**settings) as worker:
        await house.publish(post("order.completed", id="order", email="ann@example.com"))
        yield worker


async def test_a_run_goes_on_when_its_mail_was_taken(house: House) -> None:
    """F2, R4: the mail server has the message by its id; a push goes to the recorder's folder."""
    async with posted() as box, mailing(house, box):
        run = await house.run_when("order", is_waiting)
        await house.publish(post("email.opened", id="open", email="ann@example.com"))
        done = await house.run_when("order", is_completed)
    (sent,) = run["messages"]
    (letter,), (message,) = box.letters, box.messages()
    assert (sent["status"], sent["channel"], sent["to"]) == ("sent", "email", "ann@example.com")
    assert letter.rcpt_tos == ["ann@example.com"]
    assert message["Message-ID"] == f"<{sent['id']}@example.com>"
    assert await house.rows(
        "select provider_id, attempts from messages where channel = 'email'"
    ) == [("2.0.0 OK: queued as Q1", 1)]
    push = done["messages"][1]
    assert (push["status"], push["channel"]) == ("sent", "push")
    assert list(house.files()) == [f"{push['id']}.json"]


async def test_a_run_fails_of_what_the_mail_server_refuses_for_good(house: House) -> None:
    """F5: step key, code, text."""
    async with posted(Postbox({"RCPT": "550 5.1.1 No such user"})) as box, mailing(house, box):
        run = await house.run_when("order", lambda run: run["status"] == "failed")
    assert run["ended_reason"] == "failed_step"
    assert run["error"] == {
        "step_key": "receipt",
        "code": "smtp_550",
        "message": "5.1.1 No such user (in answer to RCPT)",
    }
    assert run["messages"][0]["status"] == "failed"
    assert box.letters == []


async def test_a_run_goes_on_without_knowing_and_nothing_is_sent_twice(house: House) -> None:
    """F3: the answer is lost; the message arrived, is not sent again, and says `unknown`."""
    async with posted(Postbox({"DATA": LOSS}, keeps=True)) as box, mailing(house, box):
        run = await house.run_when("order", is_waiting)
    receipt = next(step for step in run["steps"] if step["key"] == "receipt")
    assert (receipt["status"], receipt["output"]["unknown"]) == ("completed", True)
    assert [message["status"] for message in run["messages"]] == ["unknown"]
    assert await house.count("outbox") == 0
    assert len(box.letters) == box.connections == 1


async def test_a_message_that_was_put_off_is_the_same_message_later(house: House) -> None:
    """F2, F5: tried again with its code kept meanwhile, under the same Message-ID."""
    greylisting = Postbox({"DATA": "451 4.7.1 Greylisted"}, keeps=True)
    async with posted(greylisting) as box, mailing(house, box):
        await house.until_count("outbox where last_error is not null", 1)
        (error,) = (await house.rows("select last_error from outbox"))[0]
        assert json.loads(error)["code"] == "smtp_451"
        assert await house.value("select due_at - now() from outbox") > timedelta(seconds=30)
        await tells_why_it_waits(house)
        box.replies.clear()
        await house.rows("update outbox set due_at = now()")
        run = await house.run_when("order", is_waiting)
    assert [message["status"] for message in run["messages"]] == ["sent"]
    assert await house.value("select attempts from messages") == 2
    first, second = box.messages()
    assert (
        first["Message-ID"] == second["Message-ID"] == f"<{run['messages'][0]['id']}@example.com>"
    )
    assert first["Date"] == second["Date"]


async def tells_why_it_waits(house: House) -> None:
    """F5: what went wrong, and when it is tried again."""
    run = await house.run("order")
    assert run is not None
    (message,) = run["messages"]
    assert (message["status"], message["error"]["code"]) == ("queued", "smtp_451")
    assert message["next_attempt_at"] > message["created_at"]
    people = await waitline(house.environment, "runs", "show", run["id"])
    assert re.search(r"smtp_451: .*Greylisted.*, tried again at 2\S+ \S+Z", people.out)


async def test_a_worker_that_drains_waits_for_the_mail_servers_answer(house: House) -> None:
    """F3: a restart leaves no send behind of which nobody knows how it ended."""
    async with posted(Postbox({"DATA": SILENCE})) as box:
        async with mailing(house, box, WAITLINE_SEND_LEASE=60, WAITLINE_SMTP_TIMEOUT=20) as worker:
            await box.is_asked.wait()
            worker.stop()
            await house.until_count("partitions where owner is null and topic like 'events%'", 4)
            box.speak.set()
        run = await house.run("order")
    assert run is not None
    assert [message["status"] for message in run["messages"]] == ["sent"]
    assert "QUIT" in box.commands


async def test_what_a_dead_worker_was_sending_is_not_sent_by_the_next(
    database: str, tmp_path: Path
) -> None:
    """F3: its claim has run out, and nobody knows how far it came."""
    async with posted() as box:
        senders = open_senders(Settings(**reaching(box), outbox_dir=tmp_path))
        async with open_door(
            database, "one", (EVENTS, 0), folder=tmp_path, senders=senders
        ) as door:
            await publish_version(door.store, automation())
            log = Log()
            await door.feed([log.add("order.completed", id="o-1", email="ann@example.com")])
            assert await door.store.claim_effects(1, timedelta(0))
            assert await door.relay.sweep() == 1
        await close_senders(senders)
    assert box.connections == 0
    settled = "select status, attempts, error ->> 'code' from messages"
    assert await rows(database, settled) == [("unknown", 1, "answer_lost")]
