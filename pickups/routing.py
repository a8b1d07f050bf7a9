"""Routes for due bins: PyVRP over distances between depot, bins and disposal site; every plan is checked."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from pyvrp import Client, Depot, Location, ProblemData, Solution, VehicleType
from pyvrp.stop import MaxRuntime, MultipleCriteria, NoImprovement

from core.device import Municipality
from core.errors import PlanningError
from core.pickup import DueBin, DueReason
from pickups.checker import violations
from pickups.distance import SOURCE, LegM, Position, great_circle_leg_m, travel_s
from pickups.route_plan import (
    SERVICE_S,
    UNLOADING_S,
    PlannedRoute,
    PlannedStop,
    RoutePlan,
    Unplanned,
    ends,
    position,
)
from pickups.search import search

DEFAULT_TIME_LIMIT_S: Final = 10.0
MAX_IDLE_ITERATIONS: Final = 2_000
"""The search ends after so many iterations without a better plan; small days are over in a fraction of a second."""
NO_POSITION: Final = "no position"
NO_VEHICLE: Final = "no vehicle can take it: more than its capacity or shift allows"
NO_ROOM: Final = "the vehicles of this day have no room or time left"

_START, _END, _FIRST_BIN = 0, 1, 2
"""Locations of the model: the depot as the start, the depot reached over the disposal site as the end, the bins."""


def plan_routes(
    due: Sequence[DueBin],
    municipality: Municipality,
    *,
    seed: int = 0,
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
    progress: Callable[[float], None] | None = None,
    leg_m: LegM = great_circle_leg_m,
    distance_source: str = SOURCE,
) -> RoutePlan:
    """The shortest routes found that take all due bins, or as many as the vehicles can, the urgent ones before others.

    A route is depot, stops, disposal site (unloading), depot within one shift; each vehicle drives one. A bin counts
    with the volume of its container, not of its contents: it goes on filling until the vehicle is there. The same
    input and seed give the same plan unless `time_limit_s` ends the search early.

    Args:
        due: the bins to be emptied; those without a position, or that no vehicle can take, come back unplanned.
        municipality: depot, disposal site and vehicles.
        seed: of the search's random numbers.
        time_limit_s: longest search.
        progress: told 0-1, growing, as the search goes on.
        leg_m: the way between two positions in metres.
        distance_source: name of where `leg_m` has its distances from.

    Raises:
        PlanningError: the municipality has no depot, no vehicle, or two kinds of vehicle of one name; or the plan found
            did not pass its check.
    """
    ends(municipality)
    if not any(vehicle.count > 0 for vehicle in municipality.vehicles):
        raise PlanningError(f"municipality {municipality.municipality} has no vehicle")
    names = [vehicle.name for vehicle in municipality.vehicles]
    if len(set(names)) < len(names):
        raise PlanningError(f"municipality {municipality.municipality} has several kinds of vehicle of one name")
    problem = _Problem(due, municipality, leg_m)
    routes = problem.solve(seed, time_limit_s, progress) if problem.bins else ()
    planned = {stop.bin.device_id for route in routes for stop in route.stops}
    left_out = [Unplanned(bin_.device_id, NO_ROOM) for bin_ in problem.bins if bin_.device_id not in planned]
    plan = RoutePlan(routes, (*problem.unplanned, *left_out), distance_source)
    wrong = violations(plan, due, municipality, leg_m)
    if wrong:
        raise PlanningError(f"the plan for {municipality.municipality} did not pass its check: {'; '.join(wrong[:3])}")
    if progress:
        progress(1.0)
    return plan


class _Problem:
    """One municipality's day as PyVRP sees it: whole metres, seconds and litres."""

    def __init__(self, due: Sequence[DueBin], municipality: Municipality, leg_m: LegM) -> None:
        depot, disposal = ends(municipality)
        self._home: Position = (depot.latitude, depot.longitude)
        self._tip: Position = (disposal.latitude, disposal.longitude)
        self._leg_m = leg_m
        self._vehicles = [vehicle for vehicle in municipality.vehicles if vehicle.count > 0]
        self.bins: list[DueBin] = []
        self.unplanned: list[Unplanned] = []
        places: list[Position] = []
        for bin_ in due:
            place = position(bin_)
            if place is None:
                self.unplanned.append(Unplanned(bin_.device_id, NO_POSITION))
            elif not self._fits_alone(bin_, place):
                self.unplanned.append(Unplanned(bin_.device_id, NO_VEHICLE))
            else:
                self.bins.append(bin_)
                places.append(place)
        self._distances, self._durations = self._matrices(places)

    def solve(
        self, seed: int, time_limit_s: float, progress: Callable[[float], None] | None
    ) -> tuple[PlannedRoute, ...]:
        """The routes found; all bins if that is possible, else those worth most."""
        if self._demand_l() <= sum(math.floor(vehicle.capacity_l) * vehicle.count for vehicle in self._vehicles):
            solution = self._search(self._data(required=True), seed, time_limit_s, progress)
            if solution.is_feasible():
                return self._routes(solution)
        solution = self._search(self._data(required=False), seed, time_limit_s, progress)
        if not solution.is_feasible():
            raise PlanningError(f"no routes found within {time_limit_s:g} s")
        return self._routes(solution)

    def _fits_alone(self, bin_: DueBin, place: Position) -> bool:
        out, to_tip, home = self._leg_m(self._home, place), self._leg_m(place, self._tip), self._home_m()
        duration_s = travel_s(out) + SERVICE_S + travel_s(to_tip) + UNLOADING_S + travel_s(home)
        return any(
            _litres(bin_) <= math.floor(vehicle.capacity_l) and duration_s <= vehicle.shift_s
            for vehicle in self._vehicles
        )

    def _home_m(self) -> int:
        return self._leg_m(self._tip, self._home)

    def _demand_l(self) -> int:
        return sum(_litres(bin_) for bin_ in self.bins)

    def _matrices(self, places: list[Position]) -> tuple[np.ndarray, np.ndarray]:
        """Distances and durations between locations; ways to the end lead over the disposal site and unload there.

        Without that the solver would drive home loaded.
        """
        here = [self._home, self._home, *places]
        distances = np.array([[self._leg_m(start, end) for end in here] for start in here], dtype=np.int64)
        durations = np.array([[travel_s(int(metres)) for metres in row] for row in distances], dtype=np.int64)
        home_m = self._home_m()
        for row, start in enumerate(places, start=_FIRST_BIN):
            to_tip = self._leg_m(start, self._tip)
            distances[row, _END] = to_tip + home_m
            durations[row, _END] = travel_s(to_tip) + UNLOADING_S + travel_s(home_m)
        np.fill_diagonal(distances, 0)
        np.fill_diagonal(durations, 0)
        return distances, durations

    def _data(self, *, required: bool) -> ProblemData:
        return ProblemData(
            locations=[Location(0, 0) for _ in range(len(self.bins) + _FIRST_BIN)],
            clients=[
                Client(
                    location=index,
                    pickup=[_litres(bin_)],
                    service_duration=SERVICE_S,
                    required=required,
                    prize=0 if required else self._prize(bin_),
                )
                for index, bin_ in enumerate(self.bins, start=_FIRST_BIN)
            ],
            depots=[Depot(location=_START), Depot(location=_END)],
            vehicle_types=[
                VehicleType(
                    num_available=vehicle.count,
                    capacity=[math.floor(vehicle.capacity_l)],
                    start_depot=_START,
                    end_depot=_END,
                    shift_duration=vehicle.shift_s,
                )
                for vehicle in self._vehicles
            ],
            distance_matrices=[self._distances],  # type: ignore[list-item] # pyvrp's stubs misname the type
            duration_matrices=[self._durations],  # type: ignore[list-item]
        )

    def _prize(self, bin_: DueBin) -> int:
        """Metres that leaving this bin out costs: more than any way could save, and more the fuller it is.

        Any bin on its own trip costs at most the longest two legs; a bin over its threshold or asked for is worth ten
        that are only expected to be.
        """
        longest = 2 * int(self._distances.max()) + 1
        urgent = DueReason.ABOVE_THRESHOLD in bin_.reasons or DueReason.REQUESTED in bin_.reasons
        level = bin_.filling_level if bin_.filling_level is not None else 1.0
        return round(longest * (10 if urgent else 1) * (1 + level))

    def _search(
        self, data: ProblemData, seed: int, time_limit_s: float, progress: Callable[[float], None] | None
    ) -> Solution:
        stop = MultipleCriteria([_NoImprovement(progress), MaxRuntime(time_limit_s)])
        return search(data, stop, seed)

    def _routes(self, solution: Solution) -> tuple[PlannedRoute, ...]:
        routes = [
            self._route(
                self._vehicles[route.vehicle_type()].name,
                [activity.idx for activity in route if activity.is_client()],
            )
            for route in solution.routes()
        ]
        return tuple(sorted(routes, key=lambda route: (route.vehicle, route.stops[0].bin.device_id)))

    def _route(self, vehicle: str, bins: list[int]) -> PlannedRoute:
        locations = [_START, *(index + _FIRST_BIN for index in bins)]
        stops: list[PlannedStop] = []
        metres = seconds = 0
        for (start, end), index in zip(pairwise(locations), bins, strict=True):
            metres += int(self._distances[start, end])
            seconds += int(self._durations[start, end])
            stops.append(PlannedStop(self.bins[index], arrival_s=seconds, distance_m=metres))
            seconds += SERVICE_S
        metres += int(self._distances[locations[-1], _END])
        seconds += int(self._durations[locations[-1], _END])
        return PlannedRoute(vehicle, tuple(stops), metres, seconds, sum(stop.bin.volume_l for stop in stops))


class _NoImprovement:
    """Stops after `MAX_IDLE_ITERATIONS` without a better plan and tells how near to that the search is."""

    def __init__(self, progress: Callable[[float], None] | None) -> None:
        self._criterion = NoImprovement(MAX_IDLE_ITERATIONS)
        self._progress = progress
        self._best: int | None = None
        self._idle = 0
        self._told = 0.0

    def __call__(self, best_cost: int) -> bool:
        if self._best is None or best_cost < self._best:
            self._best, self._idle = best_cost, 0
        else:
            self._idle += 1
        share = self._idle / MAX_IDLE_ITERATIONS
        if self._progress and share >= self._told + 0.05:
            self._told = share
            self._progress(min(0.99, share))
        return self._criterion(best_cost)


def _litres(bin_: DueBin) -> int:
    return math.ceil(bin_.volume_l)
