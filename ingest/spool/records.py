"""Bytes of the spool, pure: readings to records with length and checksum, and back from whatever is left of them.

    record = marker (4 bytes) | CRC-32 of the rest (4, little-endian) | length of the payload (4) | payload

The payload is MessagePack. What does not check is skipped up to the next marker after which a record does: damage costs
the records it hits and no others. Another format gets another marker and is read beside this one.
"""

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from core.errors import StorageError
from core.quantity import Value
from core.reading import Reading

MARKER: Final = b"\xffKP\x01"
"""Begins with a byte that no UTF-8 text holds: device ids and choices cannot imitate it."""
MAX_PAYLOAD_BYTES: Final = 1 << 20
"""A length beyond it is damage; it also bounds what one false marker can cost the search."""
_HEADER: Final = struct.Struct("<4sII")
_CHECKED_FROM: Final = 8
_LENGTH: Final = struct.Struct("<I")
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(tuple[str, str, str, datetime, datetime, dict[str, Value]])


@dataclass(frozen=True, slots=True)
class Scanned:
    """What could be read, in order; `damaged` stretches (each of one or more records) of `lost_bytes` could not."""

    readings: list[Reading]
    damaged: int
    lost_bytes: int


def encode(readings: Iterable[Reading]) -> bytes:
    """The records of readings, in order.

    Raises:
        StorageError: a reading cannot be encoded, or is longer than MAX_PAYLOAD_BYTES; names its device.
    """
    parts: list[bytes] = []
    for reading in readings:
        fields = (
            reading.device_id,
            reading.device_type,
            reading.municipality,
            reading.observed_at,
            reading.received_at,
            reading.values,
        )
        try:
            payload = _ENCODER.encode(fields)
        except (TypeError, ValueError, OverflowError) as error:
            raise StorageError(f"a reading of device {reading.device_id!a} cannot be spooled: {error}") from error
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise StorageError(f"a reading of device {reading.device_id!a} cannot be spooled: {len(payload)} bytes")
        length = _LENGTH.pack(len(payload))
        parts += (MARKER, _LENGTH.pack(zlib.crc32(payload, zlib.crc32(length))), length, payload)
    return b"".join(parts)


def scan(data: bytes) -> Scanned:
    """Read all records that are whole, whatever else the bytes hold. Never raises for any content."""
    readings: list[Reading] = []
    damaged = lost_bytes = 0
    position = good_until = 0
    view = memoryview(data)
    while position < len(data):
        end = _end_of_record(view, position)
        reading = None if end is None else _decode(view[position + _HEADER.size : end])
        if reading is not None and end is not None:
            if position > good_until:
                damaged += 1
                lost_bytes += position - good_until
            readings.append(reading)
            position = good_until = end
        else:
            following = data.find(MARKER, position + 1)
            position = len(data) if following < 0 else following
    if good_until < len(data):
        damaged += 1
        lost_bytes += len(data) - good_until
    return Scanned(readings, damaged, lost_bytes)


def _end_of_record(view: memoryview, position: int) -> int | None:
    if len(view) - position < _HEADER.size:
        return None
    marker, checksum, length = _HEADER.unpack_from(view, position)
    end = position + _HEADER.size + int(length)
    if marker != MARKER or length > MAX_PAYLOAD_BYTES or end > len(view):
        return None
    return end if zlib.crc32(view[position + _CHECKED_FROM : end]) == checksum else None


def _decode(payload: memoryview) -> Reading | None:
    try:
        return Reading(*_DECODER.decode(payload))
    except (msgspec.DecodeError, ValueError, OverflowError):  # checked, but not of this format
        return None
