"""Commands: what the platform tells a device, and what became of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CommandState(StrEnum):
    """What became of a command."""

    SENT = "sent"
    DONE = "done"
    REJECTED = "rejected"
    EXPIRED = "expired"


class Reason(StrEnum):
    """Why a lamp is told a level, highest priority first."""

    OVERRIDE = "override"
    PRESENCE = "presence"
    SCHEDULE = "schedule"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLight:
    """The command `set_light`: level 0-1, fade in seconds, hold in seconds (None: until told otherwise)."""

    command_id: str
    dim_level: float
    fade_s: float
    hold_s: float | None
    reason: Reason
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SetProfile:
    """The command `set_profile`: from when a lamp is to show which level (0-1), ascending, for one night.

    From the first instant until `valid_until`; before and after, the lamp's own schedule rules.
    """

    command_id: str
    settings: tuple[tuple[datetime, float], ...]
    valid_until: datetime
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command with its device and its fate, as the registry keeps it."""

    command_id: str
    device_id: str
    device_type: str
    municipality: str
    name: str
    dim_level: float
    fade_s: float
    hold_s: float | None
    reason: Reason
    state: CommandState
    detail: str = ""
    issued_at: datetime
    expires_at: datetime
    answered_at: datetime | None = None
