"""From a Kafka record to an event, a rejection or a tombstone: pure, total and fast (E1-E6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b, sha256
from typing import Protocol
from uuid import UUID

from state.event import (
    RAW_MAX,
    Coordinates,
    Decoded,
    Event,
    Identifier,
    Rejected,
    Tombstone,
)
from state.ids import uuid_of
from stream.decoding.cloudevents import (
    Headers,
    is_structured,
    read_cloudevent,
    read_structured,
)
from stream.decoding.contact_events import read_contact_payload
from stream.decoding.document import Said, canonical, parse_object, quoted
from stream.decoding.envelope import NAMES, Form, is_id, read_envelope
from stream.decoding.unreadable import Remains, Unreadable

#: How large a record may be: key, value and headers together (rule E6).
RECORD_MAX = 256 * 1024
#: How much evidence is kept of headers: so many, each so long.
HEADERS_MAX = 64
HEADER_TEXT_MAX = 1024

#: What `recorded_at` is where the record's timestamp is unusable: so far ahead that rule E1 counts
#: it as the instant of processing. Short of `datetime.max`, which asyncpg writes as infinity.
TIME_UNKNOWN = datetime(9999, 12, 31, tzinfo=UTC)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS_END = (TIME_UNKNOWN - _EPOCH) // timedelta(milliseconds=1)
_QUOTED = quoted(NAMES)


Evidence = tuple[tuple[str, str], ...]


class RawRecord(Protocol):
    """A record as any Kafka client hands it over; aiokafka's ConsumerRecord is one as it is."""

    @property
    def topic(self) -> str:
        """The topic it came by."""
        ...

    @property
    def partition(self) -> int:
        """Its partition."""
        ...

    @property
    def offset(self) -> int:
        """Its offset."""
        ...

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970, or what the producer made of them."""
        ...

    @property
    def key(self) -> bytes | None:
        """Never read, only measured."""
        ...

    @property
    def value(self) -> bytes | None:
        """The event; None is a tombstone."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """CloudEvents' attributes and evidence."""
        ...


@dataclass(frozen=True, slots=True)
class Sources:
    """What decoding must know of the topics: which life of them this is, which hold contacts."""

    stream_epoch: str
    contact_topics: frozenset[str]


def decode(record: RawRecord, sources: Sources) -> Decoded:
    """Return what a record means; whatever its bytes, never raise."""
    value, raw_headers = record.value, record.headers
    if value is None:
        return Tombstone(coordinates_of(record), recorded_at_of(record.timestamp))
    headers: Evidence = ()
    form = None
    try:
        if raw_headers:
            headers = _evidence(raw_headers)
        if isinstance(value, Remains):
            raise Unreadable("unreadable_record", value.problem)
        if len(value) + len(record.key or b"") + _size(raw_headers) > RECORD_MAX:
            raise Unreadable("too_large", f"expected a record of at most {RECORD_MAX} bytes")
        form = _form(record.topic, raw_headers, value)
        return _event(record, sources, form, headers)
    except Unreadable as unreadable:
        labels = {} if form is None else form.labels
        claimed_id = None if form is None else form.document.get("id")
        return _rejected(record, unreadable.relabelled(labels), headers, claimed_id)
    except Exception as error:  # noqa: BLE001 - a bug here costs one record, never its partition
        return _rejected(record, Unreadable("decoder_error", type(error).__name__), headers, None)


def event_key(source: str, event_id: str) -> UUID:
    """Return the key of an event whose producer gave it an id: the hash of both (rule E1)."""
    return _uuid(f"id|{len(source)}:{source}|{len(event_id)}:{event_id}".encode())


def coordinates_key(stream_epoch: str, coordinates: Coordinates) -> UUID:
    """Return the key of an event without an id: the hash of where it stands (rule E1)."""
    topic, partition, offset = coordinates
    text = f"at|{len(stream_epoch)}:{stream_epoch}|{len(topic)}:{topic}|{partition}|{offset}"
    return _uuid(text.encode())


def _form(topic: str, headers: Headers, value: bytes) -> Form:
    cloudevent = read_cloudevent(headers, value) if headers else None
    if cloudevent is not None:
        return cloudevent
    document = parse_object(value, _QUOTED)
    if is_structured(document):
        return read_structured(value)
    return Form(topic, document, {}, Said(value, ("payload",)))


def _event(record: RawRecord, sources: Sources, form: Form, headers: Evidence) -> Event:
    envelope = read_envelope(form.document)
    event_id, name, occurred_at, identifiers, payload, hops, caused_by = envelope
    is_contact_event = record.topic in sources.contact_topics
    if is_contact_event:
        payload = read_contact_payload(name, payload, form.said)
    payload_bytes = canonical(payload) if payload else b"{}"
    coordinates = coordinates_of(record)
    recorded_at = recorded_at_of(record.timestamp)
    return Event(
        key=coordinates_key(sources.stream_epoch, coordinates)
        if event_id is None
        else event_key(form.source, event_id),
        source=form.source,
        id=str(coordinates) if event_id is None else event_id,
        name=name,
        occurred_at=recorded_at if occurred_at is None else occurred_at,
        recorded_at=recorded_at,
        coordinates=coordinates,
        identifiers=identifiers,
        payload=payload,
        payload_text=payload_bytes.decode(),
        body_hash=_body_hash(name, occurred_at, identifiers, payload_bytes),
        claims_time=occurred_at is not None,
        is_contact_event=is_contact_event,
        headers=headers,
        raw=record.value or b"",
        hops=hops,
        caused_by=caused_by,
    )


def _size(headers: Headers) -> int:
    """Return how many bytes headers take in a record, where each has two lengths beside it."""
    if not headers:
        return 0
    names = "".join([name for name, _ in headers])
    return 2 * len(headers) + len(names.encode()) + sum([len(text or b"") for _, text in headers])


#: What a NamedTuple calls, by way of a call of its own.
_new_tuple = tuple.__new__


def coordinates_of(record: RawRecord) -> Coordinates:
    """Return where a record stands."""
    return _new_tuple(Coordinates, (record.topic, record.partition, record.offset))


@lru_cache(maxsize=1024)  # a producer's batch shares one timestamp
def recorded_at_of(milliseconds: int) -> datetime:
    """Return the instant of a record's timestamp, `TIME_UNKNOWN` if it is none."""
    if 0 <= milliseconds < _MILLISECONDS_END:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    return TIME_UNKNOWN


def _body_hash(
    name: str,
    occurred_at: datetime | None,
    identifiers: tuple[Identifier, ...],
    payload: bytes,
) -> UUID:
    """Return the hash of what the producer said; an instant is the same in any offset (rule E4)."""
    said = f"{len(name)}:{name}|"
    if occurred_at is not None:
        since = occurred_at - _EPOCH
        said += f"{since.days}.{since.seconds}.{since.microseconds}"
    for kind, text in identifiers:
        said += f"|{kind}:{len(text)}:{text}"
    return _uuid(said.encode() + b"|" + payload)


def _uuid(text: bytes) -> UUID:
    """Return the hash of a text as a UUID."""
    return uuid_of(blake2b(text, digest_size=16).digest())


def _evidence(headers: Sequence[tuple[str, bytes | None]]) -> Evidence:
    """Return headers as text that Postgres can store, cut to size."""
    return tuple(
        (_storable(name.encode()), _storable(text or b"")) for name, text in headers[:HEADERS_MAX]
    )


def _storable(text: bytes) -> str:
    return text[:HEADER_TEXT_MAX].decode("utf-8", "backslashreplace").replace("\x00", "\\x00")


def _rejected(
    record: RawRecord,
    unreadable: Unreadable,
    headers: Evidence,
    claimed_id: object,
) -> Rejected:
    value = record.value or b""
    return Rejected(
        reason=unreadable.reason,
        detail=str(unreadable),
        coordinates=coordinates_of(record),
        recorded_at=recorded_at_of(record.timestamp),
        raw=value[:RAW_MAX],
        sha256=sha256(value).digest(),
        headers=headers,
        event_id=claimed_id if is_id(claimed_id) else None,
    )
