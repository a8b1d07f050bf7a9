"""Backtest: days replayed under a policy, with the real routing, and what came of it in kilometres and overflows."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

import numpy as np

from core.travel import TravelMatrix
from pickups.backtest.deposits import Deposits, Flags, Floats
from pickups.backtest.policies import Choice, Morning, Policy, Whole
from pickups.routes.problem import Candidate, Problem, Site, Solution, VehicleKind, VisitKind

Plan = Callable[[Problem], Solution]
"""Solves one day."""

SERVICE_S: Final = 180
CHANCES: Final = 10
"""So many working days ahead are known to a policy."""
FULL: Final = 1.0
_EPSILON: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """Bins that are planned together; in the matrices they come first, in the order of the deposits.

    `volumes_l` of the bins.
    """

    name: str
    volumes_l: Floats
    travel: TravelMatrix
    sites: tuple[Site, ...]
    vehicles: tuple[VehicleKind, ...]


@dataclass(frozen=True, slots=True)
class Sensor:
    """How sensors see levels: normal noise of this deviation, then steps downwards; both in shares of the bin."""

    noise: float = 0.0
    step: float = 0.0

    def read(self, levels: Floats, rng: np.random.Generator) -> Floats:
        """Levels (0-1) as said; a full bin is said to be full."""
        said = levels + rng.normal(0.0, self.noise, len(levels)) if self.noise else levels
        if self.step:
            said = np.floor(said / self.step + _EPSILON) * self.step
        return np.where(levels >= FULL - _EPSILON, FULL, np.clip(said, 0.0, FULL - _EPSILON if self.noise else FULL))


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a policy did on an area in the days that count; outcomes of several areas add up.

    Metres, seconds; contents (`begun`, `deposited`, `overflowed`, `emptied`, `left`) in litres: what lay in the bins
    at the beginning and came in is what was put beside them, emptied, or lies in them at the end. An overflow day is a
    day on which something no longer fitted into a bin.
    """

    days: int = 0
    bin_days: int = 0
    tours: int = 0
    distance_m: int = 0
    duration_s: int = 0
    stops: int = 0
    not_reached: int = 0
    overflow_days: int = 0
    begun: float = 0.0
    deposited: float = 0.0
    overflowed: float = 0.0
    emptied: float = 0.0
    left: float = 0.0
    levels_at_emptying: list[float] = field(default_factory=list)

    @property
    def service_level(self) -> float:
        """Share of the days of bins on which everything fitted in."""
        return 1 - self.overflow_days / self.bin_days if self.bin_days else 1.0

    @property
    def overflow_share(self) -> float:
        """Share of the deposited litres that found their bin full."""
        return self.overflowed / self.deposited if self.deposited else 0.0

    @property
    def mean_level(self) -> float:
        """Mean true level at emptying; NaN without any."""
        return float(np.mean(self.levels_at_emptying)) if self.levels_at_emptying else math.nan


def total(outcomes: Iterable[Outcome]) -> Outcome:
    """All areas together; `days` is that of the longest."""
    whole = Outcome()
    for outcome in outcomes:
        for name in Outcome.__dataclass_fields__:
            if name == "days":
                whole.days = max(whole.days, outcome.days)
            else:
                setattr(whole, name, getattr(whole, name) + getattr(outcome, name))
    return whole


def replay(
    area: Area,
    deposits: Deposits,
    policy: Policy,
    works: Flags,
    plan: Plan,
    *,
    start: date,
    sensor: Sensor = Sensor(),
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Outcome:
    """Live through the days from `start` to the last of the deposits; earlier ones are only history that is known.

    A working day begins with the round, which is over before anything more is thrown in: the same for all policies.
    Whether a bin holds more is seen the next morning. Bins begin empty. The same input and seed give the same outcome
    if `plan` gives the same solutions.

    Args:
        area: what is planned together.
        deposits: of the same bins, in its order.
        policy: a new one; it is told nothing of the day that begins nor of later ones.
        works: for each day of the deposits whether vehicles go out; beyond them every day is a working day.
        plan: finds the routes.
        start: the first day that counts, within the deposits.
        sensor: how the policy sees the levels.
        seed: of the sensors' noise.
        progress: told after each day.
    """
    first = deposits.index(start)
    rng = np.random.Generator(np.random.PCG64(seed))
    rises = np.where(deposits.seen, deposits.shares, np.nan)
    rises[first:] = np.nan
    levels = np.zeros(len(area.volumes_l))
    outcome = Outcome(days=deposits.days - first, bin_days=(deposits.days - first) * len(levels))
    said = sensor.read(levels, rng)
    for index in range(first, deposits.days):
        if works[index]:
            morning = Morning(
                day=deposits.first_day + timedelta(days=index),
                chances=_chances(works, index),
                levels=said,
                first_day=deposits.first_day,
                rises=rises[:index],
            )
            emptied = _drive(area, policy.choose(morning), said, plan, outcome)
            outcome.levels_at_emptying += levels[emptied].tolist()
            outcome.emptied += float(levels[emptied] @ area.volumes_l[emptied])
            levels = np.where(emptied, 0.0, levels)
            said = np.where(emptied, 0.0, said)
        arrived = deposits.shares[index]
        over = np.maximum(levels + arrived - FULL, 0.0)
        outcome.deposited += float(arrived @ area.volumes_l)
        outcome.overflowed += float(over @ area.volumes_l)
        outcome.overflow_days += int((over > _EPSILON).sum())
        levels = np.minimum(levels + arrived, FULL)
        before, said = said, sensor.read(levels, rng)
        rises[index] = np.where(before >= FULL - _EPSILON, np.nan, said - before)
        if progress:
            progress(1)
    outcome.left = float(levels @ area.volumes_l)
    return outcome


def _chances(works: Flags, index: int) -> tuple[int, ...]:
    """Days from one day to the next working days; beyond the calendar every day is one."""
    ahead = np.flatnonzero(works[index + 1 :])[:CHANCES] + 1
    beyond = max(len(works) - index, 1)
    return (*ahead.tolist(), *range(beyond, beyond + CHANCES - len(ahead)))


def _drive(area: Area, choice: Choice, said: Floats, plan: Plan, outcome: Outcome) -> Flags:
    """Plan and drive the day; which bins were emptied."""
    emptied = np.zeros(len(said), dtype=np.bool_)
    offered = np.flatnonzero(choice.required | (choice.prizes > 0))
    if not len(offered) or not (choice.required.any() or _pays(area, choice, offered)):
        return emptied
    solution = plan(
        Problem(
            travel=(area.travel,),
            candidates=tuple(
                Candidate(
                    device_id=str(place),
                    location=place,
                    volume_l=max(1, math.ceil(said[place] * area.volumes_l[place])),
                    weight_kg=0,
                    service_s=SERVICE_S,
                    required=bool(choice.required[place]),
                    prize=int(choice.prizes[place]),
                )
                for place in offered.tolist()
            ),
            sites=area.sites,
            vehicles=area.vehicles,
        )
    )
    outcome.tours += len(solution.tours)
    for tour in solution.tours:
        outcome.distance_m += tour.distance_m
        outcome.duration_s += tour.end_s - tour.start_s
        for visit in tour.visits:
            if visit.kind is VisitKind.STOP and visit.device_id is not None:
                emptied[int(visit.device_id)] = True
    outcome.stops += int(emptied.sum())
    outcome.not_reached += int((choice.required & ~emptied).sum())
    return emptied


def _pays(area: Area, choice: Choice, offered: Whole) -> bool:
    """Whether all prizes together are worth the shortest first way plus the shortest way home: no tour has less."""
    metres = area.travel.distances_m
    shortest = min(
        metres[vehicle.start, offered].min()
        + (metres[offered, site.location] + metres[site.location, vehicle.end]).min()
        for vehicle in area.vehicles
        for site in area.sites
    )
    return bool(choice.prizes[offered].sum() > shortest)
