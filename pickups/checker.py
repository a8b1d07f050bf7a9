"""Checks a plan against the problem from scratch: it shares no arithmetic with the planner."""

from collections import Counter
from collections.abc import Sequence

from core.device import Municipality, Vehicle
from core.pickup import DueBin
from pickups.distance import LegM, Position, travel_s
from pickups.route_plan import SERVICE_S, UNLOADING_S, PlannedRoute, RoutePlan, ends, position


def violations(plan: RoutePlan, due: Sequence[DueBin], municipality: Municipality, leg_m: LegM) -> list[str]:
    """Everything wrong with a plan, one sentence each; empty when it may be driven.

    Each due bin once (on a route or unplanned), no other; vehicles that exist, not more than there are; load within
    capacity; duration within the shift; distances, arrivals and durations as driven from `leg_m`.
    """
    found = _coverage(plan, due)
    vehicles = {vehicle.name: vehicle for vehicle in municipality.vehicles}
    used = Counter(route.vehicle for route in plan.routes)
    for number, route in enumerate(plan.routes, start=1):
        vehicle = vehicles.get(route.vehicle)
        if vehicle is None:
            found.append(f"route {number}: there is no vehicle {route.vehicle!r}")
            continue
        found += [f"route {number}: {problem}" for problem in _route(route, vehicle, municipality, leg_m)]
    found += [
        f"{times} routes for {vehicles[name].count} vehicles {name!r}"
        for name, times in used.items()
        if name in vehicles and times > vehicles[name].count
    ]
    return found


def _coverage(plan: RoutePlan, due: Sequence[DueBin]) -> list[str]:
    wanted = Counter(bin_.device_id for bin_ in due)
    answered = Counter(stop.bin.device_id for route in plan.routes for stop in route.stops)
    answered.update(left_out.device_id for left_out in plan.unplanned)
    missing = [f"bin {device_id} is neither on a route nor unplanned" for device_id in wanted - answered]
    too_many = [f"bin {device_id} is in the plan once too often" for device_id in answered - wanted]
    return missing + too_many


def _route(route: PlannedRoute, vehicle: Vehicle, municipality: Municipality, leg_m: LegM) -> list[str]:
    if not route.stops:
        return ["it has no stop"]
    depot, disposal = ends(municipality)
    home: Position = (depot.latitude, depot.longitude)
    tip: Position = (disposal.latitude, disposal.longitude)
    found = []
    here, metres, seconds, litres = home, 0, 0, 0.0
    for stop in route.stops:
        there = position(stop.bin)
        if there is None:
            return [f"bin {stop.bin.device_id} has no position"]
        leg = leg_m(here, there)
        metres += leg
        seconds += travel_s(leg)
        if (stop.distance_m, stop.arrival_s) != (metres, seconds):
            found.append(
                f"bin {stop.bin.device_id} is reached after {metres} m and {seconds} s,"
                f" not {stop.distance_m} m and {stop.arrival_s} s"
            )
        seconds += SERVICE_S
        litres += stop.bin.volume_l
        here = there
    for leg in (leg_m(here, tip), leg_m(tip, home)):
        metres += leg
        seconds += travel_s(leg)
    seconds += UNLOADING_S
    if (route.distance_m, route.duration_s) != (metres, seconds):
        found.append(f"it takes {metres} m and {seconds} s, not {route.distance_m} m and {route.duration_s} s")
    if abs(route.load_l - litres) > 1e-6 * max(1.0, litres):
        found.append(f"its load is {litres:g} l, not {route.load_l:g} l")
    if litres > vehicle.capacity_l:
        found.append(f"its load of {litres:g} l is more than the {vehicle.capacity_l:g} l of {vehicle.name!r}")
    if seconds > vehicle.shift_s:
        found.append(f"its {seconds} s are longer than the shift of {vehicle.shift_s} s")
    return found
