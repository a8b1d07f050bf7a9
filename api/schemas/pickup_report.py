"""The report on pickups as the API gives it."""

from pydantic import Field

from api.schemas.fields import Shown, Slug
from core.pickup import SkipReason


class WeeklySchedule(Shown):
    """What emptying every bin once a week would have taken on the same days, and what that differs by."""

    estimated: bool = Field(description="always true: the round is what the planner finds for all bins")
    days: int = Field(description="days compared: from the first plan to the last")
    rounds: float
    distance_km: float
    duration_h: float
    fuel_l: float
    saved_km: float = Field(description="fewer kilometres than the schedule's; routes not confirmed count as driven")
    overflow_days: float = Field(description="days on which a bin would have been full, summed over bins")
    overflow_days_avoided: float = Field(description="fewer such days than the schedule's; below 0: more")


class ReportShown(Shown):
    """Pickups of a municipality in a month. Kilometres, hours and litres are those of the plans that were driven."""

    municipality: Slug | None = Field(description="null: all together")
    month: str | None = Field(description="null: the whole time asked for", examples=["2026-05"])
    routes: int = Field(description="with a stop that a driver confirmed or skipped")
    routes_unconfirmed: int = Field(description="planned, without any answer: in no other figure but the next")
    distance_km: float
    distance_unconfirmed_km: float
    duration_h: float
    fuel_l: float
    stops_done: int
    stops_open: int = Field(description="neither done nor skipped, on routes driven")
    stops_skipped: int
    skip_reasons: dict[SkipReason, int]
    emptyings: int = Field(description="confirmed by drivers or seen by sensors")
    emptyings_unconfirmed: int = Field(description="of these only seen by sensors")
    emptied_below_30_percent: int = Field(description="ways for next to nothing")
    level_at_emptying: float | None = Field(description="mean, 0 to 1")
    levels_at_emptying: list[int] = Field(description="emptyings by tenths of the level before them")
    overflow_bins: int = Field(description="bins that were full for a while (95 % or more)")
    overflow_days: int = Field(description="local days on which a bin was full, summed over bins")
    overflow_hours: float
    weekly_schedule: WeeklySchedule | None = Field(
        description="null: plans of less than a week, no way to drive it, or its round is not found yet (minutes)"
    )
