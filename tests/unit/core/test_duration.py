"""Durations as they are written: exact ones in words and in ISO 8601, calendar ones in ISO 8601."""

from datetime import timedelta

import pytest

from state.duration import Duration, DurationError, parse_duration
from state.problem import Problem


def refused(text: object) -> Problem:
    with pytest.raises(DurationError) as caught:
        parse_duration(text)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 minutes", timedelta(minutes=30)),
        ("1 minute", timedelta(minutes=1)),
        ("1 hour", timedelta(hours=1)),
        ("90 seconds", timedelta(seconds=90)),
        ("2 weeks", timedelta(days=14)),
        ("  3  Days ", timedelta(days=3)),
        ("366 days", timedelta(days=366)),
        ("PT24H", timedelta(hours=24)),
        ("PT1H30M", timedelta(minutes=90)),
        ("PT10S", timedelta(seconds=10)),
        ("PT1H5S", timedelta(seconds=3605)),
        ("P0DT5M", timedelta(minutes=5)),
    ],
)
def test_exact_durations_are_read_in_words_and_in_iso(text, expected):
    """T1: durations are exact, in words or in ISO's time part."""
    assert parse_duration(text) == Duration(expected)
    assert parse_duration(text).is_exact


def test_a_day_in_words_is_24_hours_and_a_week_7_days():
    """T1: `1 day` is 24 hours, whatever clocks do; `P1D` is another thing."""
    assert parse_duration("1 day") == parse_duration("PT24H") == Duration(timedelta(hours=24))
    assert parse_duration("1 week") == Duration(timedelta(hours=24 * 7))
    assert parse_duration("P1D") != parse_duration("1 day")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("P1D", Duration(days=1)),
        ("P2W", Duration(days=14)),
        ("P1M", Duration(months=1)),
        ("P1Y", Duration(months=12)),
        ("P366D", Duration(days=366)),
        ("P12M", Duration(months=12)),
        ("P1M2W3D", Duration(months=1, days=17)),
        ("P1DT2H", Duration(timedelta(hours=2), days=1)),
        ("P1MT30M", Duration(timedelta(minutes=30), months=1)),
        (" P11M28DT24H ", Duration(timedelta(hours=24), months=11, days=28)),
    ],
)
def test_the_date_part_of_iso_is_counted_by_the_calendar(text, expected):
    """T1: `P1D`, `P1W`, `P1M`, `P1Y` and mixtures: the date part calendar, the time part exact."""
    assert parse_duration(text) == expected
    assert not parse_duration(text).is_exact


@pytest.mark.parametrize(
    "text", ["0 seconds", "PT0S", "-5 minutes", "0 weeks", "P0D", "P0Y0M0DT0H", "-P1D", "P-1D"]
)
def test_a_duration_that_is_not_positive_is_refused(text):
    """T1: <= 0 is refused."""
    assert "not longer than nothing" in refused(text).message
    assert refused(text).fix == "write a positive duration"


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("367 days", 367),
        ("53 weeks", 371),
        ("PT8785H", 367),
        ("P367D", 367),
        ("P53W", 371),
        ("P13M", 397),
        ("P2Y", 732),
        ("P1Y1D", 367),
        ("P1YT1S", 367),
        ("P11M30D", 367),
        ("P365DT25H", 367),
    ],
)
def test_a_duration_over_366_days_is_refused(text, days):
    """T1: > 366 days is refused; a calendar duration is judged at its longest, `P1Y` being 366."""
    assert refused(text).message == f"`{text}` is too long: it can take {days} days"
    assert refused(text).fix == "the longest is 366 days, or `P1Y`"


@pytest.mark.parametrize("text", ["{} seconds", "PT{}H", "P{}D", "P{}M", "P{}Y"])
def test_a_number_without_end_costs_nothing_to_refuse(text):
    """T1: > 366 days is refused, however far beyond."""
    assert "the longest is 366 days" in refused(text.format("9" * 5000)).fix


@pytest.mark.parametrize(
    ("text", "written"), [("1 month", "P1M"), ("2 years", "P1Y"), ("1 Quarter", "P3M")]
)
def test_a_month_in_words_is_refused_with_what_to_write(text, written):
    """T1: in words are exact durations, and a month is none."""
    assert "has no fixed length" in refused(text).message
    assert f"write `{written}` to count by the calendar" in refused(text).fix


@pytest.mark.parametrize("text", ["P0.5M", "P1,5D", "PT1.5H", "1.5 hours", "P1DT0.5H", "0.5 days"])
def test_fractions_are_refused(text):
    """T1: half a month is no length of time; whole numbers of a smaller unit say what is meant."""
    assert "is not in whole numbers" in refused(text).message
    assert refused(text).fix.startswith("write a whole number and a unit, such as `30 minutes`")


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "30", "PT", "PT1H30", "30minutes", "٣ days", 30, None, []),
        *("P", "P1", "1D", "P1DT", "P1D2M", "P1H", "p1d", "P 1D", "P1D P1D", "P٣D", "-soon"),
    ],
)
def test_what_is_no_duration_is_refused_with_an_example(text):
    """T1: what cannot be read is refused with what to write."""
    assert refused(text).message.endswith("is not a duration")
    assert "such as `30 minutes`, `1 day` or `PT24H`, or `P1D`" in refused(text).fix


def test_a_misspelt_unit_is_refused_with_the_right_one():
    assert 'did you mean "minutes"' in refused("30 mintes").fix
