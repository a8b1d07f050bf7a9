"""A pickup problem as PyVRP sees it, and its answers back as plain orders of stops.

PyVRP knows neither "empty before home" nor breaks nor several windows of one place. The way to a vehicle's end leads
over the disposal site that is cheapest from each bin, with unloading on it; breaks are reserved in the shift and put
in afterwards (`pickups.routes.timing`); a place with several windows is a group of clients of which one is served.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from pyvrp import (
    Activity,
    ActivityType,
    Client,
    ClientGroup,
    Depot,
    Location,
    ProblemData,
    Route,
    Solution,
    VehicleType,
)

from pickups.routes.orders import Order, Orders, tidied
from pickups.routes.problem import Candidate, Problem, Site, VehicleKind, Window
from pickups.routes.shift import longest_work_s
from pickups.routes.windows import joined, within

Mix = tuple[int, ...]
"""How many vehicles of each kind are offered."""

FOREVER: Final = np.iinfo(np.int64).max
UNREACHABLE: Final = 10**8
"""Metres or seconds of a way that does not exist; 64-bit sums of many of them still hold."""
_DEPOT, _CLIENT = ActivityType.DEPOT, ActivityType.CLIENT


@dataclass(frozen=True, slots=True)
class _Service:
    """One way to serve a candidate: its index and the window used (None: any time)."""

    candidate: int
    window: Window | None


class PyvrpModel:
    """The candidates with the given indices, for any mix of the vehicles.

    `soft`: required candidates may be left out at a price above any detour, for days on which not all fit.
    `margin_s`: windows end so much earlier, as room for a break.
    """

    def __init__(self, problem: Problem, candidates: Sequence[int], *, soft: bool = False, margin_s: int = 0) -> None:
        self._problem = problem
        self._soft = soft
        self._margin_s = margin_s
        self._services = [
            _Service(index, window)
            for index in candidates
            for window in (_windows(problem, problem.candidates[index], margin_s) or (None,))
        ]
        self._starts = sorted({kind.start for kind in problem.vehicles})
        self._openings = [
            (index, window)
            for index, site in enumerate(problem.sites)
            for window in (joined(site.windows) or (None,))
            if not all(site.location in travel.unreachable for travel in problem.travel)
        ]
        self._first_client = len(self._starts) + len(self._openings) + len(problem.vehicles)
        self._service_of: dict[int, list[int]] = {}
        for number, service in enumerate(self._services):
            self._service_of.setdefault(service.candidate, []).append(number)
        self._accesses = sorted(
            {access for index in candidates if (access := problem.candidates[index].vehicles) is not None}, key=sorted
        )
        self._weighs = any(kind.capacity_kg is not None for kind in problem.vehicles)
        self._penalty = self._above_any_way() if soft else 0
        self._data = self._build()

    def data(self, mix: Mix) -> ProblemData:
        """The model with so many vehicles of each kind; a kind of which there is none is not in it."""
        return self._data.replace(
            vehicle_types=[self._vehicle_type(kind, count) for kind, count in enumerate(mix) if count > 0]
        )

    def orders(self, solution: Solution, mix: Mix) -> Orders:
        """A solution as plain orders."""
        kinds = [kind for kind, count in enumerate(mix) if count > 0]
        return tuple(
            (kinds[route.vehicle_type()], self._order(list(route)[1:-1]))
            for route in solution.routes()
            if any(activity.is_client() for activity in route)
        )

    def solution(self, orders: Orders, mix: Mix, data: ProblemData) -> Solution | None:
        """Orders as a solution to start from; None if the mix has not so many vehicles."""
        kinds = [kind for kind, count in enumerate(mix) if count > 0]
        used = [sum(kind == one for one, _ in orders) for kind in range(len(mix))]
        if any(count > offered for count, offered in zip(used, mix, strict=True)):
            return None
        routes = [Route(data, list(self._activities(kind, order)), kinds.index(kind)) for kind, order in orders]
        return Solution(data, routes)

    def _order(self, activities: Sequence[Activity]) -> Order:
        return tidied(
            self._services[activity.idx].candidate
            if activity.is_client()
            else -1 - self._openings[activity.idx - len(self._starts)][0]
            for activity in activities
        )

    def _activities(self, number: int, order: Order) -> Iterable[Activity]:
        """Clients and depots; of several windows of a place the first that can still be met."""
        kind = self._problem.vehicles[number]
        durations = self._problem.travel[kind.travel].durations_s
        at_s, here = kind.earliest_s, kind.start
        for what in order:
            if what >= 0:
                there, service_s = self._problem.candidates[what].location, self._problem.candidates[what].service_s
                choices = [(service, self._services[service].window) for service in self._service_of[what]]
            else:
                site = self._problem.sites[-1 - what]
                there, service_s = site.location, site.unload_s
                choices = [
                    (len(self._starts) + opening, window)
                    for opening, (index, window) in enumerate(self._openings)
                    if index == -1 - what
                ]
            at_s += int(durations[here, there])
            chosen, window = next(
                (choice for choice in choices if choice[1] is None or at_s <= choice[1].end_s), choices[-1]
            )
            yield Activity(_CLIENT if what >= 0 else _DEPOT, chosen)
            at_s, here = max(at_s, window.start_s if window else 0) + service_s, there

    def _build(self) -> ProblemData:
        """Locations: starts, disposal sites (once per window), ends (one per kind of vehicle), services."""
        problem = self._problem
        places = [
            *self._starts,
            *(problem.sites[site].location for site, _ in self._openings),
            *(kind.end for kind in problem.vehicles),
            *(problem.candidates[service.candidate].location for service in self._services),
        ]
        distances, durations = zip(
            *(self._matrices(profile, places) for profile in range(len(problem.travel))), strict=True
        )
        ends = len(self._starts) + len(self._openings)
        depots = [
            *(Depot(location=number) for number in range(len(self._starts))),
            *(
                _opening(problem.sites[site], window, number)
                for number, (site, window) in enumerate(self._openings, start=len(self._starts))
            ),
            *(Depot(location=ends + kind) for kind in range(len(problem.vehicles))),
        ]
        groups: list[ClientGroup] = []
        clients: list[Client] = []
        for numbers in self._service_of.values():
            candidate = problem.candidates[self._services[numbers[0]].candidate]
            group = None
            if len(numbers) > 1:
                group = len(groups)
                groups.append(ClientGroup(numbers, required=candidate.required and not self._soft))
            clients += [self._client(candidate, number, group) for number in numbers]
        return ProblemData(
            locations=[Location(0, 0) for _ in places],
            clients=clients,
            depots=depots,
            vehicle_types=[self._vehicle_type(kind, 1) for kind in range(len(problem.vehicles))],
            distance_matrices=list(distances),
            duration_matrices=list(durations),
            groups=groups,
        )

    def _client(self, candidate: Candidate, number: int, group: int | None) -> Client:
        window = self._services[number].window
        loads = [candidate.volume_l]
        if self._weighs:
            loads.append(candidate.weight_kg)
        loads += [int(candidate.vehicles == access) for access in self._accesses]
        required = candidate.required and not self._soft
        return Client(
            location=self._first_client + number,
            pickup=loads,
            service_duration=candidate.service_s,
            required=required and group is None,
            prize=0 if required else candidate.prize + round(self._penalty * candidate.urgency * candidate.required),
            group=group,
            tw_early=window.start_s if window else 0,
            tw_late=window.end_s if window else FOREVER,
        )

    def _above_any_way(self) -> int:
        """More than any vehicle costs for the longest way there and back and an hour."""
        longest = []
        for kind in self._problem.vehicles:
            travel = self._problem.travel[kind.travel]
            known = [place for place in range(len(travel.distances_m)) if place not in travel.unreachable]
            metres, seconds = (int(m[np.ix_(known, known)].max()) for m in (travel.distances_m, travel.durations_s))
            longest.append(kind.fixed_cost + 4 * metres * kind.cost_per_m + (4 * seconds + 3600) * kind.cost_per_s)
        return max(longest) + 1

    def _vehicle_type(self, number: int, count: int) -> VehicleType:
        kind = self._problem.vehicles[number]
        unlimited = sum(candidate.weight_kg for candidate in self._problem.candidates) + 1
        capacity = [kind.capacity_l]
        if self._weighs:
            capacity.append(unlimited if kind.capacity_kg is None else kind.capacity_kg)
        capacity += [len(self._services) if kind.name in access else 0 for access in self._accesses]
        sites = range(len(self._starts), len(self._starts) + len(self._openings))
        return VehicleType(
            num_available=count,
            capacity=capacity,
            start_depot=self._starts.index(kind.start),
            end_depot=len(self._starts) + len(self._openings) + number,
            fixed_cost=kind.fixed_cost,
            tw_early=kind.earliest_s,
            tw_late=max(kind.earliest_s, kind.latest_s - self._margin_s),
            shift_duration=longest_work_s(kind, self._problem.breaks),
            unit_distance_cost=kind.cost_per_m,
            unit_duration_cost=kind.cost_per_s,
            profile=kind.travel,
            reload_depots=list(sites),
        )

    def _matrices(self, profile: int, places: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Distances and durations between the model's locations; each way from a bin to an end unloads on the way."""
        travel = self._problem.travel[profile]
        distances = travel.distances_m[np.ix_(places, places)].astype(np.int64)
        durations = travel.durations_s[np.ix_(places, places)].astype(np.int64)
        cut_off = [number for number, place in enumerate(places) if place in travel.unreachable]
        sites = sorted({site for site, _ in self._openings})
        first_end = len(self._starts) + len(self._openings)
        for number, kind in enumerate(self._problem.vehicles):
            end = first_end + number
            over = [
                self._over(profile, places[self._first_client :], self._problem.sites[site], kind) for site in sites
            ]
            costs = np.array(
                [kind.cost_per_m * metres + kind.cost_per_s * seconds + 1e-6 * seconds for metres, seconds in over]
            )
            best = costs.argmin(axis=0)
            rows = np.arange(len(best))
            distances[self._first_client :, end] = np.array([metres for metres, _ in over])[best, rows]
            durations[self._first_client :, end] = np.array([seconds for _, seconds in over])[best, rows]
        for matrix in (distances, durations):
            matrix[cut_off, :] = UNREACHABLE
            matrix[:, cut_off] = UNREACHABLE
            np.fill_diagonal(matrix, 0)
        return distances, durations

    def _over(self, profile: int, places: list[int], site: Site, kind: VehicleKind) -> tuple[np.ndarray, np.ndarray]:
        """Metres and seconds from each place over a disposal site, unloading there, to the end."""
        travel = self._problem.travel[profile]
        if site.location in travel.unreachable:
            return np.full(len(places), UNREACHABLE), np.full(len(places), UNREACHABLE)
        metres = travel.distances_m[places, site.location] + travel.distances_m[site.location, kind.end]
        seconds = (
            travel.durations_s[places, site.location] + site.unload_s + travel.durations_s[site.location, kind.end]
        )
        return metres, seconds


def _opening(site: Site, window: Window | None, location: int) -> Depot:
    if window is None:
        return Depot(location=location, service_duration=site.unload_s)
    return Depot(location=location, service_duration=site.unload_s, tw_early=window.start_s, tw_late=window.end_s)


def _windows(problem: Problem, candidate: Candidate, margin_s: int) -> tuple[Window, ...]:
    """The windows that lie in some shift, each shortened by the margin but for its first second."""
    earliest = min(kind.earliest_s for kind in problem.vehicles)
    latest = max(kind.latest_s for kind in problem.vehicles)
    return tuple(
        Window(window.start_s, max(window.start_s, window.end_s - margin_s))
        for window in within(joined(candidate.windows), earliest, latest)
    )
