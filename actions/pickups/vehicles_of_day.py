"""The vehicles of a day that drivers are at: what each has done, what it was to do, how late it is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from core.pickup import PauseKind, Route, Stop, StopState
from pickups.routes.orders import Order
from pickups.routes.problem import Candidate, Problem, VehicleKind, VisitKind
from pickups.routes.replan import Underway
from pickups.routes.shift import leaving_from
from pickups.routes.task import Task
from pickups.routes.timing import timed

_WHENEVER_S: Final = 10 * 86_400


@dataclass(frozen=True, slots=True)
class VehiclesOfDay:
    """A task with each vehicle on its own; what each has done and was to do.

    By name, of those that have one: the route so far, and how late (s) they are.
    """

    task: Task
    vehicles: Sequence[Underway]
    routes: Mapping[str, Route]
    late_s: Mapping[str, int]


def one_by_one(
    task: Task, on_them: Sequence[Route], municipality: str, zero: datetime, from_s: int = 0
) -> VehiclesOfDay:
    """The vehicles that have routes, then those that have none yet, each a kind of its own.

    The day of one that is late is that much later and shorter, at most so much that it is back in its shift if it goes
    home from where it is: what it does not get to is for others. Late is also who was to be at a stop before `from_s`
    and has not said so. Time lost counts as no work: it may have been a break. What a vehicle has done was in its load
    and shift, whatever the registry says by now: it is only given nothing more.
    `zero`: the instant from which the seconds of the routes count.
    """
    kinds = {kind.name: kind for kind in task.problem.vehicles}
    name_of = {(fleet.municipality, fleet.vehicle.name): name for name, fleet in task.fleets.items()}
    left = Counter({name: fleet.count for name, fleet in task.fleets.items()})
    used: list[tuple[str, Route | None]] = [
        (name_of[route.municipality or municipality, route.vehicle], route) for route in on_them
    ]
    left.subtract(name for name, _ in used)
    used += [(name, None) for name, count in left.items() for _ in range(count)]
    vehicles, own_kinds, own_fleets, routes, late = [], [], {}, {}, {}
    access: dict[str, list[str]] = {name: [] for name in kinds}
    for number, (name, route) in enumerate(used):
        kind = replace(kinds[name], name=f"{name} #{number + 1}", count=1)
        done, rest = ((), ()) if route is None else _orders(task, route)
        if route is None:
            kind = leaving_from(kind, from_s, again=False)
        elif not done:
            routes[kind.name] = route
            lost_s = max(0, from_s - route.start_s)
            kind = replace(kind, earliest_s=route.start_s + lost_s, max_duration_s=kind.max_duration_s - lost_s)
        else:
            routes[kind.name] = route
            kind = _that_did(task.problem, replace(kind, earliest_s=route.start_s), done)
            said_s = [(stop.done_at - zero).total_seconds() for stop in route.stops if stop.done_at is not None]
            late[kind.name] = late_s = _late_s(task.problem, kind, done, round(max([*said_s, from_s])))
            kind = replace(kind, earliest_s=route.start_s + late_s, max_duration_s=kind.max_duration_s - late_s)
        vehicles.append(Underway(number, done, rest))
        own_kinds.append(kind)
        own_fleets[kind.name] = replace(task.fleets[name], count=1)
        access[name].append(kind.name)
    candidates = tuple(
        candidate
        if candidate.vehicles is None
        else replace(candidate, vehicles=frozenset(own for name in candidate.vehicles for own in access[name]))
        for candidate in task.problem.candidates
    )
    problem = replace(task.problem, candidates=candidates, vehicles=tuple(own_kinds))
    return VehiclesOfDay(replace(task, problem=problem, fleets=own_fleets), vehicles, routes, late)


def _that_did(problem: Problem, kind: VehicleKind, done: Order) -> VehicleKind:
    """The vehicle with at least the load and the shift that it took to do what it has done."""
    trips: list[list[Candidate]] = [[]]
    for what in done:
        if what < 0:
            trips.append([])
        else:
            trips[-1].append(problem.candidates[what])
    litres = max(sum(each.volume_l for each in trip) for trip in trips)
    kilograms = max(sum(each.weight_kg for each in trip) for trip in trips)
    kind = replace(
        kind,
        capacity_l=max(kind.capacity_l, litres),
        capacity_kg=None if kind.capacity_kg is None else max(kind.capacity_kg, kilograms),
    )
    if timed(problem, kind, done) is not None:
        return kind
    freely = timed(problem, replace(kind, latest_s=_WHENEVER_S, max_duration_s=_WHENEVER_S), done)
    if freely is None:
        return kind
    return replace(
        kind,
        latest_s=max(kind.latest_s, freely.end_s),
        max_duration_s=max(kind.max_duration_s, freely.end_s - kind.earliest_s),
    )


def _late_s(problem: Problem, kind: VehicleKind, done: Order, free_s: int) -> int:
    """How much later than planned it is, that has done what it has done no earlier than at `free_s`."""
    home = timed(problem, kind, done)
    if home is None:
        return 0
    last = [visit for visit in home.visits if visit.kind is VisitKind.STOP][-1]
    late_s = free_s - (last.begin_s + last.duration_s)
    left_s = min(kind.max_duration_s - (home.end_s - home.start_s), kind.latest_s - home.end_s)
    return max(0, min(late_s, left_s))


def _orders(task: Task, route: Route) -> tuple[Order, Order]:
    """What a driver has reported (done or skipped), in that order, with the unloadings before the last; the rest."""
    indices = {candidate.device_id: index for index, candidate in enumerate(task.problem.candidates)}
    sites = {task.positions[site.location]: -1 - number for number, site in enumerate(task.problem.sites)}
    stops = sorted((stop for stop in route.stops if stop.device_id in indices), key=lambda stop: stop.sequence)
    reported, at = [], datetime.min.replace(tzinfo=UTC)
    for stop in stops:  # when a stop was skipped nobody wrote down: after the one before it on the route
        at = stop.done_at or at
        if stop.state is not StopState.PLANNED:
            reported.append((at, stop.sequence, stop))
    last = max((sequence for _, sequence, _ in reported), default=0)
    unloadings = [
        (pause.after, sites[pause.latitude or 0.0, pause.longitude or 0.0])
        for pause in route.pauses
        if pause.kind is PauseKind.UNLOADING and (pause.latitude, pause.longitude) in sites
    ][:-1]
    so_far: list[tuple[float, int]] = [(after + 0.5, site) for after, site in unloadings if after < last]
    places = [stop.sequence for stop in stops if stop.sequence <= last][: len(reported)]
    in_order = [stop for _, _, stop in sorted(reported, key=_when)]
    so_far += [(place, indices[stop.device_id]) for place, stop in zip(places, in_order, strict=True)]
    rest: list[tuple[float, int]] = [(after + 0.5, site) for after, site in unloadings if after >= last]
    rest += [(stop.sequence, indices[stop.device_id]) for stop in stops if stop.state is StopState.PLANNED]
    return tuple(what for _, what in sorted(so_far)), tuple(what for _, what in sorted(rest))


def _when(reported: tuple[datetime, int, Stop]) -> tuple[datetime, int]:
    return reported[:2]
