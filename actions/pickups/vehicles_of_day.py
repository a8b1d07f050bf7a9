"""The vehicles of a day that drivers are at: what each has done, what it was to do, how late it is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.pickup import PauseKind, Route
from pickups.routes.problem import VehicleKind
from pickups.routes.pyvrp_model import Order
from pickups.routes.replan import Underway
from pickups.routes.task import Task
from pickups.routes.timing import timed


@dataclass(frozen=True, slots=True)
class VehiclesOfDay:
    """A task with each vehicle on its own; what each has done and was to do.

    By name, of those that have one: the route so far, and how late (s) they are.
    """

    task: Task
    vehicles: Sequence[Underway]
    routes: Mapping[str, Route]
    late_s: Mapping[str, int]


def one_by_one(task: Task, on_them: Sequence[Route], municipality: str, zero: datetime) -> VehiclesOfDay:
    """The vehicles that have routes, then those that have none yet, each a kind of its own.

    The day of one that is late is that much later and shorter, at most so much that it is back in its shift if it goes
    home from where it is: what it does not get to is for others. Time lost counts as no work: it may have been a break.
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
        if route is not None:
            routes[kind.name] = route
            late[kind.name] = _late_s(task, kind, route, done, zero)
            kind = replace(
                kind,
                earliest_s=route.start_s + late[kind.name],
                max_duration_s=kind.max_duration_s - late[kind.name],
            )
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


def _late_s(task: Task, kind: VehicleKind, route: Route, done: Order, zero: datetime) -> int:
    home = timed(task.problem, replace(kind, earliest_s=route.start_s), done) if done else None
    done_s = {stop: (stop.done_at - zero).total_seconds() for stop in route.stops if stop.done_at is not None}
    if home is None:
        return 0
    last = max(done_s, key=lambda stop: done_s[stop])
    late_s = round(done_s[last]) - (route.start_s + last.arrival_s + last.service_s)
    left_s = min(kind.max_duration_s - (home.end_s - home.start_s), kind.latest_s - home.end_s)
    return max(0, min(late_s, left_s))


def _orders(task: Task, route: Route) -> tuple[Order, Order]:
    """What was done, in the order in which it was, with the unloadings before the last of it; and the rest."""
    indices = {candidate.device_id: index for index, candidate in enumerate(task.problem.candidates)}
    sites = {task.positions[site.location]: -1 - number for number, site in enumerate(task.problem.sites)}
    stops = [stop for stop in route.stops if stop.device_id in indices]
    done = sorted((stop for stop in stops if stop.done_at is not None), key=lambda stop: (stop.done_at, stop.sequence))
    last = max((stop.sequence for stop in done), default=0)
    unloadings = [
        (pause.after, sites[pause.latitude or 0.0, pause.longitude or 0.0])
        for pause in route.pauses
        if pause.kind is PauseKind.UNLOADING and (pause.latitude, pause.longitude) in sites
    ][:-1]
    so_far: list[tuple[float, int]] = [(after + 0.5, site) for after, site in unloadings if after < last]
    places = sorted(stop.sequence for stop in stops if stop.sequence <= last)[: len(done)]
    so_far += [(place, indices[stop.device_id]) for place, stop in zip(places, done, strict=True)]
    rest: list[tuple[float, int]] = [(after + 0.5, site) for after, site in unloadings if after >= last]
    rest += [(stop.sequence, indices[stop.device_id]) for stop in stops if stop.done_at is None]
    return tuple(what for _, what in sorted(so_far)), tuple(what for _, what in sorted(rest))
