"""An override for many lamps, seen before it is sent: which lamps, which level, until when, and who is left out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core.device import DeviceStatus
from core.errors import InvalidInputError
from lights.lamp import Lamp
from lights.wanted import Effects, Override, wanted_level

FOLLOWS_PROFILE: Final = "follows the profile that it was sent, it takes no level at once"
_NOT_IN_SERVICE: Final = {
    DeviceStatus.DISCOVERED: "is discovered, nobody has adopted it",
    DeviceStatus.RETIRED: "is retired",
    DeviceStatus.MAINTENANCE: "is under maintenance: somebody may be working on it",
}


@dataclass(frozen=True, slots=True)
class LampOverride:
    """The level (0-1) that a lamp would be told, and until when (None: until told otherwise).

    It is not the one asked for where the lamp is not permitted to show that.
    """

    device_id: str
    dim_level: float
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A lamp that would be left out, and why."""

    device_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class GroupOverride:
    """What an override of a group would do; lamps by id."""

    overrides: tuple[LampOverride, ...]
    refused: tuple[Refusal, ...]


def plan_override(lamps: Iterable[Lamp], dim_level: float, until: datetime | None, now: datetime) -> GroupOverride:
    """What overriding lamps with a level (0-1) until an instant would do; nothing is sent.

    Raises:
        InvalidInputError: the level is outside 0 to 1, or the instant is not to come.
    """
    if not 0 <= dim_level <= 1:
        raise InvalidInputError(f"dim_level {dim_level:g} is outside 0 to 1")
    if until is not None and until <= now:
        raise InvalidInputError(f"until {until.isoformat()} is over")
    overrides: list[LampOverride] = []
    refused: list[Refusal] = []
    for lamp in sorted(lamps, key=lambda lamp: lamp.device.device_id):
        device = lamp.device
        reason = refusal(lamp)
        if reason is not None:
            refused.append(Refusal(device.device_id, reason))
            continue
        effects = Effects(
            Override(dim_level, 0.0, until), None, None if lamp.schedule is None else lamp.schedule.at(now)
        )
        overrides.append(LampOverride(device.device_id, wanted_level(lamp, effects, now).dim_level, until))
    return GroupOverride(tuple(overrides), tuple(refused))


def refusal(lamp: Lamp) -> str | None:
    """Why a lamp cannot be overridden together with others; None: it can."""
    if not lamp.is_live:
        return FOLLOWS_PROFILE
    return _NOT_IN_SERVICE.get(lamp.device.status)
