"""Shares the vehicles of a day out between the waste kinds: a vehicle collects one kind a day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.device import DisposalSite, Municipality, Place, Vehicle


@dataclass(frozen=True, slots=True)
class Fleet:
    """`count` vehicles alike of one municipality, with the depot that they leave from and return to."""

    municipality: str
    vehicle: Vehicle
    depot: Place
    count: int


def fleets(municipalities: Sequence[Municipality]) -> list[Fleet]:
    """All vehicles of municipalities that have a depot."""
    return [
        Fleet(each.municipality, vehicle, each.depot, vehicle.count)
        for each in municipalities
        if each.depot is not None
        for vehicle in each.vehicles
        if vehicle.count > 0
    ]


def disposal_sites(municipalities: Sequence[Municipality], waste_kind: str) -> list[DisposalSite]:
    """The sites that take a kind, each once; where there is no site at all, the depots."""
    sites = dict.fromkeys(site for municipality in municipalities for site in municipality.disposal_sites)
    if sites:
        return [site for site in sites if takes(site.waste_kinds, waste_kind)]
    depots = dict.fromkeys(municipality.depot for municipality in municipalities if municipality.depot is not None)
    return [DisposalSite(depot.name, depot.latitude, depot.longitude) for depot in depots]


def share_out(all_fleets: Sequence[Fleet], loads_l: Mapping[str, float]) -> dict[str, list[Fleet]]:
    """The vehicles for each waste kind: the kind with the largest load without a vehicle first.

    One vehicle after the other goes to the kind with the largest load per capacity it has (as seats are given by
    D'Hondt's method), so each kind gets one before any gets a second, but for kinds with less than a litre. Vehicles
    that may take fewer kinds go first, then large ones. A kind that no vehicle is left for is not in the answer.

    Args:
        all_fleets: the vehicles of the day.
        loads_l: what is to be collected of each kind, in litres.
    """
    left = [fleet.count for fleet in all_fleets]
    given: dict[str, list[int]] = {kind: [0] * len(all_fleets) for kind in loads_l}
    capacities = dict.fromkeys(loads_l, 0.0)
    open_kinds = set(loads_l)
    while open_kinds:
        kind = max(sorted(open_kinds), key=lambda kind: _claim(loads_l[kind], capacities[kind]))
        fitting = [
            number for number, fleet in enumerate(all_fleets) if left[number] and takes(fleet.vehicle.waste_kinds, kind)
        ]
        if not fitting:
            open_kinds.remove(kind)
            continue
        best = min(fitting, key=lambda number: _order(all_fleets[number].vehicle, number))
        left[best] -= 1
        given[kind][best] += 1
        capacities[kind] += all_fleets[best].vehicle.capacity_l
    return {
        kind: [
            Fleet(fleet.municipality, fleet.vehicle, fleet.depot, count)
            for fleet, count in zip(all_fleets, counts, strict=True)
            if count
        ]
        for kind, counts in given.items()
        if any(counts)
    }


def _claim(load_l: float, capacity_l: float) -> tuple[bool, float]:
    return capacity_l == 0 and load_l >= 1, load_l / capacity_l if capacity_l else load_l


def takes(waste_kinds: Sequence[str], kind: str) -> bool:
    """Whether a vehicle or disposal site takes a kind; one that names none takes all."""
    return not waste_kinds or kind in waste_kinds


def _order(vehicle: Vehicle, number: int) -> tuple[int, float, int]:
    return len(vehicle.waste_kinds) or 1_000, -vehicle.capacity_l, number
