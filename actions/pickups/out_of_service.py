"""Vehicles that drive no further on a day: which routes end, what is left of the fleet, how an ended route looks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

from core.device import Municipality
from core.errors import InvalidInputError
from core.pickup import OutOfService, Pause, PauseKind, Plan, Route, StopState
from core.travel import Roads
from pickups.routes.fleet import disposal_sites
from pickups.routes.task import truck_profile_of

Vehicle = tuple[str, str]
"""Municipality and name of a kind of vehicle."""


def vehicle_of(route: Route, plan: Plan) -> Vehicle:
    """Whose vehicle drives a route, and which."""
    return route.municipality or plan.municipality, route.vehicle


def named(plan: Plan, municipalities: Sequence[Municipality], out: OutOfService) -> OutOfService:
    """Which vehicle of a plan somebody means: that of a route, by its id or as the only one of its name.

    Raises:
        InvalidInputError: there is no such route or vehicle, or several are driven by vehicles of that name.
    """
    of_name = [
        route
        for route in plan.routes
        if route.vehicle == out.vehicle and out.municipality in {"", vehicle_of(route, plan)[0]}
    ]
    if out.route_id is not None:
        of_name = [route for route in plan.routes if route.route_id == out.route_id]
        if not of_name:
            raise InvalidInputError(f"plan {plan.plan_id} has no route {out.route_id!r}")
    if len(of_name) > 1:
        ids = ", ".join(route.route_id for route in of_name)
        raise InvalidInputError(f"several routes are driven by a vehicle {out.vehicle!r}: name one by route_id: {ids}")
    if of_name:
        municipality, vehicle = vehicle_of(of_name[0], plan)
        return replace(out, municipality=municipality, vehicle=vehicle, route_id=of_name[0].route_id)
    owners = [
        each.municipality
        for each in municipalities
        if out.municipality in {"", each.municipality} and any(one.name == out.vehicle for one in each.vehicles)
    ]
    if not owners:
        raise InvalidInputError(f"there is no vehicle {out.vehicle!r} on this day")
    return replace(out, municipality=owners[0])


def ended_routes(plan: Plan, municipalities: Sequence[Municipality], out: Sequence[OutOfService]) -> dict[str, bool]:
    """Routes (by id) that go no further, and whether the vehicle keeps its load.

    Those of vehicles that are out, and as many as the registry has fewer vehicles by now than are on the way: of these
    the ones with the least still to do.
    """
    ended = {each.route_id: each.keeps_load for each in out if each.route_id is not None}
    there = {
        (each.municipality, vehicle.name): vehicle.count for each in vehicles_left(plan, municipalities, out)
        for vehicle in each.vehicles
    }  # fmt: skip
    going = [route for route in plan.routes if route.route_id not in ended]
    for vehicle, count in Counter(vehicle_of(route, plan) for route in going).items():
        too_many = count - there.get(vehicle, 0)
        if too_many > 0:
            its = [route for route in going if vehicle_of(route, plan) == vehicle]
            ended |= {route.route_id: False for route in sorted(its, key=_still_to_do)[:too_many]}
    return ended


def vehicles_left(
    plan: Plan, municipalities: Sequence[Municipality], out: Sequence[OutOfService]
) -> list[Municipality]:
    """The municipalities without the vehicles that are out."""
    gone = Counter((each.municipality or plan.municipality, each.vehicle) for each in out)
    return [
        replace(
            each,
            vehicles=tuple(
                replace(vehicle, count=max(0, vehicle.count - gone[each.municipality, vehicle.name]))
                for vehicle in each.vehicles
            ),
        )
        for each in municipalities
    ]


def cut_short(
    route: Route, plan: Plan, municipalities: Sequence[Municipality], roads: Roads, *, keeps_load: bool
) -> Route | None:
    """The route up to the last stop that its driver reported, then over the nearest disposal site home.

    With `keeps_load` it ends at that stop. It stays the same route: by its id it is known to have ended when the day is
    planned once more. None: nothing was reported, the vehicle never set out.

    Raises:
        RoadsError: the road engine does not answer.
    """
    reported = [stop for stop in route.stops if stop.state is not StopState.PLANNED]
    if not reported:
        return None
    last = reported[-1]
    numbers = {stop.sequence: number for number, stop in enumerate(reported, start=1)}
    pauses = tuple(
        replace(pause, after=sum(sequence <= pause.after for sequence in numbers))
        for pause in route.pauses
        if pause.after < last.sequence
    )
    legs = _legs(route, last.sequence)
    ended = replace(
        route,
        stops=tuple(replace(stop, stop_id=str(uuid4()), sequence=numbers[stop.sequence]) for stop in reported),
        pauses=pauses,
        legs=legs,
        distance_m=last.distance_m,
        duration_s=last.arrival_s + last.service_s,
        load_l=sum(stop.content_l for stop in reported if stop.state is StopState.DONE),
        municipality=vehicle_of(route, plan)[0],
    )
    return ended if keeps_load else _home(ended, municipalities, roads)


def _legs(route: Route, last: int) -> tuple[tuple[tuple[float, float], ...], ...]:
    """The lines up to a stop: where stops between were left out, the way past them stays."""
    unloadings = [pause.after for pause in route.pauses if pause.kind is PauseKind.UNLOADING]
    places = sorted([*((stop.sequence, 0) for stop in route.stops), *((after, 1) for after in unloadings)])
    kept: list[tuple[tuple[float, float], ...]] = []
    way: tuple[tuple[float, float], ...] = ()
    planned = {stop.sequence for stop in route.stops if stop.state is StopState.PLANNED}
    for (sequence, is_unloading), line in zip(places, route.legs, strict=False):
        if sequence > last or (sequence == last and is_unloading):
            break
        way += line
        if is_unloading or sequence not in planned:
            kept.append(way)
            way = ()
    return tuple(kept)


def _home(route: Route, municipalities: Sequence[Municipality], roads: Roads) -> Route:
    """The route with the way over the nearest disposal site to its depot."""
    owner = next((each for each in municipalities if each.municipality == route.municipality), None)
    depot = owner.depot if owner else None
    sites = disposal_sites(municipalities, route.waste_kind)
    if depot is None or not sites:
        return route
    last = route.stops[-1]
    vehicle = next((each for each in owner.vehicles if each.name == route.vehicle), None) if owner else None
    profile = truck_profile_of(vehicle) if vehicle else None
    places = [(last.latitude, last.longitude), *((site.latitude, site.longitude) for site in sites)]
    places.append((depot.latitude, depot.longitude))
    travel = roads.matrix(places, profile)
    home = len(places) - 1
    open_sites = [number for number in range(1, home) if number not in travel.unreachable]
    if not open_sites or 0 in travel.unreachable or home in travel.unreachable:
        return route
    nearest = min(open_sites, key=lambda number: int(travel.durations_s[0, number] + travel.durations_s[number, home]))
    site = sites[nearest - 1]
    pause = Pause(
        kind=PauseKind.UNLOADING,
        after=len(route.stops),
        arrival_s=route.duration_s + int(travel.durations_s[0, nearest]),
        duration_s=site.unloading_s,
        distance_m=route.distance_m + int(travel.distances_m[0, nearest]),
        name=site.name,
        latitude=site.latitude,
        longitude=site.longitude,
    )
    lines = roads.legs([places[0], places[nearest], places[home]], profile)
    return replace(
        route,
        pauses=(*route.pauses, pause),
        legs=(*route.legs, *(tuple(line) for line in lines)) if route.legs else (),
        distance_m=pause.distance_m + int(travel.distances_m[nearest, home]),
        duration_s=pause.arrival_s + pause.duration_s + int(travel.durations_s[nearest, home]),
    )


def _still_to_do(route: Route) -> int:
    return sum(stop.state is StopState.PLANNED for stop in route.stops)
