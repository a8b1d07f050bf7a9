"""The report for the office: gathers what was planned, confirmed and measured, month by month."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

from actions.pickups.weekly_round import kept_round, weekly_bins
from core.device import Device, Municipality
from core.errors import InvalidInputError
from core.reading import Aggregate, GroupBy
from pickups.report import (
    HELD,
    Figures,
    WeeklyTour,
    add_emptyings,
    add_routes,
    add_weekly,
    driven,
    emptyings,
    full_days,
    full_spans,
)
from pickups.weekly_schedule import FULL_LEVEL, BinDay, weekly_overflow_days
from readings.store import ReadingStore
from state.pickup_history import WeeklyRound
from state.state import State

DAY: Final = timedelta(days=1)
LONGEST: Final = 366
"""Days that a report spans at most."""
LEAST_COMPARED: Final = 7
"""Days from the first plan to the last below which nothing is compared: a schedule of weeks says nothing of a day."""
MAX_BIN_DAYS: Final = 1_000_000
"""Bins times days of a report: a year of 2,700 bins."""
FindRound = Callable[[State, Municipality, Sequence[Device]], WeeklyRound | None]
"""What gives a municipality's weekly round; None: it is not known (yet)."""


@dataclass(frozen=True, slots=True)
class ReportLine:
    """The figures of a municipality (None: all) in a month, named by its first day (None: the whole time)."""

    municipality: str | None
    month: date | None
    figures: Figures


def pickup_report(
    state: State,
    readings: ReadingStore,
    municipality: str | None,
    first: date,
    last: date,
    *,
    zone: ZoneInfo,
    now: datetime,
    round_of: FindRound = kept_round,
    most: int = MAX_BIN_DAYS,
) -> list[ReportLine]:
    """Each municipality's months and total, then the total of all where there are several, from a local day to another.

    Days to come are left out; bins times days are `most` at the most. Municipalities without bins have no lines.

    Raises:
        NotFoundError: there is no such municipality.
        InvalidInputError: the days are in the wrong order or too many, with the bins that there are.
        StorageError: a store does not answer.
    """
    last = min(last, now.astimezone(zone).date())
    days = (last - first).days + 1
    if days < 1:
        raise InvalidInputError("start: must not be after end, nor in the future")
    if days > LONGEST:
        raise InvalidInputError(f"start: {days} days are more than {LONGEST}")
    places = state.municipalities.all() if municipality is None else [state.municipalities.get(municipality)]
    bins = {place.municipality: weekly_bins(state, place.municipality) for place in places}
    if sum(map(len, bins.values())) * days > most:
        raise InvalidInputError(
            f"start: {days} days of so many bins are too much; ask for one municipality or less time"
        )
    lines: list[ReportLine] = []
    everything = Figures()
    for place in places:
        own = _Gathering(state, readings, place, bins=bins[place.municipality], zone=zone, now=now)
        total = Figures()
        months = [
            ReportLine(place.municipality, span[0].replace(day=1), own.month(*span)) for span in _months(first, last)
        ]
        if not bins[place.municipality] and not any(line.figures.routes for line in months):
            continue
        own.compare([line.figures for line in months], list(_months(first, last)), round_of)
        for line in months:
            total.add(line.figures)
        lines += [*months, ReportLine(place.municipality, None, total)]
        everything.add(total)
    return [*lines, ReportLine(None, None, everything)] if len(places) > 1 else lines


class _Gathering:
    """Gathers one municipality's figures; call `month` for each month in order, then `compare`."""

    def __init__(
        self,
        state: State,
        readings: ReadingStore,
        place: Municipality,
        *,
        bins: Sequence[Device],
        zone: ZoneInfo,
        now: datetime,
    ) -> None:
        self._state = state
        self._readings = readings
        self._place = place
        self._slug = place.municipality
        self._bins = bins
        self._zone = zone
        self._now = now
        self._planned_on: list[date] = []
        self._levels: defaultdict[str, list[BinDay]] = defaultdict(list)
        self._emptied_on: defaultdict[str, set[date]] = defaultdict(set)
        self._full_on: defaultdict[str, set[date]] = defaultdict(set)

    def month(self, first: date, last: date) -> Figures:
        """The figures of some days of one month."""
        figures = Figures()
        done = []
        fuel = {vehicle.name: vehicle.fuel_l_per_100km for vehicle in self._place.vehicles}
        plans = self._state.pickup_history.finished_plans(self._slug, first, last)
        for day, of_day in groupby(plans, key=lambda plan: plan.date):
            self._planned_on.append(day)
            done += add_routes(figures, driven(list(of_day)), self._slug, fuel)
        start, end = self._instant(first), min(self._instant(last + DAY), self._now)
        seen = self._state.emptyings.seen(self._slug, start, end)
        emptied = emptyings(done, seen)
        add_emptyings(figures, emptied)
        for each in emptied:
            self._emptied_on[each.device_id].add(each.at.astimezone(UTC).date())
        self._add_levels(figures, start, end)
        return figures

    def compare(self, months: Sequence[Figures], spans: Sequence[tuple[date, date]], round_of: FindRound) -> None:
        """Add the weekly schedule to the months, on the days from the first plan to the last."""
        if not self._planned_on or not self._bins:
            return
        begun, ended = min(self._planned_on), max(self._planned_on)
        if (ended - begun).days + 1 < LEAST_COMPARED:
            return
        found = round_of(self._state, self._place, self._bins)
        if found is None or found.distance_m <= 0:
            return
        tour = WeeklyTour(found.distance_m, found.duration_s, found.fuel_l)
        for figures, (first, last) in zip(months, spans, strict=True):
            days = frozenset(_days(max(first, begun), min(last, ended)))
            add_weekly(figures, tour, days)
            for bin_ in self._bins:
                levels, emptied_on = self._levels[bin_.device_id], frozenset(self._emptied_on[bin_.device_id])
                figures.weekly_overflow_days += weekly_overflow_days(levels, emptied_on, days)
                figures.compared_overflow_days += len(self._full_on[bin_.device_id] & days)

    def _add_levels(self, figures: Figures, start: datetime, end: datetime) -> None:
        """Levels day by day (UTC, as the store's intervals are), and for how long which bins were full."""
        high, low = (self._daily(start, end, aggregate) for aggregate in (Aggregate.MAX, Aggregate.MIN))
        for bin_ in self._bins:
            highest, lowest = high[bin_.device_id], low[bin_.device_id]
            for at in sorted(highest):
                _append(self._levels[bin_.device_id], BinDay(at.date(), lowest[at], highest[at]))
            full = [at for at, level in highest.items() if level >= FULL_LEVEL]
            if not full:
                continue
            series = self._readings.series(bin_.device_id, ["filling_level"], min(full) - HELD, max(full) + 2 * DAY)
            spans = [
                (max(begun, start), ended)
                for begun, ended in full_spans([(item.observed_at, float(item.value)) for item in series], end)
                if ended > start
            ]
            days = full_days(spans, self._zone)
            self._full_on[bin_.device_id] |= days
            figures.overflow_bins.add(bin_.device_id)
            figures.overflow_days += len(days)
            figures.overflow_hours += sum((ended - begun).total_seconds() for begun, ended in spans) / 3600

    def _daily(self, start: datetime, end: datetime, aggregate: Aggregate) -> defaultdict[str, dict[datetime, float]]:
        """An aggregate of each bin's levels by day."""
        found: defaultdict[str, dict[datetime, float]] = defaultdict(dict)
        if not self._bins:
            return found
        for total in self._readings.totals(
            "filling_level",
            start,
            end,
            group_by=GroupBy.DEVICE,
            every=DAY,
            aggregate=aggregate,
            municipality=self._slug,
        ):
            found[total.group][total.start] = total.value
        return found

    def _instant(self, day: date) -> datetime:
        return datetime.combine(day, time(), self._zone).astimezone(UTC)


def _append(levels: list[BinDay], day: BinDay) -> None:
    """Add a day; that on which local months meet comes in two parts."""
    if levels and levels[-1].day == day.day:
        before = levels.pop()
        day = BinDay(day.day, min(before.low, day.low), max(before.high, day.high))
    levels.append(day)


def _months(first: date, last: date) -> Iterator[tuple[date, date]]:
    """The parts of a span that lie in one month each."""
    for _, days in groupby(_days(first, last), key=lambda day: (day.year, day.month)):
        of_month = list(days)
        yield of_month[0], of_month[-1]


def _days(first: date, last: date) -> list[date]:
    return [first + number * DAY for number in range((last - first).days + 1)]
