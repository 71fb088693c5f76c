"""Whose clock a calendar duration is counted by, where one may stand, and what the run says of it.

Berlin's clocks go back in the night after NOON: its next noon is 25 hours away, others' 24.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from handlers.decision import Sleep
from handlers.publishing.publish import parse_automation
from handlers.steps import KINDS
from state.automation import StoredVersion
from state.moment import moment_text
from state.run import Waiting
from state.turn import Changes
from tests.drawings import problem, problems
from tests.kit import (
    Scene,
    delay,
    effects,
    event,
    line,
    push,
    stored_version,
    verdicts,
    wait,
    way,
)

NOON = datetime(2026, 10, 24, 10, 0, tzinfo=UTC)
NEXT_IN_BERLIN = NOON + timedelta(hours=25)
NEXT_IN_UTC = NOON + timedelta(hours=24)
LOST = "Europe/Atlantis"


def scene(
    document: Mapping[str, object] | StoredVersion, lives: str | None = None, now: datetime = NOON
) -> Scene:
    """Return a scene at NOON whose contact lives in this zone, even if no database has it."""
    made = Scene(document, now=now)
    if lives is not None:
        move(made, lives)
    return made


def move(made: Scene, zone: str) -> None:
    payload = {"time_zone": zone}
    made.decide(event("contact.updated", made.now, contact_event=True, payload=payload))


def begun(*given: object, **more: object) -> Scene:
    made = scene(*given, **more)
    made.decide(event("go", made.now))
    return made


def in_zone(document: Mapping[str, object], zone: str) -> StoredVersion:
    """Return a version whose zone was known when it was published."""
    version = stored_version(document)
    return replace(version, definition={**version.definition, "time_zone": zone})


# --- whose clock ----------------------------------------------------------------------------------

DAY = line(delay("d", "P1D"), push("p"))


@pytest.mark.parametrize(
    ("lives", "automation", "counts", "due"),
    [
        ("Europe/Berlin", None, "Europe/Berlin", NEXT_IN_BERLIN),
        ("Europe/Berlin", "America/New_York", "Europe/Berlin", NEXT_IN_BERLIN),
        ("America/New_York", "Europe/Berlin", "America/New_York", NEXT_IN_UTC),
        (None, "Europe/Berlin", "Europe/Berlin", NEXT_IN_BERLIN),
        (None, None, "UTC", NEXT_IN_UTC),
    ],
)
def test_the_contacts_zone_counts_else_the_automations_else_utc(lives, automation, counts, due):
    """T1: in the contact's zone, else the automation's, else UTC; the run says which, and when."""
    made = begun(line(delay("d", "P1D"), push("p"), time_zone=automation), lives)
    said = {"until": moment_text(due), "time_zone": counts}
    assert (made.run.parked.due_at, made.run.parked.output) == (due, said)
    assert made.at(due - timedelta(microseconds=1)).fire_due().runs == []
    assert effects(made.at(due).fire_due()) == ["p"]
    step = made.steps()[1]
    assert (step["input"], step["output"]) == ({"duration": "P1D"}, said)


@pytest.mark.parametrize(
    ("automation", "counts", "due", "unknown"),
    [
        (None, "UTC", NEXT_IN_UTC, [LOST]),
        ("Europe/Berlin", "Europe/Berlin", NEXT_IN_BERLIN, [LOST]),
        (LOST, "UTC", NEXT_IN_UTC, [LOST, LOST]),
    ],
)
def test_a_zone_that_the_database_has_no_more_is_passed_over(automation, counts, due, unknown):
    """T1: a contact whose zone was dropped is counted for by the next one, and the run says so."""
    made = begun(DAY if automation is None else in_zone(DAY, automation), LOST)
    said = {"until": moment_text(due), "time_zone": counts, "unknown_time_zones": unknown}
    assert made.run.parked.output == said


def test_an_exact_delay_says_nothing_of_zones():
    """T1: `1 day` is 24 hours in Berlin too."""
    made = begun(line(delay("d", "1 day")), "Europe/Berlin")
    assert (made.run.parked.due_at, made.run.parked.output) == (NEXT_IN_UTC, None)
    made.at(NEXT_IN_UTC).fire_due()
    assert made.steps()[1]["output"] is None


def test_a_contact_that_moves_while_it_sleeps_changes_nothing():
    """T1: the instant is computed when the step is entered, by the zone of that moment."""
    made = begun(DAY, "Europe/Berlin")
    move(made.at(NOON + timedelta(hours=1)), "Asia/Tokyo")
    assert made.fire_due().runs == []
    made.at(NEXT_IN_BERLIN).fire_due()
    assert made.steps()[1]["output"]["time_zone"] == "Europe/Berlin"


def test_the_second_step_counts_by_where_the_contact_lives_by_then():
    """T1: the contact's zone as it is now, under the lock."""
    made = begun(line(delay("a", "P1D"), delay("b", "P1D")), "America/New_York")
    move(made.at(NOON + timedelta(hours=1)), "Europe/Berlin")
    made.at(NEXT_IN_UTC).fire_due()
    assert made.run.parked.output == {
        "until": "2026-10-26T10:00:00.000000Z",  # 11:00 on either day
        "time_zone": "Europe/Berlin",
    }


def test_an_instant_that_has_passed_is_said_beside_its_zone(monkeypatch):
    """T1: a computed instant in the past fires at once, `past_due`."""
    said = {"until": "2026-10-24T09:00:00.000000Z", "time_zone": "UTC"}
    kind = replace(KINDS["delay"], enter=lambda turn: Sleep(turn.now, True, {}, said))
    monkeypatch.setitem(KINDS, "delay", kind)
    made = begun(DAY)
    assert made.run.activity == "sending"
    assert made.steps()[1]["output"] == {**said, "past_due": True}


# --- waits ----------------------------------------------------------------------------------------

ASIDE = {"aside": [push("no")], "ways": [way("w", "no", "timeout")]}
WAITING = line(wait("w", "answer", timeout="P1D"), push("yes"), **ASIDE)
DEADLINE = {"deadline": moment_text(NEXT_IN_BERLIN), "time_zone": "Europe/Berlin"}


def test_a_timeout_is_counted_by_the_contacts_calendar():
    """T1, W3: the deadline is entered_at + timeout, on the wall clock."""
    made = begun(WAITING, "Europe/Berlin")
    parked = made.run.parked
    assert isinstance(parked, Waiting)
    assert (parked.deadline, parked.output) == (NEXT_IN_BERLIN, DEADLINE)
    made.at(NEXT_IN_BERLIN).fire_due()
    assert (made.waits()[0]["status"], made.waits()[0]["deadline"]) == (
        "timed_out",
        DEADLINE["deadline"],
    )
    assert made.steps()[1]["output"] == DEADLINE


def test_an_event_in_the_25th_hour_is_in_time():
    """T1, W3: V <= deadline beats the timeout, the deadline being the calendar's."""
    made = begun(WAITING, "Europe/Berlin")
    changes = made.decide(event("answer", NOON + timedelta(hours=24, minutes=59)))
    assert effects(changes) == ["yes"]
    answered = {"event": "answer", "payload": {}}
    assert made.steps()[1]["output"] == {**DEADLINE, **answered}


@pytest.mark.parametrize(("hours", "verdict"), [(25, "resumed"), (25.1, "before_window")])
def test_a_wait_looks_back_by_the_contacts_calendar(hours, verdict):
    """T1, W2: `since: P1D` is yesterday by the same wall clock."""
    now = NEXT_IN_BERLIN
    made = begun(line(wait("w", "answer", since="P1D")), "Europe/Berlin", now=now)
    said = {"since": moment_text(NOON), "time_zone": "Europe/Berlin"}
    assert (made.run.parked.floor, made.run.parked.output) == (NOON, said)
    assert verdicts(made.decide(event("answer", now - timedelta(hours=hours)))) == [verdict]


def test_a_wait_may_count_both_ways():
    """T1: a floor and a deadline by the calendar are both on the run."""
    made = begun(line(wait("w", "answer", since="P1W", timeout="P1DT2H")), "Europe/Berlin")
    assert made.run.parked.output == {
        "since": "2026-10-17T10:00:00.000000Z",
        "deadline": "2026-10-25T13:00:00.000000Z",
        "time_zone": "Europe/Berlin",
    }


# --- re-entry -------------------------------------------------------------------------------------


def entered_again(lives: str | None, automation: str | None, hours: float) -> Changes:
    document = line(push("p"), reentry="after:P1D", time_zone=automation)
    made = scene(document, lives)
    assert verdicts(made.decide(event("go", NOON))) == ["started"]
    later = NOON + timedelta(hours=hours)
    return made.at(later).decide(event("go", later))


@pytest.mark.parametrize(
    ("lives", "automation", "first"),
    [
        ("Europe/Berlin", None, 25),
        ("America/New_York", "Europe/Berlin", 24),
        (None, "Europe/Berlin", 25),
        (None, None, 24),
    ],
)
def test_re_entry_is_counted_by_the_contacts_calendar(lives, automation, first):
    """T1, S2: `after:P1D` of trigger V lets in again at the same wall clock a day later."""
    assert verdicts(entered_again(lives, automation, first - 0.01)) == ["reentry_too_soon"]
    assert verdicts(entered_again(lives, automation, first)) == ["started"]


def test_a_refused_re_entry_says_when_it_would_have_been_admitted():
    """S2: a refusal is recorded with its reason."""
    (finding,) = entered_again("Europe/Berlin", None, 24).events[0].findings
    (check,) = finding.values
    assert (check.field, check.operator, check.holds) == ("V", "gte", False)
    assert (check.expected, check.actual) == (moment_text(NEXT_IN_BERLIN), moment_text(NEXT_IN_UTC))


# --- publishing -----------------------------------------------------------------------------------

REFUSED = {
    "P0D": "write a positive duration",
    "-P1D": "write a positive duration",
    "0 minutes": "write a positive duration",
    "P367D": "the longest is 366 days, or `P1Y`",
    "P1Y1D": "the longest is 366 days, or `P1Y`",
    "367 days": "the longest is 366 days, or `P1Y`",
    "P0.5M": "write a whole number and a unit",
    "1 month": "write `P1M` to count by the calendar",
    "P1H": "write a whole number and a unit",
    "tomorrow": "write a whole number and a unit",
}
PLACES = {
    "delay": ('step "d"', "config.duration"),
    "timeout": ('step "w"', "config.timeout"),
    "since": ('step "w"', "config.since"),
    "reentry": ("automation", "reentry"),
}


def drawn(place: str, span: str) -> dict[str, object]:
    match place:
        case "delay":
            return line(delay("d", span))
        case "timeout" | "since":
            return line(wait("w", "answer", **{place: span}))
        case _:
            return line(push("p"), reentry=f"after:{span}")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("span", REFUSED)
def test_a_duration_that_cannot_be_used_is_refused_where_it_stands(place, span):
    """T1: <= 0 or > 366 days: refused at publish; the message names the field and the mend."""
    found = problem(drawn(place, span))
    assert (found.where, found.field) == PLACES[place]
    assert found.fix.startswith(REFUSED[span])
    assert ("`previous_step`" in found.fix) is (place == "since")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("span", ["1 day", "PT24H", "P1D", "P1W", "P1M", "P1Y", "P1DT2H"])
def test_every_kind_of_duration_may_stand_everywhere(place, span):
    """T1: exact or calendar, as it was written, is what comes back."""
    document = drawn(place, span)
    definition = parse_automation(document).definition
    assert definition["reentry"] == document.get("reentry", "always")
    assert [step["config"] for step in definition["steps"]] == [
        step["config"] for step in document["steps"]
    ]


@pytest.mark.parametrize("zone", ["Europe/Berln", "CEST", 2, "", ["Europe/Berlin"], False])
def test_an_automations_zone_is_checked_when_it_is_published(zone):
    """T1: the automation's zone is an IANA name; what is none is refused."""
    found = problem(line(push("p"), time_zone=zone))
    assert (found.where, found.field) == ("automation", "time_zone")
    assert found.message == f"{json.dumps(zone)} is not a time zone"
    assert "such as Europe/Berlin" in found.fix


def test_the_zone_is_a_key_of_its_own_spelling():
    (found,) = problems(line(push("p"), timezone="Europe/Berlin"))
    assert found.fix.startswith('did you mean "time_zone"?')


def test_a_file_without_a_zone_means_the_same_version_as_before():
    """T1: the zone is optional, and a file that names none is not changed by it."""
    for absent in ({}, {"time_zone": None}):
        assert "time_zone" not in parse_automation(line(push("p"), **absent)).definition
    zoned = parse_automation(line(push("p"), time_zone="Europe/Berlin")).definition
    assert zoned["time_zone"] == "Europe/Berlin"
