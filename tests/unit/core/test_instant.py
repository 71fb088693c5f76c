"""Instants as producers write them."""

from datetime import UTC, datetime, timedelta

import pytest

from state.instant import InstantError, parse_instant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-22T10:00:00Z", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("2026-11-22t10:00:00z", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("2026-11-22 10:00:00+00:00", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("2026-11-22T10:00:00+05:30", datetime(2026, 11, 22, 4, 30, tzinfo=UTC)),
        ("2026-11-22T10:00:00.5Z", datetime(2026, 11, 22, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-22T10:00:00.123456999Z", datetime(2026, 11, 22, 10, 0, 0, 123_456, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31T18:59:60.25-05:00", datetime(2017, 1, 1, 0, 0, 0, 250_000, tzinfo=UTC)),
        ("0001-01-02T00:00:00Z", datetime(1, 1, 2, tzinfo=UTC)),
        ("9999-12-30T23:59:59Z", datetime(9999, 12, 30, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_rfc_3339(written: str, meant: datetime) -> None:
    assert parse_instant(written) == meant
    assert parse_instant(written).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-22T10:00:00",
        "2026-11-22",
        "20261122T100000Z",
        "2026-11-22T10:00Z",
        "2026-W47-7T10:00:00Z",
        "2026-02-30T10:00:00Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T10:00:61Z",
        "2026-11-22T12:59:60Z",
        "2026-11-22T10:00:00+25:00",
        "2026-11-22T10:00:00.Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.9999999Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:60Z",
        "10000-01-01T00:00:00Z",
        "٢٠٢٦-11-22T10:00:00Z",
        "yesterday",
        "",
    ],
)
def test_other_times_are_refused(written: str) -> None:
    with pytest.raises(InstantError, match="an RFC 3339 time with an offset"):
        parse_instant(written)
