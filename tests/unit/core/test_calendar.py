"""Calendar durations: cases from the history of the world's clocks, and the same by brute force."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from state.duration import parse_duration
from state.zone import zone_of
from tests.calendar_oracle import expected

#: id, zone, instant, duration, where it lands. All instants in UTC; the comments give wall clocks.
FORWARD = [
    # Berlin, 2025-03-30: 02:00 CET becomes 03:00 CEST; 2025-10-26: 03:00 CEST becomes 02:00 CET.
    ("berlin-into-the-gap", "Europe/Berlin", "2025-03-29T01:30", "P1D", "2025-03-30T01:30"),
    ("berlin-gap-begins", "Europe/Berlin", "2025-03-29T01:00", "P1D", "2025-03-30T01:00"),
    ("berlin-before-gap", "Europe/Berlin", "2025-03-29T00:59:59", "P1D", "2025-03-30T00:59:59"),
    ("berlin-behind-gap", "Europe/Berlin", "2025-03-29T02:00", "P1D", "2025-03-30T01:00"),
    ("berlin-23-hours", "Europe/Berlin", "2025-03-29T12:00", "P1D", "2025-03-30T11:00"),
    ("berlin-into-the-fold", "Europe/Berlin", "2025-10-25T00:30", "P1D", "2025-10-26T00:30"),
    ("berlin-25-hours", "Europe/Berlin", "2025-10-25T10:00", "P1D", "2025-10-26T11:00"),
    ("berlin-from-first-pass", "Europe/Berlin", "2025-10-26T00:30", "P1D", "2025-10-27T01:30"),
    ("berlin-from-second-pass", "Europe/Berlin", "2025-10-26T01:30", "P1D", "2025-10-27T01:30"),
    ("berlin-week", "Europe/Berlin", "2025-03-26T08:00", "P1W", "2025-04-02T07:00"),
    ("berlin-months-to-the-gap", "Europe/Berlin", "2025-01-30T01:30", "P2M", "2025-03-30T01:30"),
    ("berlin-summer-to-winter", "Europe/Berlin", "2025-07-15T07:00", "P6M", "2026-01-15T08:00"),
    ("berlin-gap-then-2-h", "Europe/Berlin", "2025-03-29T01:30", "P1DT2H", "2025-03-30T03:30"),
    ("berlin-fold-then-24-h", "Europe/Berlin", "2025-10-25T10:00", "P1DT24H", "2025-10-27T11:00"),
    ("berlin-by-the-rule-of-2090", "Europe/Berlin", "2090-03-25T01:30", "P1D", "2090-03-26T01:30"),
    # New York, 2025-03-09: 02:00 EST becomes 03:00 EDT; 2025-11-02: 02:00 EDT becomes 01:00 EST.
    ("new-york-gap", "America/New_York", "2025-03-08T07:30", "P1D", "2025-03-09T07:30"),
    ("new-york-fold", "America/New_York", "2025-11-01T05:30", "P1D", "2025-11-02T05:30"),
    ("new-york-23-hours", "America/New_York", "2025-03-08T17:00", "P1D", "2025-03-09T16:00"),
    ("new-york-half-a-year", "America/New_York", "2025-01-15T14:00", "P6M", "2025-07-15T13:00"),
    # Lord Howe moves its clocks by 30 minutes: 2025-10-05 02:00 becomes 02:30 (+11:00);
    # 2025-04-06 02:00 becomes 01:30 (+10:30).
    ("lord-howe-gap", "Australia/Lord_Howe", "2025-10-03T15:45", "P1D", "2025-10-04T15:45"),
    ("lord-howe-fold", "Australia/Lord_Howe", "2025-04-04T14:45", "P1D", "2025-04-05T14:45"),
    ("lord-howe-24-h-30", "Australia/Lord_Howe", "2025-04-05T01:00", "P1D", "2025-04-06T01:30"),
    # Apia went from -10:00 to +14:00 and had no 2011-12-30; Kwajalein had no 1993-08-21.
    ("apia-skipped-day", "Pacific/Apia", "2011-12-29T20:00", "P1D", "2011-12-30T20:00"),
    ("apia-day-after", "Pacific/Apia", "2011-12-29T20:00", "P2D", "2011-12-30T20:00"),
    ("apia-month-to-it", "Pacific/Apia", "2011-11-30T20:00", "P1M", "2011-12-30T20:00"),
    ("kwajalein-over-it", "Pacific/Kwajalein", "1993-08-20T22:00", "P2D", "1993-08-21T22:00"),
    # Morocco's summer time was its standard: in Ramadan 2025 (02-23 to 04-06) it went back to +00.
    ("casablanca-gap", "Africa/Casablanca", "2025-04-05T02:30", "P1D", "2025-04-06T02:30"),
    ("casablanca-fold", "Africa/Casablanca", "2025-02-22T01:30", "P1D", "2025-02-23T01:30"),
    ("el-aaiun-25-hours", "Africa/El_Aaiun", "2025-02-22T11:00", "P1D", "2025-02-23T12:00"),
    # Dublin's winter time is the exception to its standard: 2025-03-30 01:00 GMT becomes 02:00 IST.
    ("dublin-gap", "Europe/Dublin", "2025-03-29T01:30", "P1D", "2025-03-30T01:30"),
    ("dublin-fold", "Europe/Dublin", "2025-10-25T00:30", "P1D", "2025-10-26T00:30"),
    ("dublin-winter-to-summer", "Europe/Dublin", "2025-01-31T12:00", "P5M", "2025-06-30T11:00"),
    # Kathmandu is at +05:45, since 1986-01-01 00:00 at +05:30 became 00:15.
    ("kathmandu", "Asia/Kathmandu", "2025-05-01T18:15", "P1M", "2025-06-01T18:15"),
    ("kathmandu-new-years-gap", "Asia/Kathmandu", "1985-12-30T18:35", "P1D", "1985-12-31T18:35"),
    # Clocks moved at midnight: 2018-11-04 began at 01:00, 2018-02-17 had its last hour twice.
    ("sao-paulo-midnight-gap", "America/Sao_Paulo", "2018-11-03T03:00", "P1D", "2018-11-04T03:00"),
    ("sao-paulo-in-the-gap", "America/Sao_Paulo", "2018-11-03T03:30", "P1D", "2018-11-04T03:30"),
    ("sao-paulo-fold", "America/Sao_Paulo", "2018-02-17T01:30", "P1D", "2018-02-18T01:30"),
    ("havana-midnight-fold", "America/Havana", "2024-11-02T04:30", "P1D", "2024-11-03T04:30"),
    ("havana-midnight-gap", "America/Havana", "2024-03-09T05:00", "P1D", "2024-03-10T05:00"),
    # Troll moves its clocks by two hours, Pyongyang once by half an hour before midnight.
    ("troll-gap", "Antarctica/Troll", "2025-03-29T02:15", "P1D", "2025-03-30T02:15"),
    ("troll-fold", "Antarctica/Troll", "2025-10-25T00:30", "P1D", "2025-10-26T00:30"),
    ("troll-26-hours", "Antarctica/Troll", "2025-10-25T10:00", "P1D", "2025-10-26T12:00"),
    ("pyongyang-gap", "Asia/Pyongyang", "2018-05-03T15:15", "P1D", "2018-05-04T15:15"),
    # Cairo, at midnight too: 2025-04-25 began at 01:00, 2025-10-30 had its last hour twice.
    ("cairo-gap", "Africa/Cairo", "2025-04-23T22:30", "P1D", "2025-04-24T22:30"),
    ("cairo-fold", "Africa/Cairo", "2025-10-29T20:30", "P1D", "2025-10-30T20:30"),
    # Monrovia was 44:30 behind until 1972-01-07 00:00, which became 00:44:30.
    ("monrovia-seconds", "Africa/Monrovia", "1972-01-06T00:50:10", "P1D", "1972-01-07T00:50:10"),
    # Month ends, leap days, year ends.
    ("month-end", "UTC", "2026-01-31T10:00", "P1M", "2026-02-28T10:00"),
    ("month-end-in-a-leap-year", "UTC", "2028-01-31T10:00", "P1M", "2028-02-29T10:00"),
    ("30th-to-february", "UTC", "2026-01-30T10:00", "P1M", "2026-02-28T10:00"),
    ("31st-to-30th", "UTC", "2026-03-31T10:00", "P1M", "2026-04-30T10:00"),
    ("february-does-not-stick", "UTC", "2026-02-28T10:00", "P1M", "2026-03-28T10:00"),
    ("two-months-over-february", "UTC", "2026-01-31T10:00", "P2M", "2026-03-31T10:00"),
    ("months-come-before-days", "UTC", "2026-01-31T10:00", "P1M1D", "2026-03-01T10:00"),
    ("leap-day-plus-a-year", "UTC", "2028-02-29T10:00", "P1Y", "2029-02-28T10:00"),
    ("a-year-of-366-days", "UTC", "2027-03-01T10:00", "P1Y", "2028-03-01T10:00"),
    ("over-new-year", "UTC", "2026-12-31T23:30", "P1D", "2027-01-01T23:30"),
    ("over-new-year-by-months", "UTC", "2026-12-31T10:00", "P2M", "2027-02-28T10:00"),
    ("four-months-to-a-leap-day", "UTC", "2027-10-31T10:00", "P4M", "2028-02-29T10:00"),
    # The month of the wall clock, not of UTC.
    ("auckland-new-year", "Pacific/Auckland", "2025-12-31T11:30", "P1M", "2026-01-31T11:30"),
    ("honolulu-month-end", "Pacific/Honolulu", "2026-02-01T09:30", "P1M", "2026-03-01T09:30"),
    ("kiritimati-month-end", "Pacific/Kiritimati", "2026-01-30T10:30", "P1M", "2026-02-27T10:30"),
]

BACK = [
    ("berlin-into-the-gap", "Europe/Berlin", "2025-03-31T00:30", "P1D", "2025-03-30T01:30"),
    ("berlin-into-the-fold", "Europe/Berlin", "2025-10-27T01:30", "P1D", "2025-10-26T00:30"),
    ("berlin-23-hours", "Europe/Berlin", "2025-03-30T11:00", "P1D", "2025-03-29T12:00"),
    ("berlin-25-hours", "Europe/Berlin", "2025-10-26T11:00", "P1D", "2025-10-25T10:00"),
    ("berlin-then-2-hours", "Europe/Berlin", "2025-10-26T11:00", "P1DT2H", "2025-10-25T08:00"),
    ("apia-skipped-day", "Pacific/Apia", "2011-12-30T20:00", "P1D", "2011-12-30T20:00"),
    ("apia-over-it", "Pacific/Apia", "2011-12-30T20:00", "P2D", "2011-12-29T20:00"),
    ("sao-paulo-midnight-gap", "America/Sao_Paulo", "2018-11-05T02:00", "P1D", "2018-11-04T03:00"),
    ("lord-howe-gap", "Australia/Lord_Howe", "2025-10-05T15:15", "P1D", "2025-10-04T15:45"),
    ("month-end", "UTC", "2026-03-31T10:00", "P1M", "2026-02-28T10:00"),
    ("month-end-in-a-leap-year", "UTC", "2028-03-31T10:00", "P1M", "2028-02-29T10:00"),
    ("over-new-year", "UTC", "2027-01-31T10:00", "P2M", "2026-11-30T10:00"),
    ("leap-day-less-a-year", "UTC", "2028-02-29T10:00", "P1Y", "2027-02-28T10:00"),
    ("months-come-before-days", "UTC", "2026-03-31T10:00", "P1M1D", "2026-02-27T10:00"),
]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def cases(table: list[tuple[str, str, str, str, str]]) -> Any:
    rows = [pytest.param(*row, id=name) for name, *row in table]
    return pytest.mark.parametrize(("zone", "at", "span", "lands"), rows)


@cases(FORWARD)
def test_a_calendar_duration_lands_on_the_wall_clock(zone, at, span, lands):
    """T1: gaps go forward, ambiguous takes the first, month end clamps."""
    duration, clock = parse_duration(span), zone_of(zone)
    assert duration.add(instant(at), clock) == instant(lands)
    assert expected(instant(at), clock, duration) == instant(lands), "the oracle agrees"


@cases(BACK)
def test_a_calendar_duration_looks_back_by_the_same_rules(zone, at, span, lands):
    """T1, W2: a floor lies where the wall clock showed that much less."""
    duration, clock = parse_duration(span), zone_of(zone)
    assert duration.before(instant(at), clock) == instant(lands)
    assert expected(instant(at), clock, duration, -1) == instant(lands), "the oracle agrees"


def test_an_exact_duration_asks_no_calendar():
    """T1: `1 day` and `PT24H` are 24 hours over a change of clocks, where `P1D` is 23."""
    at, berlin = instant("2025-03-29T12:00"), zone_of("Europe/Berlin")
    for text in ("1 day", "PT24H", "24 hours"):
        assert parse_duration(text).add(at, berlin) == at + timedelta(hours=24)
        assert parse_duration(text).before(at, berlin) == at - timedelta(hours=24)


def test_instants_are_kept_to_the_microsecond():
    """T1: a calendar duration moves the date and leaves the rest of the instant as it is."""
    at = instant("2025-03-29T01:30:00.000001")
    landed = parse_duration("P1D").add(at, zone_of("Europe/Berlin"))
    assert landed == instant("2025-03-30T01:30:00.000001")
    assert landed.tzinfo is UTC
