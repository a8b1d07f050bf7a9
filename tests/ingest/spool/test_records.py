"""Bytes of the spool: what was written is read again, and damage costs what it hits."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import StorageError
from core.reading import Reading
from ingest.spool.records import MARKER, MAX_PAYLOAD_BYTES, encode, scan

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
instants = st.integers(-(10**15), 10**16).map(lambda microseconds: EPOCH + timedelta(microseconds=microseconds))
values = st.one_of(
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.just("\xffKP\x01"),
)
readings = st.builds(
    Reading,
    device_id=st.text("abc-1", min_size=1, max_size=12),
    device_type=st.sampled_from(["waste_bin", "streetlight"]),
    municipality=st.sampled_from(["marburg", "zoo"]),
    observed_at=instants,
    received_at=instants,
    values=st.dictionaries(st.sampled_from(["a", "b", "c"]), values, max_size=3),
)
several = st.lists(readings, min_size=1, max_size=8)


def typed(reading: Reading) -> list[tuple[str, str, type]]:
    """1, 1.0 and True are equal in Python and not in a store."""
    return [(name, repr(value), type(value)) for name, value in reading.values.items()]


def records_hit(kept: list[Reading], first_byte: int, end_byte: int) -> set[int]:
    """Which records have a byte of `first_byte` to before `end_byte`."""
    hit, start = set(), 0
    for index, reading in enumerate(kept):
        end = start + len(encode([reading]))
        if start < end_byte and first_byte < end:
            hit.add(index)
        start = end
    return hit


@given(st.lists(readings, max_size=8))
def test_what_is_written_is_read_again(kept: list[Reading]) -> None:
    found = scan(encode(kept))
    assert found.readings == kept
    assert [typed(reading) for reading in found.readings] == [typed(reading) for reading in kept]
    assert (found.damaged, found.lost_bytes) == (0, 0)


@given(several, st.data())
def test_cut_off_anywhere_all_whole_records_are_read(kept: list[Reading], data: st.DataObject) -> None:
    written = encode(kept)
    cut = data.draw(st.integers(0, len(written)))
    found = scan(written[:cut])
    lost = records_hit(kept, cut, len(written))
    assert found.readings == kept[: len(kept) - len(lost)]
    whole = sum(len(encode([reading])) for reading in found.readings)
    assert (found.damaged, found.lost_bytes) == (int(cut > whole), cut - whole)


@given(several, st.data())
def test_changed_bytes_cost_the_records_they_hit(kept: list[Reading], data: st.DataObject) -> None:
    written = bytearray(encode(kept))
    first = data.draw(st.integers(0, len(written) - 1))
    changes = data.draw(st.lists(st.integers(1, 255), min_size=1, max_size=40))[: len(written) - first]
    for offset, change in enumerate(changes, first):
        written[offset] ^= change
    found = scan(bytes(written))
    hit = records_hit(kept, first, first + len(changes))
    assert found.readings == [reading for index, reading in enumerate(kept) if index not in hit]
    assert found.damaged == 1  # neighbours are one stretch


@given(several, st.data())
def test_bytes_missing_or_added_inside_cost_the_records_they_hit(kept: list[Reading], data: st.DataObject) -> None:
    written = encode(kept)
    first = data.draw(st.integers(0, len(written) - 1))
    end = data.draw(st.integers(first, min(len(written), first + 30)))
    added = data.draw(st.binary(max_size=30))
    found = scan(written[:first] + added + written[end:])
    hit = records_hit(kept, first, end + 1)
    unhurt = [reading for index, reading in enumerate(kept) if index not in hit]
    remaining = iter(found.readings)
    assert all(reading in remaining for reading in unhurt), "each unhurt record is read, in order"
    assert all(reading in kept for reading in found.readings), "nothing is made up"


@given(st.binary(max_size=300), st.lists(st.sampled_from([MARKER, MARKER * 3, b"\x00" * 12]), max_size=3))
def test_any_bytes_are_read_without_error(noise: bytes, pieces: list[bytes]) -> None:
    data = noise.join(pieces) + noise
    found = scan(data)
    assert found.readings == []
    assert found.lost_bytes == len(data)


def test_a_record_inside_a_record_is_not_read_twice() -> None:
    inner = Reading("b1", "waste_bin", "marburg", EPOCH, EPOCH, {"a": "\x00" * 50})
    assert scan(encode([inner]) * 3).readings == [inner] * 3


def test_what_cannot_be_encoded_is_refused_by_name() -> None:
    for wrong in (2**70, "x" * MAX_PAYLOAD_BYTES, "\ud800"):
        with pytest.raises(StorageError, match="b1"):
            encode([Reading("b1", "waste_bin", "marburg", EPOCH, EPOCH, {"a": wrong})])
