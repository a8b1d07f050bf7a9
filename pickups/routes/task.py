"""One waste kind of a day as a problem for the solver, and what its numbers mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from core.device import DisposalSite, Vehicle
from core.travel import Position, Roads, TruckProfile
from pickups.choosing import Choice
from pickups.hours import DAY_S
from pickups.routes.fleet import Fleet
from pickups.routes.problem import Candidate, Problem, Site, VehicleKind, Window
from pickups.routes.shift import leaving_from

UNITS_PER_EURO: Final = 100_000
"""Costs are whole thousandths of a cent: a metre at 0.50 euros a kilometre is still fifty."""


@dataclass(frozen=True, slots=True)
class Task:
    """A problem; its candidates as choices by device id, its vehicle kinds as fleets by name, its locations."""

    waste_kind: str
    problem: Problem
    choices: Mapping[str, Choice]
    fleets: Mapping[str, Fleet]
    positions: tuple[Position, ...]


def build_task(
    waste_kind: str,
    choices: Sequence[Choice],
    fleets: Sequence[Fleet],
    sites: Sequence[DisposalSite],
    roads: Roads,
    *,
    from_s: int = 0,
) -> Task:
    """The problem of emptying bins of one kind with some vehicles, unloading at some sites, nothing before `from_s`.

    Raises:
        RoadsError: the road engine does not answer.
    """
    depots = list(dict.fromkeys((fleet.depot.latitude, fleet.depot.longitude) for fleet in fleets))
    positions = (*depots, *((site.latitude, site.longitude) for site in sites), *(each.position for each in choices))
    profiles = list(dict.fromkeys(truck_profile_of(fleet.vehicle) for fleet in fleets))
    named = {_name(fleet, fleets): fleet for fleet in fleets}
    first_bin = len(depots) + len(sites)
    problem = Problem(
        travel=tuple(roads.matrix(positions, profile) for profile in profiles),
        candidates=tuple(
            Candidate(
                device_id=choice.device.device_id,
                location=location,
                volume_l=choice.content_l,
                weight_kg=choice.weight_kg,
                service_s=choice.service_s,
                required=choice.required,
                urgency=choice.urgency,
                prize=round(choice.prize_eur * UNITS_PER_EURO),
                windows=choice.windows,
                vehicles=_access(choice, named),
            )
            for location, choice in enumerate(choices, start=first_bin)
        ),
        sites=tuple(_site(site, location) for location, site in enumerate(sites, start=len(depots))),
        vehicles=tuple(
            leaving_from(
                _kind(
                    name,
                    fleet,
                    depot=depots.index((fleet.depot.latitude, fleet.depot.longitude)),
                    travel=profiles.index(truck_profile_of(fleet.vehicle)),
                ),
                from_s,
            )
            for name, fleet in named.items()
        ),
    )
    return Task(waste_kind, problem, {choice.device.device_id: choice for choice in choices}, named, positions)


def truck_profile(task: Task, vehicle: str) -> TruckProfile | None:
    """What roads must bear for a vehicle kind of the task."""
    return truck_profile_of(task.fleets[vehicle].vehicle)


def truck_profile_of(vehicle: Vehicle) -> TruckProfile | None:
    """What roads must bear for a vehicle; None: nothing is known of it."""
    if vehicle.weight_t is None and vehicle.height_m is None:
        return None
    return TruckProfile(weight_t=vehicle.weight_t, height_m=vehicle.height_m)


def _name(fleet: Fleet, fleets: Sequence[Fleet]) -> str:
    """The vehicle's name, with its municipality's where another one has a vehicle of that name too."""
    others = {each.municipality for each in fleets if each.vehicle.name == fleet.vehicle.name}
    return fleet.vehicle.name if len(others) == 1 else f"{fleet.vehicle.name} ({fleet.municipality})"


def _access(choice: Choice, named: Mapping[str, Fleet]) -> frozenset[str] | None:
    if choice.vehicles is None:
        return None
    return frozenset(name for name, fleet in named.items() if fleet.vehicle.name in choice.vehicles)


def _site(site: DisposalSite, location: int) -> Site:
    windows: tuple[Window, ...] = ()
    if site.open_from_s is not None or site.open_until_s is not None:
        until_s = DAY_S if site.open_until_s is None else site.open_until_s
        windows = (Window(site.open_from_s or 0, until_s - site.unloading_s),)
    return Site(name=site.name, location=location, unload_s=site.unloading_s, windows=windows)


def _kind(name: str, fleet: Fleet, *, depot: int, travel: int) -> VehicleKind:
    vehicle = fleet.vehicle
    return VehicleKind(
        name=name,
        count=fleet.count,
        start=depot,
        end=depot,
        capacity_l=int(vehicle.capacity_l),
        capacity_kg=None if vehicle.capacity_kg is None else int(vehicle.capacity_kg),
        earliest_s=vehicle.shift_start_s,
        latest_s=DAY_S,
        max_duration_s=vehicle.shift_s,
        fixed_cost=round(vehicle.cost_per_day * UNITS_PER_EURO),
        cost_per_m=round(vehicle.cost_per_km * UNITS_PER_EURO / 1000),
        cost_per_s=round(vehicle.cost_per_hour * UNITS_PER_EURO / 3600),
        travel=travel,
    )
