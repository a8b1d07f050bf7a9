"""Learns how places fill from their history, all of a municipality at once, new ones leaning on those of their kind.

Rates by multiplicative factors (quarter of the week, season, public holidays, the place's own weekdays) fitted in turn;
each estimate is drawn towards that of the kind by the gamma-Poisson rule: (seen + weight x expected of the kind) /
(exposure + weight), the weight by how much places of the kind differ (empirical Bayes; Casella 1985, *The American
Statistician* 39(2)). A fall is never part of a rate, nor is time at full, silence over three days or a stuck sensor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from pickups.filling.calendar_factors import Calendar
from pickups.filling.emptying import Levels
from pickups.filling.fit import COARSE, FillingFit
from pickups.filling.habits import learn_habits
from pickups.filling.level_grid import LevelGrid, grid_of, last_runs, resolutions, without_unchanged
from pickups.filling.place_model import CALENDAR, STEP, STEPS_A_DAY, PlaceModel

LONGEST: Final = timedelta(days=400)
"""A year and a month: every season once, and no more memory than that."""
ANY: Final = ""
"""The kind of all places together, on which kinds lean."""


@dataclass(frozen=True, slots=True)
class Learned:
    """Models by place, and by kind for places without one; the kind "" is all together."""

    places: Mapping[str, PlaceModel]
    kinds: Mapping[str, PlaceModel]


def learn(
    histories: Mapping[str, Levels],
    kinds: Mapping[str, str],
    *,
    zone: ZoneInfo,
    learned_at: datetime,
    holidays: frozenset[date] = frozenset(),
) -> Learned:
    """Learn from levels of up to 400 days; nothing where there is no level.

    Args:
        histories: levels (0-1) by place id, in any order; one every six hours is enough. Empty: only the kind speaks.
        kinds: the kind of each place, such as `park`; missing: none.
        zone: whose weekdays and holidays count.
        learned_at: noted in the models; levels after it are not used.
        holidays: public holidays, local dates; also of the weeks to come, for forecasts.
    """
    known = {place: [(at, level) for at, level in levels if at <= learned_at] for place, levels in histories.items()}
    if not any(known.values()):
        return Learned({}, {})
    return learn_grid(
        grid_of(known, longest=LONGEST),
        [(place, kinds.get(place, ANY)) for place in known],
        zone=zone,
        learned_at=learned_at,
        holidays=holidays,
    )


def learn_grid(
    grid: LevelGrid,
    places: Sequence[tuple[str, str]],
    *,
    zone: ZoneInfo,
    learned_at: datetime,
    holidays: frozenset[date] = frozenset(),
) -> Learned:
    """The same from a grid, whose rows are the `places` (id and kind)."""
    names = sorted({kind for _, kind in places} | {ANY})
    calendar = Calendar.of(grid, zone, holidays)
    kind_of = np.array([names.index(kind) for _, kind in places], dtype=np.intp)
    steps = resolutions(grid.levels)
    longest = FillingFit(grid, kind_of, len(names), calendar, steps, rounds=1).longest_runs()
    working = replace(grid, levels=without_unchanged(grid, longest))
    fit = FillingFit(working, kind_of, len(names), calendar, steps)
    today = learned_at.astimezone(zone).date()
    days_off = tuple(sorted(day for day in holidays if today <= day <= today + CALENDAR))
    habits = learn_habits(grid, kind_of, len(names), calendar.weekday)
    first, last = last_runs(grid.before)
    models = {}
    for row, (place, kind) in enumerate(places):
        unchanged: dict[str, Any] = {}
        if last[row] > first[row]:
            unchanged["unchanged_since"] = grid.start + STEP * int(first[row])
            unchanged["unchanged_level"] = float(grid.levels[row, first[row]])
        models[place] = PlaceModel(
            place_id=place,
            kind=kind,
            learned_at=learned_at,
            days_off=days_off,
            **_place_fields(fit, row, int(kind_of[row])),
            **habits.of_place(row),
            **unchanged,
        )
    kinds = {
        name: PlaceModel(
            place_id="",
            kind=name,
            learned_at=learned_at,
            days_off=days_off,
            **_kind_fields(fit, kind),
            **habits.of_kind(kind),
        )
        for kind, name in enumerate(names)
    }
    return Learned(models, kinds)


def _place_fields(fit: FillingFit, row: int, kind: int) -> dict[str, Any]:
    week = fit.week[kind] * np.repeat(fit.own_week[row], STEPS_A_DAY)
    return {
        "days": float(fit.days[row]),
        "rate": float(fit.rate[row] * week.mean()),
        "week": tuple((week / week.mean()).tolist()),
        "dispersion": float(fit.dispersion[row]),
        "lump": float(fit.lump[row]),
        "rate_variance": float(fit.rate_variance[row]),
        "noise": float(fit.noise[row]),
        "resolution": float(fit.resolution[row]),
        "headroom": float(fit.kind_headroom[kind]) if fit.resolution[row] >= COARSE else 0.0,
    } | _calendar_fields(fit, kind)


def _kind_fields(fit: FillingFit, kind: int) -> dict[str, Any]:
    """What is expected of a place of which nothing was seen."""
    members = fit.members(kind) if fit.members(kind).any() else fit.members(0)
    resolution = float(np.median(fit.resolution[members]))
    return {
        "days": float(fit.days[members].sum()),
        "rate": float(fit.kind_rate[kind]),
        "week": tuple(fit.week[kind].tolist()),
        "dispersion": float(fit.kind_dispersion[kind]),
        "lump": float(np.median(fit.lump[members])),
        "rate_variance": float(fit.kind_rate_variance[kind]),
        "noise": float(np.median(fit.noise[members])),
        "resolution": resolution,
        "headroom": float(fit.kind_headroom[kind]) if resolution >= COARSE else 0.0,
    } | _calendar_fields(fit, kind)


def _calendar_fields(fit: FillingFit, kind: int) -> dict[str, Any]:
    cosine, sine = fit.season[kind].tolist()
    return {"season": (cosine, sine), "holiday": float(fit.holiday[kind])}
