"""The sun of one night at one place: sunset, civil dusk, civil dawn, sunrise, and what is missing in the far north."""

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
_KEPT_NIGHTS: Final = 4096
_HALF_DAY: Final = timedelta(hours=12)


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

    def event(self, event: SunEvent) -> datetime | Missing:
        """The instant of an event, or why there is none."""
        found: datetime | Missing = getattr(self, event.value)
        return found


def sun_night(night: date, latitude: float, longitude: float) -> SunNight:
    """The night that begins on a date at a place (degrees WGS 84); cached for places rounded to 0.1 degrees."""
    return _sun_night(night, round(latitude, POSITION_DIGITS), round(longitude, POSITION_DIGITS))


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
    """When the sun passes an elevation in half a day, to the second, by bisection.

    astral's own functions of events raise, or give the neighbouring day's, in the nights in which one is missing for
    the first time; its elevation holds always.
    """
    above = [elevation(observer, at, with_refraction=False) > threshold for at in (start, end)]
    if above[0] == above[1]:
        return Missing.ABOVE if above[0] else Missing.BELOW
    low, high = 0, int((end - start).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        is_above = elevation(observer, start + timedelta(seconds=middle), with_refraction=False) > threshold
        low, high = (middle, high) if is_above == above[0] else (low, middle)
    return start + timedelta(seconds=high)


def _second(at: datetime) -> datetime:
    return at.replace(microsecond=0)
