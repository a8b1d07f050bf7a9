"""What cannot be planned whatever the solver does: vehicles that cannot drive, bins that no vehicle can empty."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from core.errors import PlanningError
from pickups.routes.problem import BreakRule, Candidate, LeftOut, Problem, Site, VehicleKind
from pickups.routes.shift import longest_work_s
from pickups.routes.timing import timed
from pickups.routes.windows import joined, within

NO_VEHICLE_MAY: Final = "no vehicle of this day may go there"
NO_WINDOW: Final = "its time windows contradict each other: none is left in which it could be emptied"


def usable(problem: Problem) -> Problem:
    """The problem with only the vehicles and disposal sites that can be used.

    Raises:
        PlanningError: none is left; names each vehicle with what is wrong.
    """
    sites = tuple(site for site in problem.sites if not _site_trouble(problem, site))
    if not sites:
        reasons = [_site_trouble(problem, site) for site in problem.sites]
        raise PlanningError("; ".join(reasons) or "there is no disposal site: the vehicles have no place to unload")
    names = [kind.name for kind in problem.vehicles]
    if len(set(names)) < len(names):
        raise PlanningError("several kinds of vehicle have one name")
    troubles = [_vehicle_trouble(problem, kind, sites) for kind in problem.vehicles]
    vehicles = tuple(kind for kind, trouble in zip(problem.vehicles, troubles, strict=True) if not trouble)
    if not vehicles:
        raise PlanningError("; ".join(troubles) or "there is no vehicle")
    return replace(problem, sites=sites, vehicles=vehicles)


def unservable(problem: Problem) -> dict[int, LeftOut]:
    """Candidates (by index) that no vehicle could empty even if it did nothing else, with the reason."""
    found = {}
    for index, candidate in enumerate(problem.candidates):
        reason = _candidate_trouble(problem, index, candidate)
        if reason:
            found[index] = LeftOut(candidate.device_id, reason)
    return found


def _candidate_trouble(  # noqa: PLR0911 - one reason after the other
    problem: Problem, index: int, candidate: Candidate
) -> str:
    unreachable = [travel.unreachable.get(candidate.location) for travel in problem.travel]
    if all(unreachable):
        return f"not reachable: {unreachable[0]}"
    if candidate.windows and not joined(candidate.windows):
        return NO_WINDOW
    kinds = [kind for kind in problem.vehicles if candidate.vehicles is None or kind.name in candidate.vehicles]
    if not kinds:
        return NO_VEHICLE_MAY
    kinds = [kind for kind in kinds if not unreachable[kind.travel]]
    if not kinds:
        return f"not reachable by a vehicle that may go there: {next(reason for reason in unreachable if reason)}"
    by_volume = [kind for kind in kinds if candidate.volume_l <= kind.capacity_l]
    if not by_volume:
        return f"its {candidate.volume_l} l are more than the {max(kind.capacity_l for kind in kinds)} l of any vehicle"
    kinds = [kind for kind in by_volume if kind.capacity_kg is None or candidate.weight_kg <= kind.capacity_kg]
    if not kinds:
        most = max(kind.capacity_kg or 0 for kind in by_volume)
        return f"its {candidate.weight_kg} kg are more than the {most} kg of any vehicle"
    if any(timed(problem, kind, (index,)) for kind in kinds):
        return ""
    if candidate.windows and not any(
        within(joined(candidate.windows), kind.earliest_s, kind.latest_s) for kind in kinds
    ):
        return f"its time windows ({_clock(candidate)}) lie outside the shift of every vehicle"
    if candidate.windows and any(timed(_without_windows(problem, index), kind, (index,)) for kind in kinds):
        return f"within its time windows ({_clock(candidate)}) no vehicle can be there and back in its shift"
    return "the way there, over a disposal site and back takes longer than the shift of every vehicle"


def _without_windows(problem: Problem, index: int) -> Problem:
    candidates = list(problem.candidates)
    candidates[index] = replace(candidates[index], windows=())
    return replace(problem, candidates=tuple(candidates))


def _site_trouble(problem: Problem, site: Site) -> str:
    if all(site.location in travel.unreachable for travel in problem.travel):
        return f"disposal site {site.name}: not reachable: {problem.travel[0].unreachable[site.location]}"
    if site.windows and not joined(site.windows):
        return f"disposal site {site.name}: its opening hours end before they begin"
    return ""


def _vehicle_trouble(  # noqa: PLR0911 - one reason after the other
    problem: Problem, kind: VehicleKind, sites: Sequence[Site]
) -> str:
    if kind.count < 1:
        return f"vehicle {kind.name}: there is none of it"
    travel = problem.travel[kind.travel]
    for name, place in (("start", kind.start), ("end", kind.end)):
        if place in travel.unreachable:
            return f"vehicle {kind.name}: its {name} is not reachable: {travel.unreachable[place]}"
    if kind.capacity_l < 1 or (kind.capacity_kg is not None and kind.capacity_kg < 1):
        return f"vehicle {kind.name}: its capacity is below 1"
    if kind.latest_s <= kind.earliest_s or kind.max_duration_s <= 0:
        return f"vehicle {kind.name}: its shift ends before it begins"
    shift_s = _work_s(kind, problem.breaks)
    if all(site.location in travel.unreachable for site in sites):
        return f"vehicle {kind.name}: it can reach no disposal site"
    least_s = min(
        int(travel.durations_s[kind.start, site.location] + travel.durations_s[site.location, kind.end]) + site.unload_s
        for site in sites
        if site.location not in travel.unreachable
    )
    if least_s > shift_s:
        return (
            f"vehicle {kind.name}: its shift has {_minutes(shift_s)} for work, and the way over a disposal site alone"
            f" takes {_minutes(least_s)}"
        )
    return ""


def _work_s(kind: VehicleKind, breaks: BreakRule | None) -> int:
    return max(0, longest_work_s(kind, breaks))


def _minutes(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return f"{minutes // 60} h {minutes % 60:02} min"


def _clock(candidate: Candidate) -> str:
    def one(at_s: int) -> str:
        return f"{at_s // 3600:02}:{at_s % 3600 // 60:02}"

    return ", ".join(f"{one(window.start_s)}-{one(window.end_s)}" for window in joined(candidate.windows))
