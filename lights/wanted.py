"""Which level a lamp is to show, and why: override before presence before schedule before fallback; a pure function."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core.command import Reason
from lights.lamp import Lamp
from lights.profile import FULL
from lights.schedule import ScheduledLevel

FALLBACK_FADE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Override:
    """An operator's level (0-1, fade in seconds), until an instant (None: until told otherwise)."""

    dim_level: float
    fade_s: float
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Lit:
    """When presence lights a lamp: from an instant, which may be to come, until another."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Effects:
    """Everything that has a say in what one lamp shows."""

    override: Override | None = None
    presence: Lit | None = None
    schedule: ScheduledLevel | None = None


@dataclass(frozen=True, slots=True)
class WantedLevel:
    """The level a lamp is to show (0-1, fade in seconds), its reason, and until when that holds (None: until told)."""

    dim_level: float
    fade_s: float
    reason: Reason
    until: datetime | None


def wanted_level(lamp: Lamp, effects: Effects, now: datetime) -> WantedLevel:
    """What a lamp is to show at an instant.

    An override counts until it expires. Presence only ever raises, and only while the schedule wants light (or none is
    known): nobody needs it by day. No effect goes below what the lamp is permitted to show. `until` is the instant at
    which this may change by itself.
    """
    scheduled, override, lit = effects.schedule, effects.override, effects.presence
    dark = scheduled is None or scheduled.lit
    if override is not None and (override.until is None or now < override.until):
        level = lamp.permitted(override.dim_level, dark=dark)
        return WantedLevel(level, override.fade_s, Reason.OVERRIDE, override.until)
    told = None if scheduled is not None and _is_left_to(lamp, scheduled) else scheduled
    least = 0.0 if told is None else lamp.permitted(told.dim_level, dark=dark)
    if lit is not None and lamp.presence is not None and dark and lit.since <= now < lit.until:
        level = lamp.permitted(lamp.presence.dim_level, dark=dark)
        if level > least:
            lit_until = lit.until if scheduled is None else min(lit.until, scheduled.until)
            return WantedLevel(level, lamp.presence.fade_s, Reason.PRESENCE, lit_until)
    if told is not None:
        return WantedLevel(least, told.fade_s, Reason.SCHEDULE, told.until)
    until = None if scheduled is None else scheduled.until
    if lamp.presence is None:
        return WantedLevel(FULL, FALLBACK_FADE_S, Reason.FALLBACK, until)
    level = lamp.permitted(lamp.presence.standby_dim_level if dark else 0.0, dark=dark)
    return WantedLevel(level, lamp.presence.fade_s, Reason.FALLBACK, until)


def _is_left_to(lamp: Lamp, scheduled: ScheduledLevel) -> bool:
    """Whether a lamp's own schedule is good enough: nobody gave it another, and no more than standby is wanted."""
    standby = 0.0 if lamp.presence is None else lamp.presence.standby_dim_level
    return lamp.follows_own and (not scheduled.lit or scheduled.dim_level <= standby)
