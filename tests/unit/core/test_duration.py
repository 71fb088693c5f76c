"""Exact durations, in words and in ISO 8601."""

from datetime import timedelta

import pytest

from state.duration import DurationError, parse_duration


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
    ],
)
def test_exact_durations_are_read_in_words_and_in_iso(text, expected):
    """T1: durations are exact, in words or ISO 8601."""
    assert parse_duration(text) == expected


def test_a_day_is_24_hours_and_a_week_7_days():
    """T1: `1 day` is 24 hours, whatever clocks do."""
    assert parse_duration("1 day") == parse_duration("PT24H") == timedelta(hours=24)
    assert parse_duration("1 week") == timedelta(hours=24 * 7)


@pytest.mark.parametrize("text", ["P1D", "P1M", "P2W", "P1DT2H", "P1Y", "1 month", "2 years"])
def test_calendar_durations_are_refused_with_what_to_write(text):
    """T1: a calendar duration is another thing than an exact one and never taken for it."""
    with pytest.raises(DurationError, match=r"calendar duration.*write `1 day`"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0 seconds", "PT0S", "-5 minutes", "0 weeks"])
def test_a_duration_that_is_not_positive_is_refused(text):
    """T1: <= 0 is refused."""
    with pytest.raises(DurationError, match="positive"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["367 days", "53 weeks", "PT8785H", f"{'9' * 5000} seconds"])
def test_a_duration_over_366_days_is_refused(text):
    """T1: > 366 days is refused."""
    with pytest.raises(DurationError, match="the longest is 366 days"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text",
    ["", "soon", "30", "1.5 hours", "PT", "PT1H30", "PT1.5H", "30minutes", "٣ days", 30, None, []],
)
def test_what_is_no_duration_is_refused_with_an_example(text):
    with pytest.raises(DurationError, match="such as `30 minutes`"):
        parse_duration(text)


def test_a_misspelt_unit_is_refused_with_the_right_one():
    with pytest.raises(DurationError, match='did you mean "minutes"'):
        parse_duration("30 mintes")
