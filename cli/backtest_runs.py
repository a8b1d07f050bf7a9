"""Runs the policies of a backtest over all areas in parallel, and compares them at equal service."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np

from cli.backtest_data import Replayed
from cli.progress import progress_bar
from core.errors import InvalidInputError
from pickups.backtest.day_planner import DayPlanner
from pickups.backtest.policies import Fullest, Policy, PrizeCollecting, Threshold, fixed_rounds
from pickups.backtest.replay import Outcome, replay, total
from pickups.filling.policy_forecast import PlaceForecast

FAMILIES: Final = ("fixed", "threshold", "fullest", "ours")
_SHARES: Final = FAMILIES[:3]
MOST: Final = 100_000
"""A policy's number is no larger: kilometres an overflow is worth, or working days."""


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """A policy as the command line names it, with its numbers."""

    text: str
    family: str
    numbers: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """What a policy did on all areas."""

    policy: str
    family: str
    outcome: Outcome

    def figures(self) -> dict[str, Any]:
        """For files: kilometres, hours, shares 0-1."""
        outcome = self.outcome
        return {
            "policy": self.policy,
            "km": round(outcome.distance_m / 1000, 1),
            "hours": round(outcome.duration_s / 3600, 1),
            "tours": outcome.tours,
            "stops": outcome.stops,
            "not_reached": outcome.not_reached,
            "level_at_emptying": round(outcome.mean_level, 4) if outcome.stops else None,
            "overflow_days": outcome.overflow_days,
            "service_level": round(outcome.service_level, 5),
            "overflow_share": round(outcome.overflow_share, 5),
        }


@dataclass(frozen=True, slots=True)
class Saving:
    """The cheapest of ours that serves at least as well as another policy; `saved` share of its kilometres."""

    than: str
    ours: str | None
    saved: float | None

    @property
    def sentence(self) -> str:
        """The comparison in words, for people."""
        if self.ours is None or self.saved is None:
            return f"than {self.than}: none of ours serves as well"
        return f"than {self.than}: {self.ours} drives {self.saved:.0%} fewer km and serves no worse"


def savings(rows: Sequence[Row]) -> list[Saving]:
    """Ours against each other policy, at equal or better service.

    No more overflow days, and no larger share of the waste beside the bins.
    """
    ours = [row for row in rows if row.family == "ours"]
    found = []
    for other in (row for row in rows if row.family != "ours"):
        as_good = [
            row
            for row in ours
            if row.outcome.overflow_days <= other.outcome.overflow_days
            and row.outcome.overflow_share <= other.outcome.overflow_share
        ]
        best = min(as_good, key=lambda row: row.outcome.distance_m, default=None)
        if best is None or not other.outcome.distance_m:
            found.append(Saving(other.policy, None, None))
        else:
            saved = 1 - best.outcome.distance_m / other.outcome.distance_m
            found.append(Saving(other.policy, best.policy, round(saved, 4)))
    return found


def read_policy(text: str) -> PolicySpec:
    """The policy that a text names: `fixed:0.98`, `threshold:0.75`, `fullest:0.2`, `ours:20`, `ours:20:0.5:4`.

    Raises:
        InvalidInputError: it is none of these.
    """
    family, _, rest = text.partition(":")
    try:
        numbers = tuple(float(number) for number in rest.split(":"))
    except ValueError:
        numbers = ()
    most = 1 if family in _SHARES else 3
    is_share = family not in _SHARES or all(0 < number <= 1 for number in numbers)
    if (
        family not in FAMILIES
        or not 1 <= len(numbers) <= most
        or not is_share
        or not all(0 <= number <= MOST for number in numbers)
    ):
        raise InvalidInputError(
            f"--policy: {text[:80]!r} is none of fixed:SERVICE, threshold:LEVEL, fullest:SHARE (0-1)"
            " and ours:RHO_KM[:SOON_KM[:LOOK_AHEAD]]"
        )
    return PolicySpec(text, family, numbers)


def build_policy(spec: PolicySpec, part: Replayed, start: date) -> Policy:
    """A new policy for an area; fixed rounds are set by what came in before `start`."""
    first, *more = spec.numbers
    match spec.family:
        case "fixed":
            past = part.deposits.index(start)
            deposits = part.deposits
            return fixed_rounds(deposits.shares[:past], deposits.first_day, part.works[:past], first)
        case "threshold":
            return Threshold(spec.text, first)
        case "fullest":
            return Fullest(spec.text, int(np.ceil(first * len(part.area.volumes_l))))
        case _:
            soon, look_ahead = (*more, *(0.0, 3.0)[len(more) :])
            return PrizeCollecting(
                name=spec.text, learn=PlaceForecast, rho_m=first * 1000, soon_m=soon * 1000, look_ahead=int(look_ahead)
            )


def run(
    parts: Sequence[Replayed],
    specs: Sequence[PolicySpec],
    start: date,
    *,
    time_limit_s: float,
    seed: int,
    processes: int | None = None,
) -> list[Row]:
    """Every policy on every area, areas and policies in parallel; shows how far it is.

    The same input gives the same rows as long as the solver finds the same routes in its time.
    """
    jobs = [(number, part) for number in range(len(specs)) for part in parts]
    jobs.sort(key=lambda job: -len(job[1].area.volumes_l))
    outcomes: dict[int, list[Outcome]] = {number: [] for number in range(len(specs))}
    workers = min(processes or os.cpu_count() or 1, len(jobs))
    days = sum(part.deposits.days - part.deposits.index(start) for _, part in jobs)
    with progress_bar(gone_when_done=True) as progress:
        task = progress.add_task("driving", total=days)
        for number, outcome in _outcomes(jobs, specs, start, time_limit_s, seed, workers=workers):
            outcomes[number].append(outcome)
            progress.advance(task, outcome.days)
    return [Row(spec.text, spec.family, total(outcomes[number])) for number, spec in enumerate(specs)]


def _outcomes(
    jobs: Sequence[tuple[int, Replayed]],
    specs: Sequence[PolicySpec],
    start: date,
    time_limit_s: float,
    seed: int,
    *,
    workers: int,
) -> Iterator[tuple[int, Outcome]]:
    if workers == 1:
        for number, part in jobs:
            yield number, _replay(part, specs[number], start, time_limit_s, seed)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = {
            pool.submit(_replay, part, specs[number], start, time_limit_s, seed): number for number, part in jobs
        }
        try:
            for done in as_completed(running):
                yield running[done], done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _replay(part: Replayed, spec: PolicySpec, start: date, time_limit_s: float, seed: int) -> Outcome:
    area = part.area
    plan = DayPlanner(tuple(area.volumes_l.tolist()), time_limit_s, seed)
    policy = build_policy(spec, part, start)
    return replay(area, part.deposits, policy, part.works, plan, start=start, sensor=part.sensor, seed=seed)
