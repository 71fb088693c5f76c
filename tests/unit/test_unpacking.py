"""E5: a record that the library cannot unpack costs itself, and none of its neighbours."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.record.default_records import DefaultRecordBase, _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from state.event import Rejected
from stream.consuming.unpacking import Answer, Record, Unpacked, install
from stream.decoding.decode import Sources, decode
from stream.decoding.unreadable import Remains
from tests.logs import batch_of

HEADER = DefaultRecordBase.HEADER_STRUCT.size
FIVE = [b"0", b"1", b"2", b"3", b"4"]
GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4


#: The class that `install` puts ours in the place of.
LIBRARYS: Any = Unpacked.__base__


def unpacking(*batches: bytes, begin: int = 0) -> Unpacked:
    """Unpack as the library does it, with what `install` puts in its way."""
    answer: Any = Answer(b"".join(batches))
    partition = TopicPartition("events", 3)
    return Unpacked(partition, answer, None, begin, None, None, True, READ_COMMITTED)


def unpacked(*batches: bytes, begin: int = 0) -> list[Record]:
    return list(unpacking(*batches, begin=begin))


def sealed(batch: bytearray, *, base: int = 0) -> bytes:
    """Return a batch with its length and checksum set right, from this offset on."""
    struct.pack_into(">qi", batch, 0, base, len(batch) - 12)
    begin = DefaultRecordBase.ATTRIBUTES_OFFSET
    struct.pack_into(">I", batch, begin - 4, calc_crc32c(bytes(batch[begin:])))
    return bytes(batch)


@pytest.mark.parametrize("codec", [0, GZIP, SNAPPY, LZ4, ZSTD])
@pytest.mark.parametrize("poisoned", range(5))
def test_a_header_that_is_not_utf8_costs_one_record(codec: int, poisoned: int) -> None:
    records = unpacked(bytes(batch_of(list(FIVE), poisoned=poisoned, codec=codec)))
    assert [record.offset for record in records] == [0, 1, 2, 3, 4]
    assert [record.value for record in records] == FIVE
    assert [record.timestamp - 1_795_341_600_000 for record in records] == [0, 1, 2, 3, 4]
    assert [record.key for record in records] == [b"k"] * 5
    assert [isinstance(record.value, Remains) for record in records].index(True) == poisoned
    names = [name for record in records for name, _ in record.headers]
    assert names == ["\\xff\\xfe" if number == poisoned else "trace" for number in range(5)]


def test_it_is_quarantined_with_all_that_could_be_read() -> None:
    (record,) = unpacked(bytes(batch_of([b'{"event":"a"}'], poisoned=0)))
    rejected = decode(record, Sources("epoch", frozenset()))
    assert isinstance(rejected, Rejected)
    assert (rejected.reason, rejected.detail) == (
        "unreadable_record",
        "a header's key is not UTF-8",
    )
    assert rejected.coordinates == ("events", 3, 0)
    assert rejected.recorded_at.timestamp() == 1_795_341_600
    assert rejected.raw == b'{"event":"a"}'
    assert type(rejected.raw) is bytes
    assert rejected.sha256 == hashlib.sha256(rejected.raw).digest()
    assert rejected.headers == (("\\xff\\xfe", "1"),)


def test_a_tombstone_out_of_form_is_no_tombstone() -> None:
    (record,) = unpacked(bytes(batch_of([None], poisoned=0)))
    assert isinstance(decode(record, Sources("epoch", frozenset())), Rejected)


def test_offsets_that_hold_no_record_are_not_made_up() -> None:
    """Compaction has taken records 0, 1 and 3; the batch says so, and keeps its last offset."""
    whole = batch_of([b"", b"", b"2", b"", b"4"], poisoned=2)
    sizes = [len(part) for part in _bodies(whole)]
    left = bytearray(whole[:HEADER]) + _bodies(whole)[2] + _bodies(whole)[4]
    assert len(left) < HEADER + sum(sizes)
    struct.pack_into(">i", left, HEADER - 4, 2)
    batch = sealed(left, base=100)
    partition = unpacking(batch, begin=90)
    assert [(record.offset, record.value) for record in partition] == [(102, b"2"), (104, b"4")]
    assert partition.next_fetch_offset == 105


def _bodies(batch: bytearray) -> list[bytearray]:
    """Return the records of a batch, each with its length, which is one byte here."""
    found, position = [], HEADER
    while position < len(batch):
        end = position + 1 + (batch[position] >> 1)
        found.append(batch[position:end])
        position = end
    return found


def test_a_read_that_begins_behind_it_brings_only_what_is_behind() -> None:
    batch = bytes(batch_of(list(FIVE), poisoned=1))
    assert [record.offset for record in unpacked(batch, begin=2)] == [2, 3, 4]


@pytest.mark.parametrize(
    "distort",
    [
        lambda body: body[:-9] + b"\x04" + body[-8:],  # fewer headers than it says
        lambda body: body[:-9] + b"\x00" + body[-8:],  # more than it says
        lambda body: body[:-8] + b"\x01" + body[-7:],  # a header without a key
        lambda body: body[:4] + b"\x7e" + body[5:],  # a key longer than the record
        lambda body: body[:1] + b"\xff" * (len(body) - 1),  # no number ends
    ],
)
def test_a_record_out_of_form_is_kept_whole(distort: Callable[[bytearray], bytearray]) -> None:
    batch = batch_of([b"0", b"1", b"2"])
    first, second, third = _bodies(batch)
    distorted = distort(second)
    assert len(distorted) == len(second)
    records = unpacked(sealed(batch[:HEADER] + first + distorted + third))
    assert [record.offset for record in records] == [0, 1, 2]
    assert [record.value for record in records] == [b"0", bytes(distorted[1:]), b"2"]
    assert isinstance(records[1].value, Remains)
    assert "not built" in records[1].value.problem


def test_what_follows_a_record_that_does_not_end_is_one() -> None:
    batch = batch_of(list(FIVE))
    bodies = _bodies(batch)
    bodies[2][0] = 0x7E
    partition = unpacking(sealed(batch[:HEADER] + b"".join(bodies)), bytes(batch_of([b"5"])))
    records = [next(partition) for _ in range(3)]
    assert [(record.offset, bytes(record.value or b"")) for record in records] == [
        (0, b"0"),
        (1, b"1"),
        (4, b"".join(bodies[2:])),
    ]
    assert partition.next_fetch_offset == 5


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
def test_a_batch_that_cannot_be_decompressed_is_one_record(codec: int) -> None:
    batch = batch_of(list(FIVE), codec=codec)
    batch[HEADER:] = b"\x00" * 40
    partition = unpacking(sealed(batch, base=100), begin=102)
    (record,) = list(partition)
    assert record.offset == 104
    assert isinstance(record.value, Remains)
    assert "decompressed" in record.value.problem
    assert record.value == sealed(batch, base=100)
    assert partition.next_fetch_offset == 105


def test_the_neighbouring_batches_come_too() -> None:
    batches = [
        sealed(batch_of([b"a"]), base=0),
        sealed(batch_of([b"b"], poisoned=0), base=1),
        sealed(batch_of([b"c"]), base=2),
    ]
    assert [record.value for record in unpacked(*batches)] == [b"a", b"b", b"c"]


def test_a_wrong_checksum_is_no_producers_fault() -> None:
    batch = batch_of(list(FIVE))
    batch[-1] ^= 1
    with pytest.raises(CorruptRecordException):
        unpacked(bytes(batch))


@pytest.mark.parametrize("codec", [5, ZSTD])
def test_nor_is_a_codec_that_is_not_there(codec: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(batch: object, codec: int) -> bool:
        raise UnsupportedCodecError("not installed")

    batch = batch_of(list(FIVE), codec=ZSTD)
    batch[DefaultRecordBase.ATTRIBUTES_OFFSET + 1] = codec
    batch[HEADER:] = b"\x00" * 40
    monkeypatch.setattr(_DefaultRecordBatchPy, "_assert_has_codec", refuse)
    with pytest.raises(UnsupportedCodecError):
        unpacked(sealed(batch))


def test_of_less_than_a_batch_the_library_steps_over_nothing() -> None:
    """Whole batches come in an answer, or nothing; if not, it must be asked for again."""
    part = Answer(bytes(batch_of(list(FIVE)))[:-1])
    assert not part.has_next()
    assert part.size_in_bytes() == 0


def test_it_is_what_the_library_uses() -> None:
    install()
    assert vars(fetcher)["MemoryRecords"] is Answer
    assert vars(fetcher)["PartitionRecords"] is Unpacked
    used = fetcher.Fetcher._proc_fetch_request.__code__.co_names
    assert {"MemoryRecords", "PartitionRecords"}.issubset(used)


def test_a_record_is_handed_on_as_the_library_would() -> None:
    """E1, E2: place, time, key, value and headers, however few of them our record keeps."""
    batch = bytes(batch_of([b"a", None]))
    (partition, ours) = TopicPartition("events", 3), unpacked(batch)
    answer = MemoryRecords(batch)
    theirs = list(LIBRARYS(partition, answer, None, 0, None, None, True, READ_COMMITTED))
    names = Record.__struct_fields__
    assert len(ours) == len(theirs) == 2
    for our, their in zip(ours, theirs, strict=True):
        assert [getattr(our, name) for name in names] == [getattr(their, name) for name in names]


def test_a_consumer_that_deserialises_does_so() -> None:
    answer: Any = Answer(bytes(batch_of([b"a"])))
    partition = TopicPartition("events", 3)
    (record,) = Unpacked(partition, answer, None, 0, None, bytes.upper, True, READ_COMMITTED)
    assert record.value == b"A"
