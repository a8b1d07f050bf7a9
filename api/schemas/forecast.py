"""The outlook of a bin as the API gives it."""

from pydantic import Field

from api.schemas.fields import DeviceId, Shown, TimeOut
from core.pickup import EmptyingSource


class LevelExpected(Shown):
    """The level at one instant."""

    at: TimeOut
    filling_level: float = Field(description="mean, if nobody empties the bin before")
    low: float | None = Field(description="it lies between low and high in nine of ten cases; null: not known")
    high: float | None
    overflow_probability: float | None = Field(description="of being full, if nobody empties it before")
    observed_level: float | None = Field(
        description="mean that the sensor will show, others emptying the bin as they are used to; null: not known"
    )


class EmptyingShown(Shown):
    """An emptying of the place; levels null: a driver confirmed it, no reading shows it."""

    at: TimeOut
    not_before: TimeOut | None = Field(description="the last reading that does not show it")
    level_before: float | None
    level_after: float | None
    partial: bool = Field(description="much was taken out, but more than 0.35 was left")
    source: EmptyingSource


class BinOutlook(Shown):
    """What is known and expected of a bin."""

    device_id: DeviceId
    place_id: str = Field(description="whose history it is: the attribute `place_id`, else the device's id")
    method: str | None = Field(
        description="`learned`, `learned_kind` (new: from places of its kind), `learned_stuck` (the sensor no longer "
        "moves), `linear_14d` (nothing learned yet); null: too little is known"
    )
    filling_level: float | None = Field(description="the newest level; null: none within 16 days")
    observed_at: TimeOut | None
    full_at: TimeOut | None = Field(description="when it is full in one of two cases; null: not within a year")
    full_from: TimeOut | None
    full_until: TimeOut | None
    levels: list[LevelExpected] = Field(description="every six hours")
    emptyings: list[EmptyingShown] = Field(description="the last ten, newest first")
