"""What was learned of a place: how fast it fills, how unevenly, and how others empty it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEP: Final = timedelta(hours=6)
"""Levels are looked at by quarter days: the stores thin them so far out, and it keeps morning and evening apart."""
STEPS_A_DAY: Final = 4
DAYS_A_WEEK: Final = 7
BANDS: Final = 10
"""Levels are told apart by tenths where emptyings are concerned: finer than anybody acts on."""
FORMAT: Final = 1
"""The stored form's; a model of another form is learned anew."""
CALENDAR: Final = timedelta(days=60)
"""So far ahead weekdays, holidays and season are followed step by step; beyond it bins fill at the mean rate."""
YEAR_DAYS: Final = 365.2425


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceModel:
    """How one place (or, without `place_id`, a kind of place) fills. Levels and shares 0-1.

    The filling within a span is 0 or gamma distributed: mean m (from rate, week, season, holidays), variance
    `dispersion` m + `rate_variance` m^2, nothing at all with probability exp(-m / `lump`). That is the compound
    Poisson-gamma (Tweedie) law of bags and cups thrown in one by one, by its first moments.
    """

    place_id: str
    kind: str
    learned_at: datetime
    days: float
    """Days of filling observed, recent ones in full."""
    rate: float
    """Share of the bin filled on a mean day, for a year's mean."""
    week: tuple[float, ...]
    """Filling per quarter day relative to the mean one, from Monday 00:00 local time: 28 factors."""
    season: tuple[float, float] = (0.0, 0.0)
    """Logarithm of the factor over the year: first x cos + second x sin of 2 pi (day of the year / 365.2425)."""
    holiday: float = 1.0
    """Factor of public holidays, against the weekday that they fall on."""
    days_off: tuple[date, ...] = ()
    """The public holidays of the weeks after learning."""
    dispersion: float
    lump: float
    rate_variance: float
    """Squared relative uncertainty of the rate."""
    noise: float = 0.0
    """Standard deviation of a reading."""
    resolution: float = 0.01
    """Readings come in steps of this."""
    headroom: float = 0.0
    """So much more than a whole bin goes in before it reads 1: bins that compact, coarse sensors that stop short."""
    emptied: tuple[float, ...] = (0.0,) * BANDS
    """Probability that the bin is emptied within a day, by the level (tenths) at its beginning."""
    emptied_weekday: tuple[float, ...] = (1.0,) * DAYS_A_WEEK
    """Factor on its odds by weekday, Monday first."""
    left: tuple[float, ...] = (1.0, *(0.0,) * BANDS)
    """Distribution of the level a day after such a day began, when it was emptied: 0, 0.1 ... 1."""
    unchanged_since: datetime | None = None
    """Since when all readings had been the same, at the time of learning."""
    unchanged_level: float | None = None


def model_to_json(model: PlaceModel) -> dict[str, Any]:
    """A model as plain JSON values, numbers to four digits."""
    return {"format": FORMAT} | {name: _plain(value) for name, value in asdict(model).items()}


def model_from_json(stored: Mapping[str, Any]) -> PlaceModel | None:
    """The model that `model_to_json` made; None when another version of the program made it."""
    if stored.get("format") != FORMAT:
        return None
    known = {field.name: stored[field.name] for field in fields(PlaceModel)}
    known = {name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}
    known["days_off"] = tuple(date.fromisoformat(day) for day in known["days_off"])
    for name in ("learned_at", "unchanged_since"):
        known[name] = datetime.fromisoformat(known[name]) if known[name] else None
    return PlaceModel(**known)


def quarter_of_week(instants: Sequence[datetime], zone: ZoneInfo) -> NDArray[np.intp]:
    """The quarter day of the local week, 0 (Monday 00:00-06:00) to 27, of each instant."""
    local = [instant.astimezone(zone) for instant in instants]
    return np.array([at.weekday() * STEPS_A_DAY + at.hour // 6 for at in local], dtype=np.intp)


def season_angle(instants: Sequence[datetime]) -> Floats:
    """The angle of the year at each instant."""
    return np.array([2 * math.pi * instant.timetuple().tm_yday / YEAR_DAYS for instant in instants])


def is_holiday(instants: Sequence[datetime], zone: ZoneInfo, holidays: frozenset[date]) -> NDArray[np.bool_]:
    """Whether each instant lies on a public holiday of local time."""
    return np.array([instant.astimezone(zone).date() in holidays for instant in instants], dtype=np.bool_)


def _plain(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value
