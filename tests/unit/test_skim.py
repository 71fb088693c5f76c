"""Skimming: what is only counted is not decoded, and nothing else is passed over (rule E7)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from handlers.intake import is_applied, names_seen, sort_records
from state.automation import Catalogue
from state.event import Event, Mention, Read
from state.turn import Refused, Snapshot
from stream.bisect import parts_of
from stream.decoding.decode import RECORD_MAX, Sources, decode
from stream.decoding.skim import Skimmer
from stream.turn import Work
from tests.kit import NOW
from tests.records import Record, event_record

SOURCES = Sources("1", frozenset({"contacts"}))
USED = Catalogue(1, interest_since={"used": NOW})
SAID = {"id": "e1", "event": "noise", "email": "a@x.io", "payload": {"n": 1}}


def skimmed(record: Record, catalogue: Catalogue = USED) -> Read:
    (read,) = Skimmer(SOURCES, lambda: catalogue).read([record])
    return read


def said(**changes: object) -> Record:
    return event_record({**SAID, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"id": None},
        {"payload": None},
        {"payload": {"at": "12:30", "deep": {"list": [1.5, {"n": 2}]}}},
        {"occurred_at": "2026-11-22T10:00:00Z"},
        {"phone": "+4912345678", "email": 7},
        {"unknown": {"n": 1}},
    ],
)
def test_an_event_that_nobody_uses_is_passed_over(changes: dict[str, object]) -> None:
    """E7: it is counted by its name, so no more than that is read of it."""
    if "phone" in changes:
        del changes["email"]
        record = event_record({name: SAID[name] for name in ("id", "event")} | changes)
    else:
        record = said(**changes)
    read = skimmed(record)
    whole = decode(record, SOURCES)
    assert isinstance(read, Mention)
    assert isinstance(whole, Event)
    assert read.whole() == whole
    places = (whole.name, whole.coordinates, whole.recorded_at)
    assert (read.name, read.coordinates, read.recorded_at) == places


DOUBTFUL = {
    "of interest": said(event="used"),
    "suppresses": said(event="email.bounced"),
    "links": said(phone="+4912345678"),
    "names nobody": event_record({"event": "noise"}),
    "a person that is none": said(email=7),
    "a person too long": said(email=" " * 500 + "a@x.io" + " " * 500),
    "a phone that is none": event_record({"event": "noise", "phone": "12"}),
    "caused by a run": said(hops=1),
    "hops for a person": event_record({"event": "noise", "hops": "1"}),
    "no instant": said(occurred_at="yesterday"),
    "an id that is none": said(id=7),
    "a payload that is none": said(payload=[1]),
    "an endless number": Record(value=b'{"event":"noise","email":"a","payload":{"n":1e999}}'),
    "an endless number below": Record(
        value=b'{"event":"noise","email":"a","payload":{"n":[1e999]}}'
    ),
    "a key twice": Record(value=b'{"event":"noise","email":"a@x.io","email" :"b@x.io"}'),
    "a name twice": Record(value=b'{"event":"noise","email":"a@x.io","event":"used"}'),
    "another name below": Record(value=b'{"payload":{"event":"noise"},"event":"used","email":"a"}'),
    "spelled with escapes": Record(value=rb'{"event":"noise","email":"a","em\u0061il":"b"}'),
    "a NUL": Record(value=rb'{"event":"noise","email":"a\u0000"}'),
    "a control character": Record(value='{"event":"no\x85ise","email":"a"}'.encode()),
    "too deep": Record(value=b'{"event":"noise","email":"a","payload":' + b'{"a":' * 40 + b"1}"),
    "too deep in a field that nobody reads": Record(
        value=b'{"event":"noise","email":"a","x":' + b"[" * 40 + b"]" * 40 + b"}"
    ),
    "too deep in a payload's key that stands twice": Record(
        value=b'{"event":"noise","email":"a","payload":{"a":'
        + b"[" * 300
        + b"]" * 300
        + b',"a":1}}'
    ),
    "a number of too many digits": Record(
        value=b'{"event":"noise","email":"a","payload":{"n":' + b"1" * 4301 + b"e-4301}}"
    ),
    "a number of too many digits that nobody reads": Record(
        value=b'{"event":"noise","email":"a","x":' + b"1" * 4301 + b"e-4300}"
    ),
    "two names of one person, one of them null": said(phone=None),
    "an id that is empty": said(id=""),
    "an instant that is null": said(occurred_at=None),
    "not UTF-8": Record(value=b'{"event":"noise","email":"\xff"}'),
    "cut": Record(value=b'{"event":"noise","email":"a"'),
    "a CloudEvent": Record(value=json.dumps(SAID).encode(), headers=[("ce_id", b"1")]),
    "too large": Record(value=json.dumps(SAID).encode(), key=b"k" * RECORD_MAX),
    "a tombstone": Record(value=None),
    "a contact": said(event="noise")._replace(topic="contacts"),
}


@pytest.mark.parametrize("record", DOUBTFUL.values(), ids=DOUBTFUL)
def test_what_is_more_than_counted_or_not_sound_is_decoded_in_full(record: Record) -> None:
    """E2, E5, E7, I2: quarantined, linked and applied is what ever was."""
    assert skimmed(record) == decode(record, SOURCES)


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from(["noise", "used", "a@x.io", "+4912345678", "2026-11-22T10:00:00Z", "1e999"]),
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
)
fields = st.sampled_from(
    ["id", "event", "email", "phone", "external_id", "contact_id", "payload", "occurred_at",
     "hops", "caused_by", "specversion", "x"]
)  # fmt: skip
pairs = st.lists(st.tuples(fields, values), max_size=6)


def text_of(pairs: list[tuple[str, Any]], colon: str) -> bytes:
    """Return the JSON text of an object; keys may repeat."""
    told = [("event", "noise"), ("email", "a@x.io"), *pairs]
    members = [f"{json.dumps(name)}{colon}{json.dumps(value)}" for name, value in told]
    return f"{{{', '.join(members)}}}".encode()


@given(pairs, st.sampled_from([":", ": ", " :", "\n:\t"]), st.integers(0, 40))
def test_whatever_is_passed_over_would_only_have_been_counted(
    pairs: list[tuple[str, Any]], colon: str, cut: int
) -> None:
    """E5, E7: full decoding would find an event of one person, which is not applied."""
    record = Record(value=text_of(pairs, colon)[cut if cut > 30 else 0 :])
    read, whole = skimmed(record), decode(record, SOURCES)
    if not isinstance(read, Mention):
        assert read == whole
        return
    assert isinstance(whole, Event)
    assert whole.name == read.name
    assert not is_applied(whole, USED)


@given(st.lists(pairs, max_size=5), st.integers(0, 3))
def test_records_of_one_read_are_told_apart(told: list[list[tuple[str, Any]]], first: int) -> None:
    """E2, E5, E7: each is what it would be alone, and stands where it stood."""
    records = [
        Record(value=text_of(some, ":"), offset=first + n, timestamp=1_764_000_000_000 + n)
        for n, some in enumerate(told)
    ]
    for record, read in zip(records, Skimmer(SOURCES, lambda: USED).read(records), strict=True):
        whole = decode(record, SOURCES)
        assert (read.coordinates, read.recorded_at) == (whole.coordinates, whole.recorded_at)
        assert (read.whole() if isinstance(read, Mention) else read) == whole


def test_a_name_that_came_to_be_used_meanwhile_is_applied() -> None:
    """E7: who read it knew less than the turn does, and no event falls between."""
    record = said()
    read = skimmed(record)
    assert isinstance(read, Mention)
    intake = sort_records([read], Catalogue(2, interest_since={"noise": NOW}))
    assert intake.events == [decode(record, SOURCES)]
    assert sort_records([read], USED).unclaimed == 1


def test_what_was_read_follows_the_catalogue() -> None:
    """E7: a name published since is decoded at once."""
    catalogues = [USED, USED, Catalogue(2, interest_since={"noise": NOW})]
    skimmer = Skimmer(SOURCES, lambda: catalogues.pop(0))
    assert isinstance(skimmer.read([said()])[0], Mention)
    assert isinstance(skimmer.read([said()])[0], Event)


def test_names_are_counted_together_however_they_were_read() -> None:
    """E7, E4: one count a name and partition, up to the last offset; redeliveries apart."""
    linking = said(phone="+4912345678")._replace(offset=9)
    records = [skimmed(said()._replace(offset=offset)) for offset in (4, 5, 6)]
    (name,) = names_seen(
        [*records, skimmed(linking)], Snapshot(NOW, applied={("waitline.events", 0): 4})
    )
    assert (name.times, name.last_offset) == (3, 9)


def test_one_that_the_database_refuses_is_set_aside() -> None:
    """E5: down to the one record, whoever had only mentioned it."""
    record = said()
    (work,) = parts_of(Work(records=[skimmed(record)]), Refused("22021", ""))
    (quarantined,) = work.quarantined
    assert quarantined.rejected.raw == record.value
