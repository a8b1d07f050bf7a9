"""Plans a day again that drivers are at: what they reported stays, newly due bins come in, routes change for a gain."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Final
from zoneinfo import ZoneInfo

from actions.pickups.bins_of_day import BinsOfDay, zero_of_day
from actions.pickups.out_of_service import Vehicle, cut_short, ended_routes, vehicle_of, vehicles_left
from actions.pickups.routes import Routes, checked, driven, told
from actions.pickups.vehicles_of_day import one_by_one
from core.device import Device, Municipality
from core.errors import InvalidInputError
from core.pickup import OutOfService, Plan, Route, Stop, StopState
from core.travel import Roads
from pickups.choosing import Choice, urgency_of
from pickups.due import Level
from pickups.filling.emptying import detect_emptying
from pickups.hours import collection_windows
from pickups.routes.fleet import Fleet, disposal_sites, fleets, share_out
from pickups.routes.problem import LeftOut, Window
from pickups.routes.replan import continued
from pickups.routes.task import UNITS_PER_EURO, build_task

MARGIN_EUR: Final = 2.0
"""What moving a stop must save: some two and a half minutes of a vehicle and its crew. Assumed."""

_LITTLE_L: Final = 1e-3


@dataclass(frozen=True, slots=True)
class _Part:
    """The routes of one waste kind, the bins on them and the new ones, the vehicles for them."""

    waste_kind: str
    routes: Sequence[Route]
    choices: Mapping[str, Choice]
    new: Sequence[Choice]
    fleets: Sequence[Fleet]


def replanned(
    old: Plan,
    choices: Sequence[Choice],
    municipalities: Sequence[Municipality],
    known: BinsOfDay,
    *,
    before: Sequence[Plan],
    out: Sequence[OutOfService],
    roads: Roads,
    zone: ZoneInfo,
    from_s: int,
) -> Routes:
    """The old plan's routes with what drivers reported, and with the bins that are due by now.

    Bins that drivers skipped are not tried again on this day; stops whose bins were emptied otherwise are dropped. What
    a vehicle that is out had still to do is offered to the others.

    Args:
        old: the plan in force, with what drivers reported.
        choices: the bins that must or may be emptied by now.
        municipalities: those of the plan, with depots.
        known: the bins, and their levels.
        before: the plans that the old one replaced.
        out: vehicles that drive no further.
        roads: the ways between them.
        zone: local time of the plan.
        from_s: what is not done yet begins no earlier, in seconds of the local day.

    Raises:
        RoadsError: the road engine does not answer.
    """
    stops = [stop for route in old.routes for stop in route.stops]
    skipped = {
        stop.device_id: stop.skip_reason
        for plan in (*before, old)
        for route in plan.routes
        for stop in route.stops
        if stop.state is StopState.SKIPPED
    }
    chosen = {choice.device.device_id: choice for choice in choices}
    devices = {device.device_id: device for device in known.bins}
    left_out = [
        LeftOut(device_id, f"skipped on this day: {reason or 'no reason given'}")
        for device_id, reason in skipped.items()
        if device_id in chosen
    ]
    kept = {
        stop.device_id: _kept(stop, old, devices.get(stop.device_id), chosen.get(stop.device_id))
        for stop in stops
        if not (_is_open(stop) and _is_emptied(stop, known.levels))
    }
    ended = ended_routes(old, municipalities, out)
    homeless = {stop.device_id for route in old.routes if route.route_id in ended for stop in route.stops}
    on_routes = {stop.device_id for stop in stops} | set(skipped)
    new = [choice for choice in choices if choice.device.device_id not in on_routes]
    new += [kept[stop.device_id] for stop in stops if stop.device_id in homeless & set(kept) and _is_open(stop)]
    cut = [
        cut_short(route, old, municipalities, roads, keeps_load=ended[route.route_id])
        for route in old.routes
        if route.route_id in ended
    ]
    routes = [route for route in cut if route is not None]
    going = tuple(route for route in old.routes if route.route_id not in ended)
    parts, without = _parts(replace(old, routes=going), kept, new, vehicles_left(old, municipalities, out))
    left_out += without
    source = ""
    for part in parts:
        sites = disposal_sites(municipalities, part.waste_kind)
        task = build_task(part.waste_kind, [*part.choices.values(), *part.new], part.fleets, sites, roads)
        today = one_by_one(task, part.routes, old.municipality, zero_of_day(old.date, zone), from_s)
        solution = continued(
            today.task.problem,
            today.vehicles,
            range(len(part.choices), len(task.choices)),
            margin=round(MARGIN_EUR * UNITS_PER_EURO),
        )
        solution = checked(today.task, solution)
        left_out += told(today.task, solution)
        routes += [
            _told(
                driven(today.task, tour, roads), old, today.routes.get(tour.vehicle), today.late_s.get(tour.vehicle, 0)
            )
            for tour in solution.tours
        ]
        source = task.problem.travel[0].source
    return Routes(tuple(routes), tuple(left_out), source)


def _parts(
    old: Plan, kept: Mapping[str, Choice], new: Sequence[Choice], municipalities: Sequence[Municipality]
) -> tuple[list[_Part], list[LeftOut]]:
    """Each waste kind with the vehicles it has; vehicles not used yet are shared out between the new bins."""
    every = {(fleet.municipality, fleet.vehicle.name): fleet for fleet in fleets(municipalities)}
    used: dict[str, Counter[Vehicle]] = {}
    for route in old.routes:
        used.setdefault(route.waste_kind, Counter())[vehicle_of(route, old)] += 1
    in_use = sum(used.values(), Counter())
    spare = [replace(fleet, count=fleet.count - in_use[vehicle]) for vehicle, fleet in every.items()]
    loads = dict.fromkeys(used, _LITTLE_L)  # what a late vehicle does not get to may need another
    for choice in new:
        if choice.required and disposal_sites(municipalities, choice.waste_kind):
            loads[choice.waste_kind] = loads.get(choice.waste_kind, 0.0) + choice.content_l
    shared = share_out([fleet for fleet in spare if fleet.count > 0], loads)
    parts, left_out = [], []
    for kind in sorted({*used, *(choice.waste_kind for choice in new)}):
        counts = Counter(used.get(kind, Counter()))
        counts.update({(fleet.municipality, fleet.vehicle.name): fleet.count for fleet in shared.get(kind, [])})
        of_kind = [choice for choice in new if choice.waste_kind == kind]
        if not counts:
            left_out += [
                LeftOut(choice.device.device_id, f"no vehicle is left for {kind} on this day")
                for choice in of_kind
                if choice.is_due
            ]
            continue
        routes = [route for route in old.routes if route.waste_kind == kind]
        on_them = {stop.device_id for route in routes for stop in route.stops}
        parts.append(
            _Part(
                kind,
                routes,
                {device_id: choice for device_id, choice in kept.items() if device_id in on_them},
                of_kind,
                [replace(every[vehicle], count=count) for vehicle, count in counts.items()],
            )
        )
    return parts, left_out


def _kept(stop: Stop, old: Plan, device: Device | None, chosen: Choice | None) -> Choice:
    """The bin of a stop; one that is done or skipped stands at no particular time, a skipped one gave nothing."""
    if _is_open(stop) and chosen is not None:
        return replace(chosen, required=True, waste_kind=stop.waste_kind)
    if device is None:  # it was taken out of the registry meanwhile
        municipality = stop.municipality or old.municipality
        device = Device(device_id=stop.device_id, device_type="waste_bin", municipality=municipality, name=stop.name)
    windows: tuple[Window, ...] = ()
    if _is_open(stop):
        try:
            windows = collection_windows(device.attributes, stop.service_s)
        except InvalidInputError:
            windows = ()  # it was planned while they could be read
    level = None
    if stop.filling_level is not None:
        level = Level(stop.filling_level, old.created_at)
    return Choice(
        device=device,
        position=(stop.latitude, stop.longitude),
        level=level,
        volume_l=stop.volume_l,
        content_l=0 if stop.state is StopState.SKIPPED else round(stop.content_l),
        weight_kg=0 if stop.state is StopState.SKIPPED else round(stop.weight_kg),
        service_s=stop.service_s,
        waste_kind=stop.waste_kind,
        reasons=stop.reasons,
        overflow_probability=stop.overflow_probability,
        is_due=True,
        required=True,
        urgency=urgency_of(level, stop.reasons),
        prize_eur=0.0,
        windows=windows,
        vehicles=None,
    )


def _is_open(stop: Stop) -> bool:
    return stop.state is StopState.PLANNED


def _is_emptied(stop: Stop, levels: Mapping[str, Level]) -> bool:
    level = levels.get(stop.device_id)
    return (
        level is not None
        and stop.filling_level is not None
        and detect_emptying(stop.filling_level, level.filling_level)
    )


def _told(route: Route, old: Plan, former: Route | None, late_s: int) -> Route:
    """The route with what drivers did, and with the stops marked that the former had not, or elsewhere."""
    was = {stop.device_id: stop for each in old.routes for stop in each.stops}
    order = [stop.device_id for stop in route.stops]
    kept = [] if former is None else [stop.device_id for stop in former.stops if stop.device_id in set(order)]
    same: set[str] = set()
    for block in SequenceMatcher(None, kept, order, autojunk=False).get_matching_blocks():
        same.update(kept[block.a : block.a + block.size])
    stops = []
    for stop in route.stops:
        before = was.get(stop.device_id)
        if before is not None and not _is_open(before):
            stops.append(
                replace(
                    stop,
                    state=before.state,
                    done_at=before.done_at,
                    skip_reason=before.skip_reason,
                    content_l=before.content_l,
                    weight_kg=before.weight_kg,
                )
            )
        else:
            stops.append(replace(stop, arrival_s=stop.arrival_s + late_s, changed=stop.device_id not in same))
    done = sum(not _is_open(stop) for stop in stops)
    pauses = tuple(
        pause if pause.after < done else replace(pause, arrival_s=pause.arrival_s + late_s) for pause in route.pauses
    )
    return replace(
        route,
        stops=tuple(stops),
        pauses=pauses,
        start_s=route.start_s - late_s,
        duration_s=route.duration_s + late_s,
        municipality=route.municipality or old.municipality,
    )
