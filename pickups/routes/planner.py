"""The day's tours for a pickup problem: screened, raced, timed with legal breaks, and checked before they are shown."""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from core.errors import PlanningError
from pickups.routes.checker import violations
from pickups.routes.construction import constructed
from pickups.routes.mixes import mixes
from pickups.routes.neighbourhoods import LARGE, orders_in_parts
from pickups.routes.orders import Order, Orders, tidied
from pickups.routes.problem import NO_ROOM, Candidate, LeftOut, Problem, Solution, Tour
from pickups.routes.race import Course, pressed, race, races
from pickups.routes.screening import unservable, usable
from pickups.routes.shift import break_due_s
from pickups.routes.solver_processes import Workers, open_workers
from pickups.routes.timing import cost, price, timed

NOT_WORTH: Final = "emptying it would cost more than it is worth today"
_REPAIRED_FROM: Final = 0.85
"""Share of the time after which tours without legal instants are searched anew, where there are windows."""
_HALF: Final = 0.5
"""Of the time, for what can be left out where not all seems to fit."""
_TIMED_ANSWERS: Final = 10
_WORTH_PROCESSES: Final = (60, 4.0)
"""Candidates and seconds from which on starting processes takes less time than it gains."""


def solve(
    problem: Problem,
    *,
    time_limit_s: float,
    seed: int,
    processes: int | None = None,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Solution:
    """The cheapest tours found that empty all required candidates and those optional ones that are worth their way.

    What cannot be emptied is left out with the reason. Searches run beside each other in `processes` (None: as many as
    there are cores; small problems in this one). The same problem, seed and number of processes give the same tours
    unless `time_limit_s` ends a search, which on a large problem it does.

    Args:
        problem: the day.
        time_limit_s: longest search; reading and checking the answer come on top.
        seed: of the search's random numbers.
        processes: how many searches at once.
        progress: told 0-1, growing, as the search goes on.
        cancelled: asked about ten times a second whether to give up.

    Raises:
        PlanningCancelledError: `cancelled` said so; no process is left over.
        PlanningError: no vehicle or no disposal site can be used (named, with the reason), or the tours found did not
            pass their check.
    """
    if not problem.candidates:
        return Solution(tours=(), left_out=(), cost=0)
    used = usable(problem)
    left_out = unservable(used)
    indices = tuple(index for index in range(len(used.candidates)) if index not in left_out)
    tours: list[Tour] = []
    if indices:
        look = _Look(time_limit_s, progress, cancelled)
        with open_workers(used, _processes(processes, len(indices), time_limit_s), look) as workers:
            tours = _tours(workers, used, indices, look.until, seed)
    solution = _solution(used, tours, left_out)
    wrong = violations(problem, solution)
    if wrong:
        raise PlanningError(f"the tours found did not pass their check: {'; '.join(wrong[:3])}")
    if progress:
        progress(1.0)
    return solution


class _Look:
    """Whether to give up; on the way it tells how much of the time has gone."""

    def __init__(
        self, time_limit_s: float, progress: Callable[[float], None] | None, cancelled: Callable[[], bool] | None
    ) -> None:
        self.until = time.monotonic() + time_limit_s
        self._time_limit_s = time_limit_s
        self._progress = progress
        self._cancelled = cancelled
        self._told = 0.0

    def __call__(self) -> bool:
        share = min(0.99, 1 - (self.until - time.monotonic()) / self._time_limit_s)
        if self._progress and share >= self._told + 0.01:
            self._told = share
            self._progress(share)
        return self._cancelled is not None and self._cancelled()


def _processes(wanted: int | None, candidates: int, time_limit_s: float) -> int:
    few, short_s = _WORTH_PROCESSES
    if candidates < few or time_limit_s < short_s:
        return 1
    return wanted or os.cpu_count() or 1


def _tours(workers: Workers, problem: Problem, indices: tuple[int, ...], until: float, seed: int) -> list[Tour]:
    """The best tours found; those without legal instants are searched anew with room for breaks in every window.

    Never worse than the tours that are built before the search.
    """
    begun = time.monotonic()
    first = constructed(problem, [index for index in indices if problem.candidates[index].required])
    waits = any(problem.candidates[index].windows for index in indices) or any(site.windows for site in problem.sites)
    course = Course(candidates=indices, until=begun + (until - begun) * (_REPAIRED_FROM if waits else 1.0), begin=first)
    tours, failed = _timed(problem, _orders(workers, problem, course, seed))
    if failed:
        rest = [kind.count - sum(tour.vehicle == kind.name for tour in tours) for kind in problem.vehicles]
        anew = Course(
            candidates=tuple(sorted(index for _, order in failed for index in order if index >= 0)),
            until=max(until, time.monotonic() + 0.5),
            soft=True,
            margin_s=break_due_s(max(kind.max_duration_s for kind in problem.vehicles), problem.breaks),
        )
        again = race(workers, anew, [tuple(rest)], seed)[0].orders
        better, failed = _timed(problem, again)
        tours += better
        tours += [tour for kind, order in failed if (tour := _shortened(problem, kind, order)) is not None]
    built, _ = _timed(problem, first)
    return min(tours, built, key=lambda found: price(problem, found, indices))


def _shortened(problem: Problem, kind: int, order: Order) -> Tour | None:
    """What is left of a tour when stops are dropped, the least valuable first, until there are legal instants."""
    while any(index >= 0 for index in order):
        tour = timed(problem, problem.vehicles[kind], order)
        if tour is not None:
            return tour
        stops = [index for index in order if index >= 0]
        gone = min(stops, key=lambda index: _weight(problem.candidates[index]))
        order = tidied(index for index in order if index != gone)
    return None


def _weight(candidate: Candidate) -> tuple[float, int]:
    return candidate.urgency * candidate.required, candidate.prize


def _orders(workers: Workers, problem: Problem, course: Course, seed: int) -> Orders:
    """The best orders found.

    Where the tours built do not serve all that is required, it is first asked what can be left out: on most such days
    something must be.
    """
    if not _serves_all(problem, course, course.begin):
        halfway = time.monotonic() + (course.until - time.monotonic()) * _HALF
        found = _found(workers, problem, replace(course, soft=True, until=halfway), seed)
        course = replace(course, begin=found or course.begin)
    course = replace(course, soft=not _serves_all(problem, course, course.begin))
    return _found(workers, problem, course, seed) or course.begin


def _serves_all(problem: Problem, course: Course, orders: Orders) -> bool:
    served = {index for _, order in orders for index in order}
    return all(index in served for index in course.candidates if problem.candidates[index].required)


def _found(workers: Workers, problem: Problem, course: Course, seed: int) -> Orders | None:
    """The best orders of a search, None if none keeps all rules; of the best few the one best with its instants."""
    tried = mixes(problem, course.candidates)
    if len(course.candidates) >= LARGE:
        return orders_in_parts(workers, problem, course, tried[-1], seed)
    found = pressed(workers, course, tried[-1], seed) if course.soft else races(workers, course, tried, seed)
    feasible = [outcome.orders for outcome in found if outcome.feasible]
    return min(
        dict.fromkeys(feasible[:_TIMED_ANSWERS]),
        key=lambda orders: price(problem, _timed(problem, orders)[0], course.candidates),
        default=None,
    )


def _timed(problem: Problem, orders: Orders) -> tuple[list[Tour], list[tuple[int, Order]]]:
    """The tours with instants, and the orders for which there are no legal ones."""
    tours: list[Tour] = []
    failed: list[tuple[int, Order]] = []
    for kind, order in orders:
        tour = timed(problem, problem.vehicles[kind], order)
        if tour is None:
            failed.append((kind, order))
        else:
            tours.append(tour)
    return tours, failed


def _solution(problem: Problem, tours: list[Tour], left_out: dict[int, LeftOut]) -> Solution:
    """Tours in a fixed order, what they leave out with the reason, and the cost of it all."""
    kinds = {kind.name: kind for kind in problem.vehicles}
    served = {visit.device_id for tour in tours for visit in tour.visits}
    missed = [
        left_out.get(index) or LeftOut(candidate.device_id, NO_ROOM if candidate.required else NOT_WORTH)
        for index, candidate in enumerate(problem.candidates)
        if candidate.device_id not in served
    ]
    prizes = {candidate.device_id: candidate.prize for candidate in problem.candidates}
    total = sum(cost(kinds[tour.vehicle], tour) for tour in tours) + sum(prizes[one.device_id] for one in missed)
    return Solution(
        tours=tuple(sorted(tours, key=lambda tour: (tour.vehicle, tour.start_s, tour.visits[0].device_id or ""))),
        left_out=tuple(missed),
        cost=total,
    )
