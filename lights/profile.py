"""Lighting profiles: which level a lamp shows when, by kind of night, and how it answers presence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from typing import Final

from lights.calendar import NightKind
from lights.sun import SunEvent

FULL: Final = 1.0
DEFAULT_FADE_S: Final = 1.0
"""No fade times for outdoor use are published; this is what presence commands have used so far."""


@dataclass(frozen=True, slots=True)
class SunTime:
    """An instant of the night relative to the sun; offset in minutes, negative: before."""

    event: SunEvent
    offset_min: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """From when on a lamp shows which level (0-1; 0: off), until the next step; fade in seconds.

    A step `by_day` holds whatever the sun does; others only between the profile's switching on and off.
    """

    at: time | SunTime
    dim_level: float
    fade_s: float = DEFAULT_FADE_S
    by_day: bool = False


@dataclass(frozen=True, slots=True)
class NightPlan:
    """The level from switching on, and the steps of the night."""

    dim_level: float = FULL
    fade_s: float = DEFAULT_FADE_S
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceResponse:
    """How lamps of a profile answer presence: levels 0-1, times in seconds.

    `standby_dim_level` is what the profile's steps mean by standby: the level while nobody is there.
    """

    dim_level: float
    standby_dim_level: float
    hold_s: float
    fade_s: float
    lamps_ahead: int


def _full_light() -> Mapping[NightKind, NightPlan]:
    return dict.fromkeys(NightKind, NightPlan())


@dataclass(frozen=True, slots=True, kw_only=True)
class LightingProfile:
    """A lighting profile; `nights` has a plan for every kind of night. Titles in English and German."""

    name: str
    title: str = ""
    title_de: str = ""
    source: str = ""
    on: SunTime = SunTime(SunEvent.CIVIL_DUSK)
    off: SunTime = SunTime(SunEvent.CIVIL_DAWN)
    nights: Mapping[NightKind, NightPlan] = field(default_factory=_full_light)
    presence: PresenceResponse | None = None


def standby_profile(presence: PresenceResponse) -> LightingProfile:
    """The profile where nothing else is said: standby from dusk to dawn, raised by presence."""
    plan = NightPlan(dim_level=presence.standby_dim_level, fade_s=presence.fade_s)
    nights = dict.fromkeys(NightKind, plan) | {NightKind.EVENT: NightPlan(fade_s=presence.fade_s)}
    return LightingProfile(
        name="default",
        title="Standby, raised by presence",
        title_de="Grundlicht, heller bei Anwesenheit",
        nights=nights,
        presence=presence,
    )
