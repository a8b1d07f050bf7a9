"""What a device type is, and the JSON form that all native devices share (INTERFACES section 1)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, NoReturn

import msgspec

from core.clock import format_rfc3339, from_epoch_ms, parse_rfc3339
from core.device import Attribute
from core.errors import PayloadError
from core.quantity import CATALOGUE, Kind, Quantity, Value, split_faults

MAX_PAYLOAD_BYTES: Final = 65_536
BOTH_TYPES: Final = ("battery_level", "battery_v", "rssi_dbm", "snr_db")
"""Quantities that every device type may send."""
_decode: Final = msgspec.json.Decoder().decode
_META: Final = frozenset({"observed_at", "seq"})


@dataclass(frozen=True, slots=True)
class RejectedValue:
    """A value that a message had to do without, and why."""

    quantity: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a codec found in a payload. `observed_at` None: the device did not say."""

    values: Mapping[str, Value]
    observed_at: datetime | None = None
    seq: int | None = None
    rejected: tuple[RejectedValue, ...] = ()
    unknown_keys: int = 0


Decode = Callable[[bytes, Mapping[str, Attribute]], Decoded]
"""Payload and the device's attributes to what it says; raises PayloadError and nothing else."""


def _never(_payload: bytes) -> bool:
    return False


CheckAttributes = Callable[[Mapping[str, Attribute]], None]
"""Raises InvalidInputError, naming the attribute, where the platform could not act on a device's attributes."""


def accept_attributes(attributes: Mapping[str, Attribute]) -> None:
    """Any attributes will do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceType:
    """A kind of device: a row in no list, found as `DEVICE_TYPE` in its folder."""

    name: str
    title: str
    title_de: str
    quantities: tuple[str, ...]
    decode: Decode
    commands: tuple[str, ...] = ()
    may_say_presence: Callable[[bytes], bool] = _never
    """Whether a payload has to be decoded to know if it says `presence`: quick, and never wrong where it denies."""
    may_say_level: Callable[[bytes], bool] = _never
    """The same for `dim_level`."""
    check_attributes: CheckAttributes = accept_attributes

    def quantity(self, name: str) -> Quantity:
        """The catalogue's entry of one of this type's quantities."""
        return CATALOGUE[name]


def decode_json(payload: bytes, quantities: frozenset[str]) -> Decoded:
    """Decode an `event/up` object: known keys are checked one by one, unknown ones are counted.

    Raises:
        PayloadError: not a JSON object in UTF-8 of at most 64 KiB, with a duplicate key or a non-finite number, with
            a wrong `observed_at`, or without any usable value.
    """
    message = parse_object(payload)
    observed_at = _observed_at(message["observed_at"]) if message.get("observed_at") is not None else None
    values: dict[str, Value] = {}
    rejected: list[RejectedValue] = []
    unknown = 0
    checks = _checks(quantities)
    for key, raw in message.items():
        check = checks.get(key)
        if check is not None:
            try:
                values[key] = check(raw)
            except ValueError as error:
                rejected.append(RejectedValue(key, str(error)))
        elif key not in _META:
            unknown += 1
    seq = message.get("seq")
    if seq is not None and (isinstance(seq, bool) or not isinstance(seq, int)):
        rejected.append(RejectedValue("seq", "expected an integer"))
        seq = None
    if not values:
        reasons = "; ".join(f"{value.quantity}: {value.reason}" for value in rejected)
        raise PayloadError(reasons or "no known quantity in the message")
    return Decoded(values, observed_at, seq, tuple(rejected), unknown)


@cache
def _checks(quantities: frozenset[str]) -> dict[str, Callable[[object], Value]]:
    return {name: CATALOGUE[name].compiled() for name in quantities}


def parse_object(payload: bytes) -> dict[str, Any]:
    """Read a JSON object in UTF-8, strictly: at most 64 KiB, no duplicate keys, no NaN or Infinity.

    Raises:
        PayloadError: it is not one.
    """
    message = parse_usual_object(payload)
    return parse_any_object(payload) if message is None else message


def parse_usual_object(payload: bytes) -> dict[str, Any] | None:
    """What `parse_any_object` says, several times as fast; None where this is not certain, as for all that is refused.

    The decoder is as strict as we are but for duplicate keys. Those are found by counting colons: without nested
    objects and escapes, an object has as many as it has keys, and those inside its strings.
    """
    if len(payload) > MAX_PAYLOAD_BYTES or b"\\" in payload or payload.count(b"{") != 1:
        return None
    try:
        message = _decode(payload)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    if type(message) is not dict:
        return None
    inside = payload.count(b":") - len(message)
    if inside:
        for key, value in message.items():
            inside -= key.count(":")
            if type(value) is str:
                inside -= value.count(":")
    return message if inside == 0 else None


def parse_any_object(payload: bytes) -> dict[str, Any]:
    """`parse_object` for every payload; it alone judges what is refused.

    Raises:
        PayloadError: it is no such object.
    """
    if not payload:
        raise PayloadError("empty payload")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadError(f"payload of {len(payload)} bytes is larger than {MAX_PAYLOAD_BYTES}")
    try:
        message = json.loads(payload.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise PayloadError(f"not UTF-8: {error.reason} at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise PayloadError(f"not JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise PayloadError("not usable JSON: nested too deep") from error
    except ValueError as error:  # an integer of thousands of digits
        raise PayloadError("not usable JSON: number too long") from error
    if not isinstance(message, dict):
        raise PayloadError("expected a JSON object")
    return message


def encode_json(values: Mapping[str, Value], *, observed_at: datetime | None = None, seq: int | None = None) -> bytes:
    """Write what `decode_json` reads: an `event/up` payload as a device would send it."""
    message: dict[str, object] = {}
    if observed_at is not None:
        message["observed_at"] = format_rfc3339(observed_at)
    if seq is not None:
        message["seq"] = seq
    for name, value in values.items():
        is_faults = name in CATALOGUE and CATALOGUE[name].kind is Kind.FAULTS
        message[name] = split_faults(str(value)) if is_faults else value
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    message = dict(pairs)
    if len(message) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise PayloadError(f"duplicate key {ascii(key)[:80]}")
            seen.add(key)
    return message


def _refuse_constant(name: str) -> NoReturn:
    raise PayloadError(f"{name} is not JSON")


def _observed_at(raw: object) -> datetime:
    try:
        if isinstance(raw, str):
            return parse_rfc3339(raw)
        if isinstance(raw, int) and not isinstance(raw, bool):
            return from_epoch_ms(raw)
    except ValueError as error:
        raise PayloadError(f"observed_at: {error}") from error
    raise PayloadError("observed_at: expected RFC 3339 with zone or epoch milliseconds")
