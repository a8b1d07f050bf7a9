"""The routes of a day: each waste kind with its vehicles solved, checked, and told as drivers drive it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from core.device import Municipality
from core.errors import PlanningCancelledError, PlanningError
from core.pickup import Pause, PauseKind, Route, Stop
from core.travel import Roads
from pickups.choosing import Choice
from pickups.routes.checker import violations
from pickups.routes.fleet import disposal_sites, fleets, share_out
from pickups.routes.planner import solve
from pickups.routes.problem import LeftOut, Solution, Tour, Visit, VisitKind
from pickups.routes.shift import LEAST_SHIFT_S
from pickups.routes.task import Task, build_task, truck_profile

_OPTIONAL_WEIGHT: Final = 1e-6
"""A kind of which nothing must be collected gets its vehicles last."""

_DIGITS: Final = 5
"""Lines keep so many digits of a degree: a metre."""


@dataclass(frozen=True, slots=True)
class Search:
    """How the solver searches: seconds for all kinds together, its seed, whom it tells, and who may end it.

    `from_s`: nothing begins earlier, in seconds of the local day; whose shift is over by then drives another one.
    """

    time_limit_s: float
    seed: int
    progress: Callable[[float], None]
    cancelled: Callable[[], bool]
    from_s: int = 0


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes, the bins left out, and where distances come from (empty: nothing was to be driven).

    `again`: vehicles (names) whose shift was over, and that are planned for another one.
    """

    routes: tuple[Route, ...]
    left_out: tuple[LeftOut, ...]
    source: str
    again: tuple[str, ...] = ()


def plan_routes(
    choices: Sequence[Choice], municipalities: Sequence[Municipality], roads: Roads, search: Search
) -> Routes:
    """Routes for the bins with the municipalities' vehicles; a kind that cannot be planned is left out with the reason.

    Raises:
        PlanningCancelledError: somebody cancelled it meanwhile.
        PlanningError: no vehicle at all, or no kind can be planned.
        RoadsError: the road engine does not answer.
    """
    tasks, left_out = make_tasks(choices, municipalities, roads, search.from_s)
    routes: list[Route] = []
    errors: list[PlanningError] = []
    done, total = 0, sum(len(task.choices) for task in tasks)
    for task in tasks:
        share = len(task.choices) / total
        try:
            solution = _solved(task, search, done / total, share)
        except PlanningCancelledError:
            raise
        except PlanningError as error:
            errors.append(error)
            left_out += [LeftOut(device_id, str(error)) for device_id in task.choices]
        else:
            routes += [driven(task, tour, roads) for tour in solution.tours]
            left_out += told(task, solution)
        done += len(task.choices)
        search.progress(done / total)
    if errors and len(errors) == len(tasks):
        raise errors[0]
    source = tasks[0].problem.travel[0].source if tasks else ""
    every = [vehicle for municipality in municipalities for vehicle in municipality.vehicles]
    over = [each.name for each in every if each.shift_start_s + each.shift_s - search.from_s < LEAST_SHIFT_S]
    used = {route.vehicle for route in routes}
    return Routes(tuple(routes), tuple(left_out), source, tuple(name for name in dict.fromkeys(over) if name in used))


def make_tasks(
    choices: Sequence[Choice], municipalities: Sequence[Municipality], roads: Roads, from_s: int = 0
) -> tuple[list[Task], list[LeftOut]]:
    """One task for each waste kind that there are vehicles and a disposal site for, and the bins of the others."""
    if not choices:
        return [], []
    all_fleets = fleets(municipalities)
    if not all_fleets:
        names = ", ".join(municipality.municipality for municipality in municipalities)
        raise PlanningError(f"municipality {names} has no vehicle")
    by_kind: dict[str, list[Choice]] = {}
    for choice in choices:
        by_kind.setdefault(choice.waste_kind, []).append(choice)
    sites = {kind: disposal_sites(municipalities, kind) for kind in sorted(by_kind)}
    loads = {
        kind: sum(each.content_l * (1 if each.required else _OPTIONAL_WEIGHT) for each in by_kind[kind])
        for kind, of_kind in sites.items()
        if of_kind
    }
    shared = share_out(all_fleets, loads)
    tasks: list[Task] = []
    left_out: list[LeftOut] = []
    for kind, of_kind in sorted(by_kind.items()):
        if kind in shared:
            tasks.append(build_task(kind, of_kind, shared[kind], sites[kind], roads, from_s=from_s))
            continue
        reason = f"no vehicle is left for {kind} on this day" if sites[kind] else f"no disposal site takes {kind}"
        left_out += [LeftOut(each.device.device_id, reason) for each in of_kind]
    return tasks, left_out


def driven(task: Task, tour: Tour, roads: Roads) -> Route:
    """A tour as a route with ids and lines."""
    fleet = task.fleets[tour.vehicle]
    stops: list[Stop] = []
    pauses: list[Pause] = []
    for visit in tour.visits:
        if visit.device_id is not None:
            stops.append(_stop(task.choices[visit.device_id], visit, tour, len(stops) + 1))
        else:
            pauses.append(_pause(task, visit, tour, len(stops)))
    kind = next(kind for kind in task.problem.vehicles if kind.name == tour.vehicle)
    places = [
        kind.start,
        *(visit.location for visit in tour.visits if visit.kind is not VisitKind.BREAK),
        kind.end,
    ]
    lines = roads.legs([task.positions[place] for place in places], truck_profile(task, tour.vehicle))
    return Route(
        route_id=str(uuid4()),
        vehicle=fleet.vehicle.name,
        stops=tuple(stops),
        distance_m=tour.distance_m,
        duration_s=tour.end_s - tour.start_s,
        load_l=sum(task.choices[stop.device_id].content_l for stop in stops),
        start_s=tour.start_s,
        waste_kind=task.waste_kind,
        pauses=tuple(pauses),
        legs=tuple(tuple((round(at[0], _DIGITS), round(at[1], _DIGITS)) for at in line) for line in lines),
        municipality=fleet.municipality,
    )


def checked(task: Task, solution: Solution) -> Solution:
    """The solution, if the independent check finds nothing wrong with it.

    Raises:
        PlanningError: it does; the plan is not to be shown.
    """
    wrong = violations(task.problem, solution)
    if wrong:
        raise PlanningError(f"the plan for {task.waste_kind} did not pass its check: {'; '.join(wrong[:3])}")
    return solution


def told(task: Task, solution: Solution) -> list[LeftOut]:
    """The bins left out that somebody expects: due ones, not those that were only offered."""
    return [left_out for left_out in solution.left_out if task.choices[left_out.device_id].is_due]


def _solved(task: Task, search: Search, done: float, share: float) -> Solution:
    solution = solve(
        task.problem,
        time_limit_s=max(0.1, search.time_limit_s * share),
        seed=search.seed,
        progress=lambda part: search.progress(done + share * part),
        cancelled=search.cancelled,
    )
    return checked(task, solution)


def _stop(choice: Choice, visit: Visit, tour: Tour, sequence: int) -> Stop:
    device = choice.device
    remark = device.attributes.get("remark")
    return Stop(
        stop_id=str(uuid4()),
        sequence=sequence,
        device_id=device.device_id,
        name=device.name,
        latitude=choice.position[0],
        longitude=choice.position[1],
        filling_level=choice.level.filling_level if choice.level else None,
        volume_l=choice.volume_l,
        reasons=choice.reasons,
        arrival_s=visit.begin_s - tour.start_s,
        distance_m=visit.distance_m,
        street=device.street,
        remark=remark if isinstance(remark, str) else None,
        waste_kind=choice.waste_kind,
        content_l=float(choice.content_l),
        weight_kg=float(choice.weight_kg),
        service_s=visit.duration_s,
        overflow_probability=choice.overflow_probability,
        municipality=device.municipality,
    )


def _pause(task: Task, visit: Visit, tour: Tour, after: int) -> Pause:
    site = next((site for site in task.problem.sites if site.location == visit.location), None)
    is_unloading = visit.kind is VisitKind.UNLOADING
    latitude, longitude = task.positions[visit.location]
    return Pause(
        kind=PauseKind.UNLOADING if is_unloading else PauseKind.BREAK,
        after=after,
        arrival_s=visit.begin_s - tour.start_s,
        duration_s=visit.duration_s,
        distance_m=visit.distance_m,
        name=site.name if is_unloading and site else "",
        latitude=latitude,
        longitude=longitude,
    )
