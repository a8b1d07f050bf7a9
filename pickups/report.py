"""What pickups took and gave, for the office: sums by municipality and month, and a fixed weekly schedule beside them.

Pure: what was driven, what bins said and how long a weekly round is come as values.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from core.pickup import Plan, Route, SkipReason, Stop, StopState
from pickups.weekly_schedule import FULL_LEVEL, WORKING_DAYS_A_WEEK

LOW_LEVEL: Final = 0.3
"""A bin emptied below this was a way for nothing; it is also the least drop that is seen as an emptying."""
HELD: Final = timedelta(hours=36)
"""So long a level is believed without a newer one: bins that report once a day are late at times."""
MATCHES_BEFORE: Final = timedelta(hours=2)
MATCHES_AFTER: Final = timedelta(hours=26)
"""The level drops so long before or after the driver's confirmation: clocks differ, some bins report once a day."""
TENTHS: Final = 10


@dataclass(slots=True, kw_only=True)
class Figures:
    """Sums of one municipality (or all) over one month (or the whole time).

    A route is driven where a driver confirmed or skipped a stop of it; others are `unconfirmed` and count apart.
    Kilometres, hours and litres are those of the plan: nothing follows vehicles. Of a joint route each municipality
    bears the share of its stops. `levels`: emptyings by tenths of the level before them.
    """

    routes: set[str] = field(default_factory=set)
    unconfirmed: set[str] = field(default_factory=set)
    distance_km: float = 0.0
    unconfirmed_km: float = 0.0
    hours: float = 0.0
    fuel_l: float = 0.0
    stops_done: int = 0
    stops_open: int = 0
    skipped: Counter[SkipReason] = field(default_factory=Counter)
    emptyings: int = 0
    emptyings_unconfirmed: int = 0
    levels: list[int] = field(default_factory=lambda: [0] * TENTHS)
    level_sum: float = 0.0
    emptied_low: int = 0
    overflow_bins: set[str] = field(default_factory=set)
    overflow_days: int = 0
    overflow_hours: float = 0.0
    compared_days: int = 0
    weekly_rounds: float = 0.0
    weekly_km: float = 0.0
    weekly_hours: float = 0.0
    weekly_fuel_l: float = 0.0
    weekly_overflow_days: float = 0.0
    compared_km: float = 0.0
    compared_overflow_days: int = 0

    @property
    def level_mean(self) -> float | None:
        """The mean level (0-1) at emptying; None: of no emptying is it known."""
        known = sum(self.levels)
        return self.level_sum / known if known else None

    @property
    def saved_km(self) -> float | None:
        """Fewer kilometres than by the weekly schedule; routes not confirmed count as driven. None: not compared."""
        return self.weekly_km - self.compared_km if self.compared_days else None

    @property
    def overflow_days_avoided(self) -> float | None:
        """Fewer bin-days full than by the weekly schedule, below 0: more; None: not compared."""
        return self.weekly_overflow_days - self.compared_overflow_days if self.compared_days else None

    def add(self, other: "Figures") -> None:
        """Add those of another month or municipality; a route of both counts once."""
        for name in self.__dataclass_fields__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, set):
                mine |= theirs
            elif isinstance(mine, list):
                setattr(self, name, [a + b for a, b in zip(mine, theirs, strict=True)])
            else:
                setattr(self, name, mine + theirs)


@dataclass(frozen=True, slots=True)
class WeeklyTour:
    """What emptying every bin of a municipality once takes: metres, seconds, litres of fuel. Estimated."""

    distance_m: float
    duration_s: float
    fuel_l: float


@dataclass(frozen=True, slots=True)
class Emptied:
    """A bin was emptied; `level` (0-1) before, None: not known; `confirmed` by a driver, else seen by its sensor."""

    device_id: str
    at: datetime
    level: float | None
    confirmed: bool


def driven(plans: Sequence[Plan]) -> Plan:
    """Which of the finished plans of a day was driven: the newest that a driver answered to, else the newest.

    At least one is given.
    """
    return max(plans, key=lambda plan: (any(map(_is_driven, plan.routes)), plan.created_at, plan.plan_id))


def add_routes(figures: Figures, plan: Plan, municipality: str, fuel_l_per_100km: Mapping[str, float]) -> list[Stop]:
    """Add a municipality's share of a plan's routes; returns its stops that are done.

    `fuel_l_per_100km` by vehicle; one that is not in it takes as much as the mean of those that are, or 30.
    """
    done = []
    usual = sum(fuel_l_per_100km.values()) / len(fuel_l_per_100km) if fuel_l_per_100km else 30.0
    for route in plan.routes:
        own = [stop for stop in route.stops if (stop.municipality or plan.municipality) == municipality]
        if not own:
            continue
        share = len(own) / len(route.stops)
        kilometres = route.distance_m / 1000 * share
        if not _is_driven(route):
            figures.unconfirmed.add(route.route_id)
            figures.unconfirmed_km += kilometres
            continue
        figures.routes.add(route.route_id)
        figures.distance_km += kilometres
        figures.hours += route.duration_s / 3600 * share
        figures.fuel_l += kilometres / 100 * fuel_l_per_100km.get(route.vehicle, usual)
        for stop in own:
            if stop.state is StopState.DONE:
                figures.stops_done += 1
                done.append(stop)
            elif stop.state is StopState.SKIPPED:
                figures.skipped[skip_reason(stop)] += 1
            else:
                figures.stops_open += 1
    return done


def skip_reason(stop: Stop) -> SkipReason:
    """Why a stop was skipped, without the driver's words."""
    kind = (stop.skip_reason or "").partition(":")[0]
    return SkipReason(kind) if kind in set(SkipReason) else SkipReason.OTHER


def emptyings(done: Iterable[Stop], seen: Iterable[tuple[str, datetime, float]]) -> list[Emptied]:
    """Each emptying once: those that drivers confirmed, and those that only the sensor saw.

    `seen`: device id, instant, level before. A drop of the level near a confirmation is the same emptying and gives its
    level; else the level is the one that the plan was made with.
    """
    drops: dict[str, list[tuple[datetime, float]]] = {}
    for device_id, at, level in seen:
        drops.setdefault(device_id, []).append((at, level))
    found = []
    for stop in sorted(done, key=lambda each: (each.device_id, each.done_at)):
        if stop.done_at is None:
            continue
        near = [
            drop
            for drop in drops.get(stop.device_id, [])
            if stop.done_at - MATCHES_BEFORE <= drop[0] <= stop.done_at + MATCHES_AFTER
        ]
        before = stop.filling_level
        if near:
            drops[stop.device_id].remove(near[0])
            before = near[0][1]
        found.append(Emptied(stop.device_id, stop.done_at, before, confirmed=True))
    found += [Emptied(device_id, at, level, confirmed=False) for device_id, left in drops.items() for at, level in left]
    return found


def add_emptyings(figures: Figures, emptied: Iterable[Emptied]) -> None:
    """Add emptyings and the levels before them."""
    for each in emptied:
        figures.emptyings += 1
        figures.emptyings_unconfirmed += not each.confirmed
        if each.level is not None:
            level = min(1.0, max(0.0, each.level))
            # Levels are decimal fractions: 0.3 must not fall into the tenth from 0.2.
            figures.levels[min(TENTHS - 1, int(level * TENTHS + 1e-9))] += 1
            figures.level_sum += level
            figures.emptied_low += level < LOW_LEVEL - 1e-9


def full_spans(levels: Sequence[tuple[datetime, float]], end: datetime) -> list[tuple[datetime, datetime]]:
    """From when to when a bin was full, by its levels in order; each level is believed for `HELD` at most."""
    spans: list[tuple[datetime, datetime]] = []
    for index, (at, level) in enumerate(levels):
        if level < FULL_LEVEL or at >= end:
            continue
        following = levels[index + 1][0] if index + 1 < len(levels) else end
        until = min(following, at + HELD, end)
        if spans and spans[-1][1] == at:
            spans[-1] = spans[-1][0], until
        else:
            spans.append((at, until))
    return spans


def full_days(spans: Iterable[tuple[datetime, datetime]], zone: ZoneInfo) -> set[date]:
    """The local days on which a bin was full for a while."""
    days = set()
    for start, end in spans:
        day = start.astimezone(zone).date()
        while day <= (end - timedelta.resolution).astimezone(zone).date():
            days.add(day)
            day += timedelta(days=1)
    return days


def add_weekly(figures: Figures, tour: WeeklyTour, days: Collection[date]) -> None:
    """Add what the weekly schedule would have driven on these days: a fifth of a round each Monday to Friday.

    The routes in the figures are what is compared: call it when all are in. Public holidays change nothing: the round
    of that day is made up for.
    """
    figures.compared_days += len(days)
    figures.compared_km += figures.distance_km + figures.unconfirmed_km
    working = sum(day.weekday() < WORKING_DAYS_A_WEEK for day in days)
    rounds = working / WORKING_DAYS_A_WEEK
    figures.weekly_rounds += rounds
    figures.weekly_km += rounds * tour.distance_m / 1000
    figures.weekly_hours += rounds * tour.duration_s / 3600
    figures.weekly_fuel_l += rounds * tour.fuel_l


def _is_driven(route: Route) -> bool:
    return any(stop.state is not StopState.PLANNED for stop in route.stops)
