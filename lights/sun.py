"""The sun of one night at one place: its events, those that are missing in the far north, and how long it is dark."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

from astral import Observer
from astral.sun import elevation, noon

HORIZON_DEG: Final = -0.833
"""Elevation of the sun's centre at sunrise and sunset: 34' refraction and 16' radius (US Naval Observatory)."""
CIVIL_TWILIGHT_DEG: Final = -6.0
"""Elevation of the sun's centre at civil dawn and dusk (US Naval Observatory)."""
POSITION_DIGITS: Final = 1
"""Places within 0.1 degrees share their sun: at most 12 s of it by longitude, in Germany under a minute by latitude."""
_KEPT_NIGHTS: Final = 16_384
"""A year at forty places; some 400 bytes each."""
_KEPT_SPANS: Final = 10_000


class SunEvent(StrEnum):
    """What the sun does in a night, in this order."""

    SUNSET = "sunset"
    CIVIL_DUSK = "civil_dusk"
    CIVIL_DAWN = "civil_dawn"
    SUNRISE = "sunrise"


class Missing(StrEnum):
    """Why a night lacks an event: the sun stays above its elevation all the time, or below."""

    ABOVE = "above"
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class SunNight:
    """The sun from the solar noon of a date, `begins`, to the next, `ends`; instants in UTC to the second.

    An event is an instant, or the reason why there is none.
    """

    begins: datetime
    ends: datetime
    sunset: datetime | Missing
    civil_dusk: datetime | Missing
    civil_dawn: datetime | Missing
    sunrise: datetime | Missing

    @property
    def dark(self) -> tuple[datetime, datetime] | None:
        """From sunset to sunrise, inside the night; None: the sun does not set."""
        if Missing.ABOVE in (self.sunset, self.sunrise):
            return None
        begins = self.sunset if isinstance(self.sunset, datetime) else self.begins
        return begins, self.sunrise if isinstance(self.sunrise, datetime) else self.ends

    def event(self, event: SunEvent) -> datetime | Missing:
        """The instant of an event, or why there is none."""
        found: datetime | Missing = getattr(self, event.value)
        return found


def sun_night(night: date, latitude: float, longitude: float) -> SunNight:
    """The night that begins on a date at a place (degrees WGS 84); cached for places rounded to 0.1 degrees."""
    return _sun_night(night, round(latitude, POSITION_DIGITS), round(longitude, POSITION_DIGITS))


def dark_hours(latitude: float, longitude: float, start: datetime, end: datetime) -> float:
    """Hours between sunset and sunrise inside [start, end), aware; position in degrees WGS 84.

    Where the sun does not rise for days all hours count, where it does not set none.
    """
    return _dark_hours(round(latitude, POSITION_DIGITS), round(longitude, POSITION_DIGITS), start, end)


@lru_cache(maxsize=_KEPT_SPANS)
def _dark_hours(latitude: float, longitude: float, start: datetime, end: datetime) -> float:
    dark = timedelta(0)
    day = start.astimezone(UTC).date() - timedelta(days=2)
    while day <= end.astimezone(UTC).date() + timedelta(days=1):
        night = _sun_night(day, latitude, longitude).dark
        if night is not None:
            dark += max(timedelta(0), min(end, night[1]) - max(start, night[0]))
        day += timedelta(days=1)
    return dark / timedelta(hours=1)


@lru_cache(maxsize=_KEPT_NIGHTS)
def _sun_night(night: date, latitude: float, longitude: float) -> SunNight:
    observer = Observer(latitude, longitude)
    begins, ends = (_second(noon(observer, day, tzinfo=UTC)) for day in (night, night + timedelta(days=1)))
    midnight = _second(begins + (ends - begins) / 2)
    return SunNight(
        begins=begins,
        ends=ends,
        sunset=_crossing(observer, begins, midnight, HORIZON_DEG),
        civil_dusk=_crossing(observer, begins, midnight, CIVIL_TWILIGHT_DEG),
        civil_dawn=_crossing(observer, midnight, ends, CIVIL_TWILIGHT_DEG),
        sunrise=_crossing(observer, midnight, ends, HORIZON_DEG),
    )


def _crossing(observer: Observer, start: datetime, end: datetime, threshold: float) -> datetime | Missing:
    """When the sun passes an elevation in half a day, to the second.

    astral's own functions of events raise, or give the neighbouring day's, in the nights in which one is missing for
    the first time; its elevation holds always. The Illinois algorithm: a straight line between both ends, the older
    of which counts for half when the newer one falls on the same side again.
    """

    def over(second: int) -> float:
        return elevation(observer, start + timedelta(seconds=second), with_refraction=False) - threshold

    low, high = 0, int((end - start).total_seconds())
    at_low, at_high = over(low), over(high)
    if (at_low > 0) == (at_high > 0):
        return Missing.ABOVE if at_low > 0 else Missing.BELOW
    kept = ""
    while high - low > 1:
        middle = min(high - 1, max(low + 1, low + round((high - low) * at_low / (at_low - at_high))))
        value = over(middle)
        if (value > 0) == (at_low > 0):
            low, at_low = middle, value
            at_high, kept = (at_high / 2 if kept == "high" else at_high), "high"
        else:
            high, at_high = middle, value
            at_low, kept = (at_low / 2 if kept == "low" else at_low), "low"
    return start + timedelta(seconds=high)


def _second(at: datetime) -> datetime:
    return at.replace(microsecond=0)
