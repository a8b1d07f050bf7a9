"""Lighting profiles, event nights, groups of lamps and their nights as the API takes and gives them."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from actions.lights.preview_profile import ProfilePreview
from api.schemas.command import Duration, FadeTime
from api.schemas.fields import Body, Day, DeviceId, Line, Share, Shown, Slug, TimeOut
from core.command import Command
from core.lighting import LIGHTING_NAME_PATTERN, LightGroup
from lights.calendar import NightKind
from lights.catalogue import ProfileEntry
from lights.groups import GroupOverride
from lights.sun import SunEvent, SunNight

MAX_MEMBERS = 10_000
MAX_EVENT_NIGHTS = 366

LightingName = Annotated[
    str, StringConstraints(pattern=f"^{LIGHTING_NAME_PATTERN}$"), Field(examples=["reduced_at_night"])
]


class ProfileShown(Shown):
    """A lighting profile by which lamps of a municipality may be driven."""

    municipality: Slug
    name: LightingName
    shipped: bool = Field(description="it comes with the platform, and the municipality has none of this name")
    profile: ProfileEntry


class Event(Body):
    """Nights with full light, by the local dates on which they begin."""

    first: Day
    last: Day = Field(description="at most a year after `first`")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not 0 <= (self.last - self.first).days < MAX_EVENT_NIGHTS:
            raise ValueError(f"last: expected from first to {MAX_EVENT_NIGHTS - 1} days later")
        return self


class EventShown(Shown):
    """Nights with full light of a municipality."""

    municipality: Slug
    name: LightingName
    first: dt.date
    last: dt.date


class GroupMembers(Body):
    """A group of lamps: those named, and those of the street, the circuit, or both at once."""

    name: Line = Field(examples=["Lahnufer"])
    lighting_profile: LightingName | None = Field(
        None, description="what its lamps follow whose own attribute names no profile; null: the municipality's"
    )
    device_ids: Annotated[list[DeviceId], Field(max_length=MAX_MEMBERS)] = Field([])
    street: Annotated[Line, Field(min_length=1)] | None = None
    circuit: Annotated[Line, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not self.device_ids and self.street is None and self.circuit is None:
            raise ValueError("expected device_ids, street or circuit")
        return self

    def group(self, light_group_id: str, municipality: str) -> LightGroup:
        """The group with these members."""
        of_group = self.model_dump() | {"light_group_id": light_group_id, "municipality": municipality}
        return LightGroup(**(of_group | {"device_ids": frozenset(self.device_ids)}))


class NewGroup(GroupMembers):
    """A group to be made."""

    municipality: Slug


class GroupShown(Shown):
    """A group of lamps."""

    light_group_id: str
    municipality: Slug
    name: str
    lighting_profile: LightingName | None
    device_ids: Annotated[list[DeviceId], BeforeValidator(sorted)] = Field(
        description="those named; what `street` and `circuit` find is not listed"
    )
    street: str | None
    circuit: str | None


class NewOverride(Body):
    """An override of all lamps of a group."""

    dim_level: Share = Field(description="wanted level, share of full light", examples=[0.5])
    duration_s: Duration | None = Field(
        None, description="how long it holds, in seconds; null: until told otherwise", examples=[600]
    )
    fade_s: FadeTime | None = Field(
        None, description="fade time in seconds; missing: as `KREISPULS_PRESENCE_FADE_S` says", examples=[1]
    )
    dry_run: bool = Field(False, description="only say what it would do")


class LampOverrideShown(Shown):
    """What a lamp is told; `dim_level` is more than asked for where its lighting class wants more."""

    device_id: DeviceId
    dim_level: float
    until: TimeOut | None = Field(description="null: until told otherwise")
    command_id: str | None = Field(None, description="its command; null in a dry run")


class RefusalShown(Shown):
    """A lamp that is left out, and why."""

    device_id: DeviceId
    reason: str = Field(examples=["is retired"])


class OverrideShown(Shown):
    """What an override of a group does, or would do; lamps by id."""

    light_group_id: str
    dry_run: bool
    lamps: list[LampOverrideShown]
    refused: list[RefusalShown]


class LevelShown(Shown):
    """A level of the night, from `since` until just before `until`."""

    since: TimeOut
    until: TimeOut
    dim_level: float = Field(description="share of full light", examples=[0.5])
    fade_s: float
    lit: bool = Field(description="false: off because it is day")


class StepShown(LevelShown):
    """A level of a profile that is not saved yet, and what it would do."""

    lamps_off_in_the_dark: int = Field(description="lamps that would be off though it is dark")
    lamps_brighter: int = Field(description="lamps that may not go so low, by class or `minimum_dim_level`")


class SunShown(Shown):
    """The sun of a night; null: it stays above (or below) that height all night, or the place is not known."""

    sunset: TimeOut | None
    civil_dusk: TimeOut | None
    civil_dawn: TimeOut | None
    sunrise: TimeOut | None


class PresenceShown(Shown):
    """How the lamps answer presence."""

    dim_level: float
    standby_dim_level: float
    hold_s: float
    fade_s: float
    lamps_ahead: int


class NightShown(Shown):
    """What the schedule of a group gives in the night that begins on a date, from solar noon to solar noon."""

    light_group_id: str
    date: dt.date
    kind: NightKind
    lighting_profile: str = Field(description="of the group, else of its municipality, else the default")
    presence: PresenceShown | None
    sun: SunShown
    levels: list[LevelShown]
    lamps: int = Field(description="how many lamps belong to the group now")
    lamps_with_another_profile: int = Field(description="of these: follow another profile, by attribute or group")


class ProfilePreviewShown(Shown):
    """What a profile would do in the night that begins on a date; nothing is kept or sent."""

    date: dt.date
    kind: NightKind
    sun: SunShown
    levels: list[StepShown]
    lamps: int = Field(description="how many lamps would follow it")
    warnings: list[str] = Field(
        description="what is hardly meant", examples=[["05:00 to 07:12: 41 of 120 lamps are off though it is dark"]]
    )


def show_preview(preview: ProfilePreview, night: dt.date, zone: ZoneInfo) -> ProfilePreviewShown:
    """A preview as the API gives it."""
    return ProfilePreviewShown(
        date=night,
        kind=preview.schedule.calendar.kind(night),
        sun=show_sun(preview.schedule.sun(night)),
        levels=[
            StepShown(
                **LevelShown.model_validate(step.level).model_dump(),
                lamps_off_in_the_dark=step.lamps_off_in_the_dark,
                lamps_brighter=step.lamps_brighter,
            )
            for step in preview.steps
        ],
        lamps=preview.lamps,
        warnings=[
            f"{step.level.since.astimezone(zone):%H:%M} to {step.level.until.astimezone(zone):%H:%M}: "
            f"{step.lamps_off_in_the_dark} of {preview.lamps} lamps are off though it is dark"
            for step in preview.steps
            if step.lamps_off_in_the_dark
        ],
    )


def show_override(
    light_group_id: str, override: GroupOverride, commands: Sequence[Command], *, dry_run: bool
) -> OverrideShown:
    """What an override of a group does as the API gives it."""
    ids = {command.device_id: command.command_id for command in commands}
    return OverrideShown(
        light_group_id=light_group_id,
        dry_run=dry_run,
        lamps=[LampOverrideShown(**asdict(lamp), command_id=ids.get(lamp.device_id)) for lamp in override.overrides],
        refused=[RefusalShown.model_validate(lamp) for lamp in override.refused],
    )


def show_sun(sun: SunNight | None) -> SunShown:
    """The sun as the API gives it."""
    found = {} if sun is None else {event.value: sun.event(event) for event in SunEvent}
    return SunShown(
        **{
            event.value: instant if isinstance(instant := found.get(event.value), dt.datetime) else None
            for event in SunEvent
        }
    )
