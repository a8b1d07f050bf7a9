"""How long it is dark: the hours between sunset and sunrise, in which streets are lit."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache
from typing import Final

from astral import Observer
from astral.sun import elevation, sunrise, sunset

_HALF_DAY: Final = timedelta(hours=12)
_CACHED_NIGHTS: Final = 200_000
_DECIMALS: Final = 1
"""Positions are rounded to a tenth of a degree (11 km, at most half a minute of sunset), so that lamps share nights."""


def dark_hours(latitude: float, longitude: float, start: datetime, end: datetime) -> float:
    """Hours between sunset and sunrise (upper rim of the sun, refraction as usual) inside [start, end).

    Position in degrees WGS 84, times aware. Where the sun does not rise for days all hours count, where it does not
    set none.
    """
    return _dark_hours(round(latitude, _DECIMALS), round(longitude, _DECIMALS), start, end)


@lru_cache(maxsize=10_000)
def _dark_hours(latitude: float, longitude: float, start: datetime, end: datetime) -> float:
    dark = timedelta(0)
    day = start.astimezone(UTC).date() - timedelta(days=2)
    while day <= end.astimezone(UTC).date() + timedelta(days=1):
        night = _night(latitude, longitude, day)
        if night is not None:
            dark += max(timedelta(0), min(end, night[1]) - max(start, night[0]))
        day += timedelta(days=1)
    return dark / timedelta(hours=1)


@lru_cache(maxsize=_CACHED_NIGHTS)
def _night(latitude: float, longitude: float, day: date) -> tuple[datetime, datetime] | None:
    """Sunset and sunrise between the noon of a day and the next one's, in the sun's own time of the place."""
    zone = timezone(timedelta(hours=round(longitude / 15)))
    observer = Observer(latitude, longitude)
    noon = datetime.combine(day, time(12), zone)
    try:
        begins = sunset(observer, day, zone)
    except ValueError:  # it does not cross the horizon on this day
        if elevation(observer, noon) > 0:
            return None
        begins = noon
    try:
        ends = sunrise(observer, day + timedelta(days=1), zone)
    except ValueError:
        up = elevation(observer, noon + 2 * _HALF_DAY) > 0
        ends = noon + (_HALF_DAY if up else 2 * _HALF_DAY)
    return begins, ends
