"""Which level a lamp is to show, and why: override before presence before schedule before fallback; a pure function."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core.command import Reason
from lights.lamp import Lamp, ScheduledLevel

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

    An override counts until it expires. Presence only ever raises, and only while the schedule lets the lamp burn (or
    none is known): nobody needs light by day. While it burns no effect goes below what the lighting class permits.
    `until` is the instant at which this may change by itself.
    """
    scheduled = effects.schedule
    burns = scheduled is None or scheduled.dim_level > 0
    next_step = None if scheduled is None else scheduled.until
    override, lit = effects.override, effects.presence
    if override is not None and (override.until is None or now < override.until):
        level = lamp.permitted(override.dim_level) if burns else override.dim_level
        return WantedLevel(level, override.fade_s, Reason.OVERRIDE, override.until)
    if lit is not None and lamp.presence is not None and burns and lit.since <= now < lit.until:
        level = lamp.permitted(lamp.presence.dim_level)
        if scheduled is None or level > scheduled.dim_level:
            until = lit.until if next_step is None else min(lit.until, next_step)
            return WantedLevel(level, lamp.presence.fade_s, Reason.PRESENCE, until)
    if scheduled is not None:
        level = lamp.permitted(scheduled.dim_level) if burns else 0.0
        return WantedLevel(level, scheduled.fade_s, Reason.SCHEDULE, next_step)
    fade_s = FALLBACK_FADE_S if lamp.presence is None else lamp.presence.fade_s
    return WantedLevel(lamp.permitted(lamp.fallback_level), fade_s, Reason.FALLBACK, None)
