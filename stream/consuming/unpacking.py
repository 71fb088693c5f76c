"""Unpacks the records that the library cannot, so that one of them costs itself and nothing else.

Of a batch with a record that it cannot read (a header whose key is not UTF-8 is enough), aiokafka
gives what stands before it and never what stands behind: every fetch unpacks the batch from its
beginning, so not even a seek beyond it helps. There is no hook for this, so `install` replaces the
class by which the library unpacks an answer. All else stays the library's: positions, transactions.

What may come, and what becomes of it (E5: only what is no producer's fault stops a partition):

- A record out of form: its `Remains` are handed on in its place, with what could be read of it.
- A record that does not end, or a batch that cannot be decompressed: all from there on is one such
  record, at the batch's last offset.
- A wrong checksum, a codec that is not installed, a formless batch: a KafkaError comes for as long
  as it stands there. Up to a fetch of good records before it is held back; the watchdog judges it.
- Less than one whole batch, which brokers have not sent for years: asked for again, and the
  watchdog's, too. The library would step over it.
- Markers of transactions, and records that one took back: never unpacked here, never delivered.
"""

# mypy: untyped-calls-exclude="aiokafka"

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.errors import UnsupportedCodecError
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy
from aiokafka.record.util import decode_varint
from msgspec import Struct

from stream.decoding.unreadable import Remains

#: The form of batches since Kafka 0.11; older ones have no headers.
MAGIC = 2
#: How a batch begins: its first offset, and how many bytes follow.
_START = struct.Struct(">qi")
#: What is ours to mend, and says nothing about the batch.
OURS = (UnsupportedCodecError, MemoryError)


def install() -> None:
    """Let every consumer of this process unpack by this module."""
    vars(fetcher)["MemoryRecords"] = Answer
    vars(fetcher)["PartitionRecords"] = Unpacked


class Record(Struct, gc=False):
    """A record as it came, bytes and all: the library's own takes four times as long to make.

    Those of a backlog are many, and refer to nothing but bytes: the garbage collector passes them
    over.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class Unpacked(fetcher.PartitionRecords):
    """The records of an answer, in turn; what is delivered, and what not, the library decides."""

    def __iter__(self) -> Iterator[Any]:
        return iter(self._records_iterator)

    def _consumer_record(self, place: Any, record: Any) -> Any:
        if self._key_deserializer or self._value_deserializer:
            # None of our consumers: they all want bytes.
            return super()._consumer_record(place, record)  # type: ignore[no-untyped-call]  # theirs
        return Record(
            place.topic,
            place.partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            tuple(record.headers),
        )


class Answer:
    """The batches in a broker's answer for one partition; in place of aiokafka's MemoryRecords."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._batches = MemoryRecords(answer)
        self._end = 0

    def size_in_bytes(self) -> int:
        """Return 0: only asked when there is no whole batch, and then more would step over it."""
        return 0

    def has_next(self) -> bool:
        """Say whether there is one more whole batch."""
        return self._batches.has_next()

    def next_batch(self) -> Any:
        """Return the next one.

        Raises:
            KafkaError: it has no form at all.
        """
        batch = self._batches.next_batch()
        if batch is None:
            return None
        begin = self._end
        _, length = _START.unpack_from(self._answer, begin)
        self._end = begin + _START.size + length
        if self._answer[begin + _MemoryRecordsPy.MAGIC_OFFSET] < MAGIC:
            return batch
        return _Batch(batch, memoryview(self._answer)[begin : self._end])


class _Batch:
    """A batch as the library unpacks it, for as long as it can."""

    def __init__(self, batch: Any, raw: memoryview) -> None:
        self._batch = batch
        self._raw = raw
        self.validate_crc = batch.validate_crc
        self.producer_id: int = batch.producer_id
        self.base_offset: int = batch.base_offset
        self.next_offset: int = batch.next_offset
        self.is_control_batch: bool = batch.is_control_batch
        self.is_transactional: bool = batch.is_transactional

    def __next__(self) -> Any:
        return next(self._batch)  # the library asks it of markers, of which it reads the first

    def __iter__(self) -> Iterator[Any]:
        done = 0
        try:
            for record in self._batch:
                done += 1
                yield record
        except OURS:
            raise
        except Exception:  # noqa: BLE001 - whatever it is, it must not keep the neighbours
            yield from _salvage(_DefaultRecordBatchPy(self._raw), done)


@dataclass(frozen=True, slots=True)
class Salvaged:
    """A record, or what is left of one: all that the library asks of its own records."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    checksum: None = None


def _salvage(batch: _DefaultRecordBatchPy, done: int) -> Iterator[Salvaged]:
    """Unpack what comes after the first `done` records of a batch, each record for itself."""
    packed = batch._buffer
    try:
        batch._maybe_uncompress()
    except OURS:
        raise
    except Exception as error:  # noqa: BLE001 - each codec has its own
        kind = type(error).__name__
        yield _rest(batch, packed, f"its batch cannot be decompressed ({kind})")
        return
    buffer, position, expected = batch._buffer, batch._pos, batch.base_offset
    for number in range(batch._num_records):
        try:
            length, begin = decode_varint(buffer, position)
            if not 0 <= length <= len(buffer) - begin:
                raise ValueError(length)
        except (IndexError, ValueError):
            yield _rest(batch, buffer[position:], "it does not end within its batch")
            return
        position = begin + length
        record = _record(batch, buffer[begin:position], expected)
        if number >= done:
            yield record
        expected = record.offset + 1


def _rest(batch: _DefaultRecordBatchPy, left: bytearray, problem: str) -> Salvaged:
    """Return all that is left of a batch as one record at its last offset.

    The library passes over a record before its position; the last one never is.
    """
    last = batch.next_offset - 1
    remains = Remains(bytes(left), problem)
    return Salvaged(last, batch.max_timestamp, batch.timestamp_type, None, remains)


def _record(batch: _DefaultRecordBatchPy, body: bytearray, expected: int) -> Salvaged:
    """Read one record; `expected` is its offset unless it says a later one of its batch itself."""
    offset, timestamp, kind = expected, batch.max_timestamp, batch.timestamp_type
    cursor = _Cursor(body)
    try:
        cursor.number()  # attributes: none are in use
        since, beyond = cursor.number(), cursor.number()
        if expected <= batch.base_offset + beyond < batch.next_offset:
            offset = batch.base_offset + beyond
        if kind != batch.LOG_APPEND_TIME:
            timestamp = batch.first_timestamp + since
        key, value = cursor.text(), cursor.text()
        headers = [(cursor.name(), cursor.text()) for _ in range(cursor.number())]
        cursor.end()
    except (IndexError, ValueError):
        remains = Remains(bytes(body), "it is not built as Kafka's records are")
        return Salvaged(offset, timestamp, kind, None, remains)
    if not all(_is_utf8(name) for name, _ in headers):
        value = Remains(value or b"", "a header's key is not UTF-8")
    shown = tuple((name.decode("utf-8", "backslashreplace"), text) for name, text in headers)
    return Salvaged(offset, timestamp, kind, key, value, shown)


class _Cursor:
    """Reads the parts of a record, one after the other."""

    def __init__(self, body: bytearray) -> None:
        self._body = body
        self._at = 0

    def number(self) -> int:
        """Return the next number.

        Raises:
            IndexError, ValueError: there is none.
        """
        number, self._at = decode_varint(self._body, self._at)
        return number

    def text(self) -> bytes | None:
        """Return the next bytes; None if there are said to be none, which is not the same as empty.

        Raises:
            IndexError, ValueError: they do not end within the record.
        """
        length = self.number()
        if length < 0:
            return None
        begin, self._at = self._at, self._at + length
        if self._at > len(self._body):
            raise ValueError(length)
        return bytes(self._body[begin : self._at])

    def name(self) -> bytes:
        """Return the next bytes, which must be there.

        Raises:
            IndexError, ValueError: they are not.
        """
        name = self.text()
        if name is None:
            raise ValueError("no name")
        return name

    def end(self) -> None:
        """See that nothing follows.

        Raises:
            ValueError: something does.
        """
        if self._at != len(self._body):
            raise ValueError(self._at)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
