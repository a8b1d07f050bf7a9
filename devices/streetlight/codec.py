"""Bytes to meaning and back for native streetlights (INTERFACES section 1; `set_profile`: docs/streetlights.md)."""

from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Final

import msgspec

from core.clock import format_rfc3339, parse_rfc3339
from core.command import Reason, SetLight, SetProfile
from core.device import Attribute
from core.errors import PayloadError
from devices.base import BOTH_TYPES, Decoded, decode_json, parse_object

QUANTITIES: Final = (
    "presence",
    "presence_count",
    "dim_level",
    "power_state",
    "active_power_w",
    "voltage_v",
    "current_a",
    "power_factor",
    "active_energy_kwh",
    "operating_hours_h",
    "switch_on_count",
    "temperature_c",
    "illuminance_lx",
    "faults",
)
_ALL = frozenset((*QUANTITIES, *BOTH_TYPES))
_written: Final = lru_cache(maxsize=64)(format_rfc3339)
"""The lamps of one presence are told the same instants."""
_encode: Final = msgspec.json.Encoder().encode
MAX_DETAIL = 200
MAX_SETTINGS: Final = 32
"""Settings of one night in `set_profile`."""


def decode(payload: bytes, attributes: Mapping[str, Attribute]) -> Decoded:  # noqa: ARG001 - the codec's signature
    """What a streetlight's `event/up` says.

    Raises:
        PayloadError: the message cannot be used.
    """
    return decode_json(payload, _ALL)


def may_say_presence(payload: bytes) -> bool:
    """Whether a payload can say `presence`; certainly not without the name, however its letters are escaped."""
    return b'"presence"' in payload or b"\\" in payload


def may_say_level(payload: bytes) -> bool:
    """The same for `dim_level`."""
    return b'"dim_level"' in payload or b"\\" in payload


def encode_set_light(command: SetLight) -> bytes:
    """The payload of `command/set_light`."""
    return _encode(
        {
            "command_id": command.command_id,
            "dim_level": command.dim_level,
            "fade_s": command.fade_s,
            "hold_s": command.hold_s,
            "reason": command.reason.value,
            "issued_at": _written(command.issued_at),
            "expires_at": _written(command.expires_at),
        }
    )


def decode_set_light(payload: bytes) -> SetLight:
    """What `encode_set_light` wrote, as a lamp reads it.

    Raises:
        PayloadError: a key is missing or wrong.
    """
    message = parse_object(payload)
    try:
        hold_s = message["hold_s"]
        command = SetLight(
            command_id=str(message["command_id"]),
            dim_level=float(message["dim_level"]),
            fade_s=float(message["fade_s"]),
            hold_s=None if hold_s is None else float(hold_s),
            reason=Reason(message["reason"]),
            issued_at=parse_rfc3339(message["issued_at"]),
            expires_at=parse_rfc3339(message["expires_at"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise PayloadError(f"set_light: missing or wrong: {ascii(str(error))[:MAX_DETAIL]}") from error
    if not 0 <= command.dim_level <= 1:
        raise PayloadError(f"set_light: dim_level {command.dim_level:g} is outside 0 to 1")
    return command


def encode_set_profile(command: SetProfile) -> bytes:
    """The payload of `command/set_profile`."""
    return _encode(
        {
            "command_id": command.command_id,
            "settings": [{"at": _written(at), "dim_level": dim_level} for at, dim_level in command.settings],
            "valid_until": _written(command.valid_until),
            "issued_at": _written(command.issued_at),
            "expires_at": _written(command.expires_at),
        }
    )


def decode_set_profile(payload: bytes) -> SetProfile:
    """What `encode_set_profile` wrote, as a lamp reads it.

    Raises:
        PayloadError: a key is missing or wrong, the settings are none, too many or not in order.
    """
    message = parse_object(payload)
    try:
        command = SetProfile(
            command_id=str(message["command_id"]),
            settings=tuple((parse_rfc3339(each["at"]), float(each["dim_level"])) for each in message["settings"]),
            valid_until=parse_rfc3339(message["valid_until"]),
            issued_at=parse_rfc3339(message["issued_at"]),
            expires_at=parse_rfc3339(message["expires_at"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise PayloadError(f"set_profile: missing or wrong: {ascii(str(error))[:MAX_DETAIL]}") from error
    if not 1 <= len(command.settings) <= MAX_SETTINGS:
        raise PayloadError(f"set_profile: {len(command.settings)} settings, expected 1 to {MAX_SETTINGS}")
    instants = [*(at for at, _ in command.settings), command.valid_until]
    if any(later <= at for at, later in pairwise(instants)):
        raise PayloadError("set_profile: the settings are not in ascending order before valid_until")
    for _, dim_level in command.settings:
        if not 0 <= dim_level <= 1:
            raise PayloadError(f"set_profile: dim_level {dim_level:g} is outside 0 to 1")
    return command
