"""Reads lighting profiles: those that ship (`lights/profiles.toml`) and those of municipalities (JSON)."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import time
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from core.errors import InvalidInputError, SettingsError
from core.lighting import LIGHTING_NAME_PATTERN
from lights.calendar import WEEK, NightKind
from lights.profile import DEFAULT_FADE_S, FULL, LightingProfile, NightPlan, PresenceResponse, Step, SunTime
from lights.sun import SunEvent

SHIPPED: Final = "lights/profiles.toml"
MAX_STEPS: Final = 16
_is_name = re.compile(LIGHTING_NAME_PATTERN, re.ASCII).fullmatch

_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Fade = Annotated[float, Field(ge=0, le=90.5, allow_inf_nan=False, description="seconds; DALI knows up to 90.5")]
_Offset = Annotated[int, Field(ge=-360, le=360, description="minutes after the sun's event, negative: before it")]
_Line = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
_AT: Final = "([01][0-9]|2[0-3]):[0-5][0-9]|" + "|".join(SunEvent)
_Day = Literal[
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
    "weekday", "weekend", "every_day", "holiday", "event",
]  # fmt: skip
_DAYS: Final[Mapping[str, Sequence[NightKind]]] = {
    **{kind.value: (kind,) for kind in NightKind},
    "weekday": WEEK[:5],
    "weekend": WEEK[5:],
    "every_day": WEEK,
}


def _at(text: str) -> str:
    if re.fullmatch(_AT, text, re.ASCII) is None:
        raise ValueError(f"expected a local time such as 22:00, or one of {', '.join(SunEvent)}")
    return text


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class OnEntry(_Entry):
    """When the light goes on."""

    at: Literal["sunset", "civil_dusk"] = "civil_dusk"
    offset_min: _Offset = 0


class OffEntry(_Entry):
    """When the light goes off."""

    at: Literal["civil_dawn", "sunrise"] = "civil_dawn"
    offset_min: _Offset = 0


class StepEntry(_Entry):
    """From when on which level is shown."""

    at: Annotated[str, AfterValidator(_at), WithJsonSchema({"type": "string", "pattern": f"^({_AT})$"})] = Field(
        description="local time, or an event of the sun", examples=["22:00"]
    )
    offset_min: _Offset = 0
    dim_level: _Share | None = Field(None, description="share of full light, 0: off; missing: standby", examples=[0.5])
    fade_s: _Fade = DEFAULT_FADE_S
    by_day: bool = Field(default=False, description="holds whatever the sun does, until the next step")

    @model_validator(mode="after")
    def _offset_from_the_sun(self) -> Self:
        if self.offset_min and ":" in self.at:
            raise ValueError("offset_min goes with an event of the sun, not with a local time")
        return self


class NightEntry(_Entry):
    """The plan of some kinds of nights. A night belongs to the date on which it begins."""

    days: Annotated[list[_Day], Field(min_length=1, max_length=9)] = Field(examples=[["weekday"]])
    dim_level: _Share | None = Field(None, description="level from switching on; missing: standby, or full light")
    fade_s: _Fade = DEFAULT_FADE_S
    steps: Annotated[list[StepEntry], Field(max_length=MAX_STEPS)] = Field([], description="in the order of the night")

    @model_validator(mode="after")
    def _one_step_at_a_time(self) -> Self:
        times = [(step.at, step.offset_min) for step in self.steps]
        for at, offset in times:
            if times.count((at, offset)) > 1:
                raise ValueError(f"two steps at {at}{f' {offset:+d} min' if offset else ''}")
        return self


class PresenceEntry(_Entry):
    """How lamps answer presence."""

    standby_dim_level: _Share = Field(description="level while nobody is there", examples=[0.2])
    dim_level: _Share = Field(description="level while somebody is there", examples=[0.8])
    hold_s: Annotated[float, Field(ge=5, le=1200, allow_inf_nan=False)] = 60.0
    fade_s: _Fade = DEFAULT_FADE_S
    lamps_ahead: Annotated[int, Field(ge=0, le=10)] = 2


class ProfileEntry(_Entry):
    """A lighting profile as files and the API have it."""

    title: _Line = Field("", examples=["100 % until 22:00, 50 % until 05:00"])
    title_de: _Line = ""
    source: _Line = Field("", description="where the values come from")
    on: OnEntry = OnEntry()
    off: OffEntry = OffEntry()
    nights: Annotated[list[NightEntry], Field(min_length=1, max_length=9)] = Field(
        description="every weekday once; `holiday` missing: as sunday; `event` missing: full light"
    )
    presence: PresenceEntry | None = None

    @model_validator(mode="after")
    def _every_weekday_once(self) -> Self:
        kinds = [kind for night in self.nights for day in night.days for kind in _DAYS[day]]
        for kind in NightKind:
            if kinds.count(kind) > 1:
                raise ValueError(f"nights: {kind} has more than one plan")
            if kind in WEEK and kind not in kinds:
                raise ValueError(f"nights: {kind} has no plan")
        return self

    @model_validator(mode="after")
    def _standby_needs_presence(self) -> Self:
        for number, night in enumerate(self.nights, start=1):
            for place, step in enumerate(night.steps, start=1):
                if step.dim_level is None and self.presence is None:
                    raise ValueError(f"nights {number}: steps {place}: dim_level is missing, and there is no presence")
        return self


def parse_entry(name: str, data: object, where: str) -> ProfileEntry:
    """The checked entry of what TOML or JSON holds of a profile without its name; `where` is said in errors.

    Raises:
        InvalidInputError: it is wrong; names profile, night, step and key.
    """
    if not _is_name(name):
        raise InvalidInputError(f"{where}: profile {ascii(name)[:80]}: a name is 1-64 of a-z 0-9 _ -, a letter first")
    try:
        return ProfileEntry.model_validate(data)
    except ValidationError as error:
        details = "; ".join(_sentence(dict(detail)) for detail in error.errors()[:10])
        raise InvalidInputError(f"{where}: profile {name}: {details}") from error


def _sentence(detail: dict[str, Any]) -> str:
    place = "".join(f" {part + 1}" if isinstance(part, int) else f": {part}" for part in detail["loc"])[2:]
    message = str(detail["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def profile_of(name: str, entry: ProfileEntry) -> LightingProfile:
    """The profile that a checked entry describes."""
    presence = None if entry.presence is None else PresenceResponse(**entry.presence.model_dump())
    standby = FULL if presence is None else presence.standby_dim_level
    nights: dict[NightKind, NightPlan] = {}
    for night in entry.nights:
        plan = NightPlan(
            dim_level=standby if night.dim_level is None else night.dim_level,
            fade_s=night.fade_s,
            steps=tuple(_step(step, standby) for step in night.steps),
        )
        nights |= {kind: plan for day in night.days for kind in _DAYS[day]}
    nights.setdefault(NightKind.HOLIDAY, nights[NightKind.SUNDAY])
    nights.setdefault(NightKind.EVENT, NightPlan())
    return LightingProfile(
        name=name,
        title=entry.title,
        title_de=entry.title_de,
        source=entry.source,
        on=SunTime(SunEvent(entry.on.at), entry.on.offset_min),
        off=SunTime(SunEvent(entry.off.at), entry.off.offset_min),
        nights=nights,
        presence=presence,
    )


def _step(entry: StepEntry, standby: float) -> Step:
    return Step(
        at=time.fromisoformat(entry.at) if ":" in entry.at else SunTime(SunEvent(entry.at), entry.offset_min),
        dim_level=standby if entry.dim_level is None else entry.dim_level,
        fade_s=entry.fade_s,
        by_day=entry.by_day,
    )


def parse_profile_file(text: str, file: str) -> dict[str, ProfileEntry]:
    """The entries of a TOML file of `[[profile]]` tables by name, each of them good for `profile_of`.

    Raises:
        SettingsError: it is wrong; names file, profile, night, step and key.
    """
    try:
        tables = tomllib.loads(text).get("profile", [])
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: {error}") from error
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise SettingsError(f"{file}: expected [[profile]] tables")
    entries: dict[str, ProfileEntry] = {}
    for table in tables:
        name = str(table.pop("name", ""))
        if name in entries:
            raise SettingsError(f"{file}: profile {name}: there are two of this name")
        try:
            entries[name] = parse_entry(name, table, file)
        except InvalidInputError as error:
            raise SettingsError(str(error)) from error
    return entries


@cache
def shipped_entries() -> Mapping[str, ProfileEntry]:
    """The profiles that ship, as the file has them.

    Raises:
        SettingsError: the file is wrong.
    """
    text = files("lights").joinpath("profiles.toml").read_text(encoding="utf-8")
    return MappingProxyType(parse_profile_file(text, SHIPPED))


@cache
def shipped_profiles() -> Mapping[str, LightingProfile]:
    """The profiles that ship, by name.

    Raises:
        SettingsError: the file is wrong.
    """
    return MappingProxyType({name: profile_of(name, entry) for name, entry in shipped_entries().items()})
