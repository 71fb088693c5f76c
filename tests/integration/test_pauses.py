"""T3 as an operator meets it: hold, look, release; freeze across a deadline, on real servers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from unittest.mock import ANY

from state.moment import moment
from tests.integration.command import waitline
from tests.integration.drawn import automation, post, waiting
from tests.integration.kit import House
from tests.integration.told import is_done, is_waiting

NAME = "Answers"


def answers(timeout: str) -> dict[str, Any]:
    """Return go -> wait for `answer`: a push, or at the time-out an e-mail."""
    return {
        "name": NAME,
        "steps": [
            {"key": "start", "type": "trigger", "config": {"event_name": "go"}},
            {
                "key": "wait",
                "type": "wait_for_event",
                "config": {"event_name": "answer", "timeout": timeout},
            },
            {"key": "yes", "type": "send_push", "config": {"template": {"id": "thanks"}}},
            {"key": "no", "type": "send_email", "config": {"template": {"id": "nudge"}}},
        ],
        "connections": [
            {"from": "start", "to": "wait"},
            {"from": "wait", "to": "yes", "type": "event_received"},
            {"from": "wait", "to": "no", "type": "timeout"},
        ],
        "templates": automation()["templates"],
    }


async def started(house: House, *names: str) -> dict[str, dict[str, Any]]:
    """Start a run of each name and wait until it waits."""
    await house.publish(*(post("go", id=name, email=f"{name}@x.io") for name in names))
    return {name: await house.run_when(name, is_waiting) for name in names}


def deadline_of(run: dict[str, Any]) -> datetime:
    return moment(run["waits"][0]["deadline"])


async def test_what_a_release_says_that_it_would_do_is_what_it_does(house: House) -> None:
    """T3: a hold over a deadline: what was kept, what is over, and what has started go on."""
    await house.apply(answers("6 seconds"))
    async with house.worker():
        runs = await started(house, "answered", "silent", "late")
        said = await waitline(house.environment, "automations", "hold", NAME)
        assert "is held" in said.out
        assert "3 waiting" in said.out
        places = await house.publish(
            post("answer", id="a-1", email="answered@x.io"),
            post("answer", id="a-2", email="answered@x.io"),
            post("go", id="new", email="new@x.io"),
        )
        await house.until_applied(places)
        await house.until_passed(max(map(deadline_of, runs.values())) + timedelta(seconds=1))
        places = await house.publish(post("answer", id="l-1", email="late@x.io"))
        await house.until_applied(places)

        held = await house.run_when("answered", is_waiting)
        assert (held["held"], held["waits"][0]["kept_event"]["id"]) == ("hold", "a-1")
        new = await house.run_when("new", lambda run: run["held"] == "hold")
        assert (new["activity"], new["steps"][0]["status"]) == ("delayed", "waiting")
        assert (await house.count("outbox"), house.files()) == (0, {})
        await tells_of_the_pause(house)

        preview = await house.waitline("automations", "release", NAME, "--dry-run")
        assert preview["pause"] == "hold"
        assert preview["starts"] == {"count": 1, "examples": [new["id"]]}
        assert preview["matches"] == {"count": 1, "examples": [held["id"]]}
        late = [runs["late"]["id"], runs["silent"]["id"]]
        assert preview["timeouts"]["count"] == 2
        assert sorted(preview["timeouts"]["examples"]) == sorted(late)
        assert preview["answers"]["count"] == preview["delays"]["count"] == 0
        sends = {"queued": 0, "surely": 3, "perhaps": 1, "later": 0, "under_way": 0}
        assert preview["messages"] == sends
        assert await house.count("outbox") == 0

        said = await waitline(house.environment, "automations", "release", NAME)
        assert "2 waits time out" in said.out
        done = {name: await house.run_when(name, is_done) for name in runs}
        await house.run_when("new", is_waiting)
        assert [done[name]["waits"][0]["status"] for name in done] == [
            "received",
            "timed_out",
            "timed_out",
        ]
        assert done["answered"]["waits"][0]["resumed_by_event"]["id"] == "a-1"
        assert done["late"]["waits"][0]["late_match"]["verdict"] == "after_deadline"
        await house.until_count("messages", 3)
    again = await waitline(house.environment, "automations", "release", NAME)
    assert "is not paused" in again.out
    told = await house.waitline("explain", "a-1")
    assert told["verdict"] == "kept"
    assert "went on with it after the release" in told["reason"]
    assert "went on with it after the release" in told["waits"][0]["reason"]
    assert (await house.waitline("explain", "a-2"))["verdict"] == "already_kept"
    told = await house.waitline("explain", "new")
    assert (told["verdict"], told["automations"][0]["verdict"]) == ("started", "started")
    assert "begins when it is released" in told["automations"][0]["reason"]


async def tells_of_the_pause(house: House) -> None:
    """T3: the lists say that it is a pause that holds, not lag."""
    (listed,) = await house.waitline("automations", "list")
    assert (listed["status"], listed["pause"]) == ("enabled", "hold")
    assert listed["paused_since"] is not None
    waits = await house.waitline("waits")
    assert {wait["held"] for wait in waits} == {"hold"}
    assert not any(wait["held_for_lag"] for wait in waits)
    assert [wait["kept_event"] for wait in waits if wait["kept_event"]] == ["a-1"]
    said = await waitline(house.environment, "waits")
    assert "pause (hold), keeps a-1" in said.out
    said = await waitline(house.environment, "lag")
    assert "4 more are due and paused" in said.out
    assert not any(part["holds_timers"] for part in await house.waitline("lag"))
    (run, *_) = await house.waitline("runs", "list")
    said = await waitline(house.environment, "runs", "show", run["id"])
    assert f'automations release "{NAME}"' in said.out


async def test_a_freeze_across_a_deadline_moves_it_by_the_time_it_lasts(house: House) -> None:
    """T3, W3: an event of the freeze is in time; who says nothing times out so much later."""
    await house.apply(answers("5 seconds"))
    async with house.worker():
        runs = await started(house, "answered", "silent")
        said = await waitline(house.environment, "automations", "freeze", NAME)
        assert "is frozen" in said.out
        drawn = max(map(deadline_of, runs.values()))
        await house.until_passed(drawn + timedelta(seconds=1))
        places = await house.publish(post("answer", id="a-1", email="answered@x.io"))
        await house.until_applied(places)
        preview = await house.waitline("automations", "release", NAME, "--dry-run")
        assert (preview["matches"]["count"], preview["timeouts"]["count"]) == (1, 0)
        await waitline(house.environment, "automations", "release", NAME)
        answered = await house.run_when("answered", is_done)
        silent = await house.run_when("silent", is_done)
    (wait,) = answered["waits"]
    assert (wait["status"], wait["resumed_by_event"]["id"]) == ("received", "a-1")
    (wait,) = silent["waits"]
    assert wait["status"] == "timed_out"
    frozen = timedelta(seconds=wait["frozen_seconds"])
    assert frozen > timedelta(seconds=1)
    assert moment(wait["deadline"]) == deadline_of(runs["silent"]) + frozen
    assert moment(wait["closed_at"]) >= moment(wait["deadline"])


async def test_another_automation_goes_on_beside_one_that_is_held(house: House) -> None:
    """T3: its timers fire and its messages go out, with ours standing due before them."""
    other = answers("1 second") | {"name": "Other"}
    other["steps"][0]["config"]["event_name"] = "other"
    await house.apply(answers("5 seconds"), other)
    async with house.worker():
        ours = (await started(house, "ours"))["ours"]
        await waitline(house.environment, "automations", "hold", NAME)
        await house.publish(post("other", id="theirs", email="theirs@x.io"))
        done = await house.run_when("theirs", is_done)
        assert done["waits"][0]["status"] == "timed_out"
        await house.until_passed(deadline_of(ours))
        await house.publish(post("other", id="more", email="theirs@x.io"))
        await house.run_when("more", is_done)
        assert await house.run("ours") == ours | {"held": "hold", "paused_since": ANY}


async def test_commands_say_what_was_so_already_and_what_cannot_be(house: House) -> None:
    """T3, O4: a look changes nothing; a held automation may be frozen without letting go."""
    await house.apply(waiting())

    async def said(*arguments: str) -> tuple[int, str]:
        done = await waitline(house.environment, "automations", *arguments)
        return done.code, done.out + done.err

    for mode, would_be in (("hold", "held"), ("freeze", "frozen")):
        look = (await said(mode, "Waiting", "--dry-run"))[1]
        assert f'"Waiting" would be {would_be}\n  runs that would stand still: none' in look
        assert "nothing was changed" in look
    (listed,) = await house.waitline("automations", "list")
    assert (listed["pause"], await house.count("audit where what ~ 'hold|freeze'")) == (None, 0)
    assert "runs that stand still: none" in (await said("hold", "Waiting"))[1]
    assert "was held already" in (await said("hold", "Waiting"))[1]
    assert "is held already" in (await said("hold", "Waiting", "--dry-run"))[1]
    look = (await said("freeze", "Waiting", "--dry-run"))[1]
    assert "would be frozen; it is held" in look
    assert "is frozen; until now it was held" in (await said("freeze", "Waiting"))[1]
    code, text = await said("delete", "Waiting", "--yes")
    assert (code, "is paused" in text, 'automations release "Waiting"' in text) == (1, True, True)
    assert (await said("delete", "Waiting", "--dry-run"))[0] == 1
    code, text = await said("hold", "Waitign")
    assert (code, 'did you mean "Waiting"?' in text) == (1, True)
    code, text = await said("release", "Waiting", "--dry-run")
    assert (code, "would be released; it was frozen since" in text) == (0, True)
    (listed,) = await house.waitline("automations", "list")
    assert listed["pause"] == "freeze"
    shown = await house.waitline("automations", "show", "Waiting")
    assert shown["paused_since"] == listed["paused_since"]
    assert (await said("release", "Waiting"))[0] == 0
    assert (await said("delete", "Waiting", "--yes"))[0] == 0


async def test_a_paused_automation_is_deleted_with_its_runs(house: House) -> None:
    """T3, S4: what was held on them comes to nothing; nothing has to be let go for it."""
    await house.apply(answers("1 hour"))
    async with house.worker():
        runs = await started(house, "one", "two")
        await waitline(house.environment, "automations", "hold", NAME)
        await house.publish(post("answer", id="a", email="one@x.io"))
        await house.publish(post("go", id="three", email="three@x.io"))
        await house.run_when("three", lambda run: run["held"] == "hold")
        command = ("automations", "delete", NAME, "--cancel-runs", "--yes")
        said = await waitline(house.environment, *command)
        assert (said.code, "3 runs cancelled" in said.out) == (0, True)
        for name in (*runs, "three"):
            run = await house.run(name)
            assert run is not None
            assert (run["ended_reason"], run["held"]) == ("cancelled_automation_deleted", None)
    assert house.files() == {}
