"""Time zones by their names, from the database that comes with the code."""

import zoneinfo
from datetime import UTC, datetime
from importlib.resources import files

import pytest

import state.zone
from state.zone import ZoneError, parse_zone, zone_names, zone_of

MOMENT = datetime(2026, 7, 1, tzinfo=UTC)


def test_every_zone_of_the_database_can_be_read():
    """T1: the names that are accepted are those that can be counted in."""
    assert len(zone_names()) > 500
    assert [name for name in sorted(zone_names()) if zone_of(name).key != name] == []
    assert zone_of("Mars/Olympus") is None


@pytest.mark.parametrize("raw", ["../zones", "/etc/passwd", "", "Europe", "europe/berlin", "posix"])
def test_what_is_no_zone_is_none(raw):
    """T1: only names of the database are looked up."""
    assert zone_of(raw) is None


def test_the_machines_own_database_is_not_read(tmp_path):
    """T1: every worker counts by the database that comes with the code."""
    packaged = zone_of("Europe/Berlin").utcoffset(MOMENT)
    folder = tmp_path / "Europe"
    folder.mkdir()
    other = files("tzdata").joinpath("zoneinfo", "Asia", "Tokyo").read_bytes()
    (folder / "Berlin").write_bytes(other)
    zoneinfo.reset_tzpath([tmp_path])
    try:
        assert zoneinfo.ZoneInfo.no_cache("Europe/Berlin").utcoffset(MOMENT) != packaged
        state.zone._load.cache_clear()
        assert zone_of("Europe/Berlin").utcoffset(MOMENT) == packaged
    finally:
        zoneinfo.reset_tzpath()


@pytest.mark.parametrize(
    ("raw", "hint"),
    [
        ("Europe/Berln", 'did you mean "Europe/Berlin"? '),
        ("europe/berlin", 'did you mean "Europe/Berlin"? '),
        ("Berlin", 'did you mean "Europe/Berlin"? '),
        ("new york", 'did you mean "America/New_York"? '),
        ("CEST", ""),
        ("UTC+2", ""),
        ("GMT+1", ""),
        ("+02:00", ""),
        ("", ""),
        (2, ""),
        ([], ""),
    ],
)
def test_a_misspelt_zone_is_refused_with_the_nearest(raw, hint):
    """T1: an automation's zone is an IANA name."""
    with pytest.raises(ZoneError) as caught:
        parse_zone(raw)
    (problem,) = caught.value.problems
    assert problem.fix == f"{hint}write an IANA name, such as Europe/Berlin"
