"""Calendar durations agree with brute force in every time zone that there is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st

from state.duration import DURATION_MAX, Duration
from state.wall_clock import longest_in_days
from state.zone import zone_names, zone_of
from tests.calendar_oracle import expected, transitions

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")

zones = st.sampled_from(sorted(zone_names())).map(zone_of)
#: From 1970 to 2037, to the second: wall clocks were never moved by less.
instants = st.integers(0, 68 * 365 * 86_400).map(lambda seconds: EPOCH + timedelta(seconds=seconds))


def spans(months: int, days: int, exact: timedelta) -> st.SearchStrategy[Duration]:
    """Return calendar durations of at most so much each."""
    drawn = st.builds(
        Duration,
        st.just(timedelta()) | st.timedeltas(timedelta(), exact),
        st.integers(0, months),
        st.integers(0, days),
    )
    return drawn.filter(lambda span: not span.is_exact)


any_span = spans(12, 366, DURATION_MAX)


@settings(max_examples=400)
@given(zones, instants, any_span, st.sampled_from([1, -1]))
def test_a_calendar_duration_lands_where_brute_force_finds_it(
    zone: ZoneInfo, at: datetime, span: Duration, sign: int
) -> None:
    """T1: any zone, instant and duration, there and back."""
    assert moved(at, zone, span, sign) == expected(at, zone, span, sign)


@settings(max_examples=400)
@given(
    zones,
    st.data(),
    spans(2, 3, timedelta(hours=30)),
    st.sampled_from([1, -1]),
    st.integers(-200, 200),
)
def test_about_the_hours_at_which_clocks_are_moved_too(
    zone: ZoneInfo, data: st.DataObject, span: Duration, sign: int, minutes: int
) -> None:
    """T1: gaps go forward, ambiguous takes the first, in every zone's own history."""
    moves = transitions(zone) or [EPOCH]
    landing = data.draw(st.sampled_from(moves)) + timedelta(minutes=minutes)
    at = moved(landing, UTC_ZONE, span, -sign)
    assert moved(at, zone, span, sign) == expected(at, zone, span, sign)


@given(zones, instants, any_span)
def test_a_calendar_duration_leads_into_the_future_and_back_into_the_past(
    zone: ZoneInfo, at: datetime, span: Duration
) -> None:
    """T1: and never further than its days at their longest, but for what clocks are moved by."""
    longest = timedelta(days=longest_in_days(span.months) + span.days + 1) + span.exact
    assert at < span.add(at, zone) <= at + longest
    assert at - longest <= span.before(at, zone) <= at


def moved(at: datetime, zone: ZoneInfo, span: Duration, sign: int) -> datetime:
    return span.add(at, zone) if sign > 0 else span.before(at, zone)
