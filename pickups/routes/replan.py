"""A day planned again while vehicles are out: what is done stays, new bins come in where they cost least.

The rest of a route keeps its order but for stops whose move saves a stated margin: drivers know their way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from core.errors import PlanningError
from pickups.routes.orders import Order, carries, lasts, location, tidied
from pickups.routes.problem import NO_ROOM, LeftOut, Problem, Solution, Tour, VehicleKind
from pickups.routes.screening import unservable
from pickups.routes.timing import cost, timed

MAX_MOVES: Final = 20
TRIED: Final = 10
"""So many of the cheapest places, and of the best moves, are tried: most that fail do so for the same full shift."""


@dataclass(frozen=True, slots=True)
class Underway:
    """A vehicle: its kind (index), what it has done, and what it was still to do; both empty: not used yet."""

    kind: int
    done: Order
    rest: Order


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a stop could go: in which route, before which of its items, at what extra cost."""

    cost: int
    route: int
    index: int


def continued(problem: Problem, vehicles: Sequence[Underway], new: Sequence[int], *, margin: int) -> Solution:
    """The day's tours from their start to their end.

    Stops at the end of a route that can no longer be reached in its shift are offered to the others, as new ones are.

    Args:
        problem: the whole day; candidates done are required, at no particular time.
        vehicles: all that may be used, one by one.
        new: candidates (by index) that are on no route yet.
        margin: what moving a stop must save, in the problem's unit of cost.

    Raises:
        PlanningError: what a vehicle has done is more than its load or shift allows; names it.
    """
    day = _Day(problem, vehicles)
    impossible = {index: left_out for index, left_out in unservable(problem).items() if index in new}
    homeless = [*day.shorten(), *(index for index in new if index not in impossible)]
    required = [index for index in homeless if problem.candidates[index].required]
    left = [index for index in required if not day.insert(index)]
    day.improve(margin)
    optional = [index for index in homeless if not problem.candidates[index].required]
    left += [index for index in optional if not day.insert(index, below=problem.candidates[index].prize)]
    tours = tuple(day.tours())
    missed = sum(problem.candidates[index].prize for index in (*left, *impossible))
    kinds = {kind.name: kind for kind in problem.vehicles}
    return Solution(
        tours=tours,
        left_out=(
            *impossible.values(),
            *(LeftOut(problem.candidates[index].device_id, NO_ROOM) for index in sorted(left)),
        ),
        cost=missed + sum(cost(kinds[tour.vehicle], tour) for tour in tours),
    )


class _Day:
    """The routes as they change."""

    def __init__(self, problem: Problem, vehicles: Sequence[Underway]) -> None:
        self._problem = problem
        self._kinds = [problem.vehicles[each.kind] for each in vehicles]
        self._fixed = [len(each.done) for each in vehicles]
        self._orders = [tidied((*each.done, *each.rest), len(each.done)) for each in vehicles]
        self._ways = {kind.name: _ways(problem, kind) for kind in self._kinds}
        for route, kind in enumerate(self._kinds):
            done = self._orders[route][: self._fixed[route]]
            if done and not self._is_legal(kind, done):
                raise PlanningError(f"vehicle {kind.name}: what it has done is more than its load or shift allows")

    def tours(self) -> Iterator[Tour]:
        """Of the vehicles that have something to do."""
        for kind, order in zip(self._kinds, self._orders, strict=True):
            tour = timed(self._problem, kind, order) if order else None
            if tour is not None:
                yield tour

    def shorten(self) -> list[int]:
        """Take off the ends of routes what can no longer be done; the candidates taken off."""
        taken = []
        for route, kind in enumerate(self._kinds):
            while len(self._orders[route]) > self._fixed[route] and not self._is_legal(kind, self._orders[route]):
                *kept, last = self._orders[route]
                self._orders[route] = tidied(kept, self._fixed[route])
                taken += [last] if last >= 0 else []
        return taken

    def insert(self, candidate: int, below: int | None = None) -> bool:
        """Put a candidate where it costs least; False: nowhere, or not `below` a price."""
        for place in self._places(candidate, self._orders):
            if below is not None and place.cost >= below:
                return False
            if self._put(candidate, place, sites=len(self._problem.sites)):
                return True
        return False

    def improve(self, margin: int) -> None:
        """Move single stops as long as that saves the margin, the best move first."""
        for _ in range(MAX_MOVES):
            if not self._move(margin):
                return

    def _move(self, margin: int) -> bool:
        moves = []
        for route, order in enumerate(self._orders):
            for index in range(self._fixed[route], len(order)):
                if order[index] < 0:
                    continue
                without = [*self._orders]
                without[route] = order[:index] + order[index + 1 :]
                back = self._extra(route, without[route], index, order[index])
                for place in self._places(order[index], without):
                    if back - place.cost < margin:
                        break
                    moves.append((place.cost - back, route, index, place))
        for _, route, index, place in sorted(moves, key=lambda move: move[:3])[:TRIED]:
            before = [*self._orders]
            candidate = self._orders[route][index]
            self._orders[route] = self._orders[route][:index] + self._orders[route][index + 1 :]
            is_tidy = self._orders[route] == tidied(self._orders[route], self._fixed[route])
            if is_tidy and self._put(candidate, place, sites=0):
                return True
            self._orders = before
        return False

    def _put(self, candidate: int, place: _Place, *, sites: int) -> bool:
        """Put a candidate at a place; where the load is too much, with unloading at one of so many sites."""
        kind, order = self._kinds[place.route], self._orders[place.route]
        head, tail = order[: place.index], order[place.index :]
        tries: list[Order] = [(*head, candidate, *tail)]
        for site in range(sites):
            tries += [(*head, -1 - site, candidate, *tail), (*head, candidate, -1 - site, *tail)]
        for trial in tries:
            if trial == tidied(trial, self._fixed[place.route]) and self._is_legal(kind, trial):
                self._orders[place.route] = trial
                return True
        return False

    def _places(self, candidate: int, orders: Sequence[Order]) -> list[_Place]:
        """The cheapest places for a candidate among the vehicles that may go there."""
        access, there = self._problem.candidates[candidate].vehicles, self._problem.candidates[candidate].location
        found: list[_Place] = []
        for route, order in enumerate(orders):
            if access is not None and self._kinds[route].name not in access:
                continue
            if there in self._problem.travel[self._kinds[route].travel].unreachable:
                continue
            extra = self._extras(route, order, candidate)
            if not order:
                extra = extra + self._kinds[route].fixed_cost
            indices = range(self._fixed[route], len(order) + 1)
            found += [_Place(int(extra[index]), route, index) for index in indices]
        return sorted(found, key=lambda place: (place.cost, place.route, place.index))[:TRIED]

    def _extra(self, route: int, order: Order, index: int, candidate: int) -> int:
        return int(self._extras(route, order, candidate)[index]) + (0 if order else self._kinds[route].fixed_cost)

    def _extras(self, route: int, order: Order, candidate: int) -> npt.NDArray[np.int64]:
        """What a candidate costs before each item of an order and at its end, ways and service."""
        kind, (between, home) = self._kinds[route], self._ways[self._kinds[route].name]
        there = self._problem.candidates[candidate].location
        places = np.array([kind.start, *(location(self._problem, what) for what in order)])
        leaving, coming = between[places, there], np.append(between[there, places[1:]], home[there])
        direct = np.append(between[places[:-1], places[1:]], home[places[-1]] if order else 0)
        service = kind.cost_per_s * self._problem.candidates[candidate].service_s
        extra: npt.NDArray[np.int64] = leaving + coming - direct + service
        return extra

    def _is_legal(self, kind: VehicleKind, order: Order) -> bool:
        problem = self._problem
        return carries(problem, kind, order) and lasts(problem, kind, order) and timed(problem, kind, order) is not None


def _ways(problem: Problem, kind: VehicleKind) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Costs between locations, and from each home over the cheapest disposal site."""
    travel = problem.travel[kind.travel]
    between = kind.cost_per_m * travel.distances_m + kind.cost_per_s * travel.durations_s
    sites = [site for site in problem.sites if site.location not in travel.unreachable]
    over = [
        between[:, site.location] + kind.cost_per_s * site.unload_s + between[site.location, kind.end] for site in sites
    ]
    return between, np.min(over, axis=0)
