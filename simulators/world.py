"""What all devices of a region share: sun, calendar, weather and the clock of the simulated world."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Final

import holidays
import numpy as np
import numpy.typing as npt
from astral import Observer
from astral.sun import dawn, dusk

from simulators.randomness import generator
from simulators.region import Region

HOUR_S: Final = 3600.0
DAY_S: Final = 86_400.0
DARK_DEPRESSION_DEG: Final = 6.0
"""Dark: the sun's centre is more than so far below the horizon, outside civil twilight (US Naval Observatory)."""
_MEAN_C, _SEASON_C, _DAY_C, _WEATHER_C = 9.5, 9.0, 4.0, 3.0
"""Mean, half range over the year and the day, and spread from day to day of the air in central Hesse (approximate)."""

Instants = npt.NDArray[np.float64]
"""Instants in seconds since 1970-01-01T00:00:00Z."""


@dataclass(frozen=True, slots=True)
class SimulatedClock:
    """Turns real instants into those of the simulated world, which runs `speed` times as fast from `anchor_s` on."""

    anchor_s: float
    speed: float

    def simulated(self, real_s: float) -> float:
        """The simulated instant at a real one."""
        return self.anchor_s + (real_s - self.anchor_s) * self.speed

    def real(self, simulated_s: float) -> float:
        """The real instant of a simulated one."""
        return self.anchor_s + (simulated_s - self.anchor_s) / self.speed


@dataclass(frozen=True, slots=True)
class LocalHour:
    """An hour as people live it; `day_off`: Saturday, Sunday or public holiday."""

    date: date
    hour: int
    weekday: int
    day_off: bool


class World:
    """Sun, calendar and weather of a region; the same seed gives the same weather."""

    def __init__(self, region: Region, seed: int) -> None:
        self.region = region
        self.zone = region.zone
        self._seed = seed
        self._observers = {
            entry.municipality: Observer(entry.latitude, entry.longitude) for entry in region.municipalities
        }
        self._nights: dict[tuple[str, date], tuple[float, float]] = {}
        self._hours: dict[int, LocalHour] = {}
        self._weather: dict[int, float] = {}

    def is_dark(self, municipality: str, at_s: float) -> bool:
        """Whether the sun is so low that streets are lit."""
        return any(start <= at_s < end for start, end in self._nights_around(municipality, at_s))

    def next_switch_s(self, municipality: str, at_s: float) -> float:
        """The next instant after `at_s` at which it gets dark or light."""
        return min(edge for night in self._nights_around(municipality, at_s) for edge in night if edge > at_s)

    def nights(self, municipality: str, start_s: float, end_s: float) -> Instants:
        """Dusk and dawn of every night that touches a span, ascending, one row each."""
        first = self._local_date(start_s) - timedelta(days=1)
        last = self._local_date(end_s)
        days = (last - first).days + 1
        nights = [self._night(municipality, first + timedelta(days=day)) for day in range(days)]
        return np.array([night for night in nights if night[1] > start_s and night[0] < end_s]).reshape(-1, 2)

    def local_hour(self, hour: int) -> LocalHour:
        """The local side of an hour counted since 1970-01-01T00:00:00Z."""
        found = self._hours.get(hour)
        if found is None:
            local = datetime.fromtimestamp(hour * HOUR_S, UTC).astimezone(self.zone)
            saturday = 5
            off = local.weekday() >= saturday or local.date() in self._holidays
            found = self._hours[hour] = LocalHour(local.date(), local.hour, local.weekday(), off)
        return found

    def feast_factor(self, municipality: str, day: date) -> float:
        """How many times as much waste as usual a feast brings; 1 when there is none."""
        factor = 1.0
        for event in self.region.events:
            if event.municipality == municipality:
                starts = [_feast_start(year, event.month, event.day) for year in (day.year, day.year - 1)]
                if any(0 <= (day - start).days < event.days for start in starts):
                    factor = max(factor, event.factor)
        return factor

    def outdoor_c(self, at_s: Instants) -> Instants:
        """Air temperature in degrees Celsius: season, time of day and weather that changes from day to day."""
        days = at_s / DAY_S
        season = _SEASON_C * np.cos(2 * math.pi * (days - 17.0) / 365.25)
        of_day = _DAY_C * np.cos(2 * math.pi * (days - 14 / 24))
        noons = np.arange(math.floor(float(np.min(days))) - 1, math.floor(float(np.max(days))) + 2)
        weather = np.interp(days, noons + 0.5, [self._weather_c(int(noon)) for noon in noons])
        warmth: Instants = _MEAN_C - season + of_day + weather
        return warmth

    @cached_property
    def _holidays(self) -> Mapping[date, str]:
        found: Mapping[date, str] = holidays.country_holidays(
            self.region.holidays_country, subdiv=self.region.holidays_subdivision
        )
        return found

    def _weather_c(self, day: int) -> float:
        if day not in self._weather:
            self._weather[day] = float(generator(self._seed, "weather", day).normal(0.0, _WEATHER_C))
        return self._weather[day]

    def _local_date(self, at_s: float) -> date:
        return datetime.fromtimestamp(at_s, UTC).astimezone(self.zone).date()

    def _nights_around(self, municipality: str, at_s: float) -> list[tuple[float, float]]:
        today = self._local_date(at_s)
        return [self._night(municipality, today + timedelta(days=days)) for days in (-1, 0, 1)]

    def _night(self, municipality: str, day: date) -> tuple[float, float]:
        night = self._nights.get((municipality, day))
        if night is None:
            observer = self._observers[municipality]
            dusk_at = dusk(observer, day, depression=DARK_DEPRESSION_DEG, tzinfo=self.zone)
            dawn_at = dawn(observer, day + timedelta(days=1), depression=DARK_DEPRESSION_DEG, tzinfo=self.zone)
            night = self._nights[municipality, day] = (dusk_at.timestamp(), dawn_at.timestamp())
        return night


def _feast_start(year: int, month: int, day: int) -> date:
    """The first day of a feast; a 29th to 31st that a month does not have is its last day."""
    next_month = date(year + month // 12, month % 12 + 1, 1)
    return min(date(year, month, min(day, 28)) + timedelta(days=max(0, day - 28)), next_month - timedelta(days=1))
