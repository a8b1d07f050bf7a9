"""Orders of stops, and whether a vehicle may drive one: its load, its shift, instants that keep windows and breaks."""

from collections.abc import Iterable, Sequence

from pickups.routes.problem import Problem, VehicleKind
from pickups.routes.shift import longest_work_s

Order = tuple[int, ...]
"""What a vehicle does: an index into the problem's candidates, or -1 - index of a disposal site."""
Orders = tuple[tuple[int, Order], ...]
"""Per vehicle used: its kind (index) and what it does; the unloading before the end is not in it."""


def tidied(order: Iterable[int], fixed: int = 0) -> Order:
    """Without unloadings of an empty vehicle, and without one at the end: the way home leads over a disposal site.

    The first items stay as they are, so many as are `fixed`.
    """
    kept: list[int] = []
    for number, what in enumerate(order):
        if number < fixed or what >= 0 or (kept and kept[-1] >= 0):
            kept.append(what)
    while len(kept) > fixed and kept[-1] < 0:
        kept.pop()
    return tuple(kept)


def location(problem: Problem, what: int) -> int:
    """Where something is done: a row of the matrices."""
    return problem.candidates[what].location if what >= 0 else problem.sites[-1 - what].location


def carries(problem: Problem, kind: VehicleKind, order: Iterable[int]) -> bool:
    """Whether no trip is more than a vehicle takes, in litres and kilograms."""
    litres = kilograms = 0
    for what in order:
        if what < 0:
            litres = kilograms = 0
            continue
        litres += problem.candidates[what].volume_l
        kilograms += problem.candidates[what].weight_kg
        if litres > kind.capacity_l or (kind.capacity_kg is not None and kilograms > kind.capacity_kg):
            return False
    return True


def work_s(problem: Problem, kind: VehicleKind, order: Sequence[int]) -> int:
    """Seconds of driving, stops and unloadings from the start over the nearest disposal site home, without waiting."""
    travel = problem.travel[kind.travel]
    places = [kind.start, *(location(problem, what) for what in order)]
    driven_s = int(travel.durations_s[places[:-1], places[1:]].sum())
    done_s = sum(
        problem.candidates[what].service_s if what >= 0 else problem.sites[-1 - what].unload_s for what in order
    )
    home_s = min(
        int(travel.durations_s[places[-1], site.location] + travel.durations_s[site.location, kind.end]) + site.unload_s
        for site in problem.sites
        if site.location not in travel.unreachable
    )
    return driven_s + done_s + home_s


def lasts(problem: Problem, kind: VehicleKind, order: Sequence[int]) -> bool:
    """Whether driving and working fit into the shift with its breaks: looked at first, since exact times cost more."""
    return work_s(problem, kind, order) <= longest_work_s(kind, problem.breaks)
