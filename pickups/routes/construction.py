"""Tours built stop by stop before any search: a day with more bins than its vehicles can empty has full tours at once.

Cheapest insertion (Rosenkrantz, Stearns and Lewis 1977), by the seconds that a stop takes for what it is worth: so many
bins as find room, urgent ones first. A search then goes on from these tours; one that is ended at once gives them.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from pickups.routes.orders import Order, Orders, carries, lasts, location, tidied, work_s
from pickups.routes.problem import Problem
from pickups.routes.shift import longest_work_s
from pickups.routes.timing import timed

_TRIED: Final = 3
"""Places in a tour that are tried for a stop, the nearest first; most that fail do so for the same full shift."""
_TRIED_WITH_WINDOWS: Final = 12

_Seconds = npt.NDArray[np.int64]


def constructed(problem: Problem, candidates: Sequence[int]) -> Orders:
    """Legal tours of as many candidates (by index) as find room; a vehicle that finds nothing to do has none."""
    chosen = np.array(candidates, dtype=np.int64)
    urgency = np.array([problem.candidates[index].urgency for index in candidates])
    is_left = np.ones(len(chosen), dtype=np.bool_)
    tours = [_Tour(problem, number, chosen) for number, kind in enumerate(problem.vehicles) if kind.count > 0]
    spare = [kind.count - 1 for kind in problem.vehicles]
    prices = np.array([tour.prices_s(is_left) / urgency for tour in tours])
    while np.isfinite(prices).any():
        number, place = divmod(int(prices.argmin()), len(is_left))
        tour = tours[number]
        is_first = not tour.order
        if not tour.insert(place):
            prices[number, place] = np.inf
            continue
        is_left[place] = False
        if is_first and spare[tour.kind]:  # one empty vehicle of each kind stands for all
            spare[tour.kind] -= 1
            tours.append(_Tour(problem, tour.kind, chosen))
            prices = np.vstack([prices, tours[-1].prices_s(is_left) / urgency])
        prices[:, place] = np.inf
        prices[number] = tour.prices_s(is_left) / urgency
    return tuple((tour.kind, tour.order) for tour in tours if tour.order)


class _Tour:
    """One vehicle's tour as it grows; candidates go by their place among those chosen."""

    def __init__(self, problem: Problem, kind: int, chosen: npt.NDArray[np.int64]) -> None:
        self.kind = kind
        self.order: Order = ()
        self._problem = problem
        self._vehicle = problem.vehicles[kind]
        travel = problem.travel[self._vehicle.travel]
        self._durations_s = travel.durations_s
        self._chosen = chosen
        stops = [problem.candidates[index] for index in chosen.tolist()]
        self._there = np.array([stop.location for stop in stops], dtype=np.int64)
        self._service_s = np.array([stop.service_s for stop in stops], dtype=np.int64)
        self._litres = np.array([stop.volume_l for stop in stops], dtype=np.int64)
        self._kilograms = np.array([stop.weight_kg for stop in stops], dtype=np.int64)
        self._may = np.array(
            [
                stop.location not in travel.unreachable
                and (stop.vehicles is None or self._vehicle.name in stop.vehicles)
                for stop in stops
            ],
            dtype=np.bool_,
        )
        self._sites = [number for number, site in enumerate(problem.sites) if site.location not in travel.unreachable]
        at = np.array([problem.sites[site].location for site in self._sites])
        unload_s = np.array([problem.sites[site].unload_s for site in self._sites])
        self._home_s = (self._durations_s[:, at] + unload_s + self._durations_s[at, self._vehicle.end]).min(axis=1)
        self._unloading_s = (self._durations_s[:, at] + unload_s + self._durations_s[at, :].T).min(axis=1)
        self._longest_s = longest_work_s(self._vehicle, problem.breaks)

    def prices_s(self, is_left: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """Seconds that each candidate would take where it takes least; infinite: it finds no room, or is not left."""
        prices = np.full(len(self._chosen), np.inf)
        asked = np.flatnonzero(is_left & self._may)
        if len(asked):
            least_s = self._extras_s(asked).min(axis=0)
            slack_s = self._longest_s - (work_s(self._problem, self._vehicle, self.order) if self.order else 0)
            prices[asked] = np.where(least_s <= slack_s, least_s, np.inf)
        return prices

    def insert(self, place: int) -> bool:
        """Put a candidate in where it takes least; False: it finds no room here, and will find none later."""
        candidate = int(self._chosen[place])
        extras_s = self._extras_s(np.array([place]))[:, 0]
        windows = any(self._windows(what) for what in (candidate, *self.order))
        for index in np.argsort(extras_s, kind="stable")[: _TRIED_WITH_WINDOWS if windows else _TRIED].tolist():
            for trial in self._trials(candidate, index):
                if lasts(self._problem, self._vehicle, trial) and timed(self._problem, self._vehicle, trial):
                    self.order = trial
                    return True
        self._may[place] = False
        return False

    def _trials(self, candidate: int, index: int) -> Iterator[Order]:
        """The orders with a candidate before an item; where the load is too much, with unloading beside it."""
        head, tail = self.order[:index], self.order[index:]
        plain = (*head, candidate, *tail)
        if carries(self._problem, self._vehicle, plain):
            yield plain
            return
        for site in self._sites:
            for order in ((*head, -1 - site, candidate, *tail), (*head, candidate, -1 - site, *tail)):
                if order == tidied(order) and carries(self._problem, self._vehicle, order):
                    yield order

    def _windows(self, what: int) -> bool:
        return bool(self._problem.candidates[what].windows if what >= 0 else self._problem.sites[-1 - what].windows)

    def _extras_s(self, places: npt.NDArray[np.int64]) -> _Seconds:
        """What candidates (columns) would take before each item of the tour and at its end (rows), in seconds."""
        there = self._there[places]
        route = np.array([self._vehicle.start, *(location(self._problem, what) for what in self.order)])
        between = self._durations_s
        leaving = between[np.ix_(route, there)]
        coming = np.vstack([between[np.ix_(there, route[1:])].T, self._home_s[there][None, :]])
        direct = np.append(between[route[:-1], route[1:]], self._home_s[route[-1]] if self.order else 0)
        free_l, free_kg = self._free()
        is_full = (self._litres[places][None, :] > free_l[:, None]) | (
            self._kilograms[places][None, :] > free_kg[:, None]
        )
        extras: _Seconds = leaving + coming - direct[:, None] + self._service_s[places][None, :]
        extras += is_full * self._unloading_s[route][:, None]
        return extras

    def _free(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Litres and kilograms that the trip at each place in the tour can still take."""
        loads_l, loads_kg, trips = [0], [0], [0]
        for what in self.order:
            if what < 0:
                loads_l.append(0)
                loads_kg.append(0)
            else:
                loads_l[-1] += self._problem.candidates[what].volume_l
                loads_kg[-1] += self._problem.candidates[what].weight_kg
            trips.append(len(loads_l) - 1)
        most_kg = np.inf if self._vehicle.capacity_kg is None else self._vehicle.capacity_kg
        return self._vehicle.capacity_l - np.array(loads_l)[trips], most_kg - np.array(loads_kg)[trips]
