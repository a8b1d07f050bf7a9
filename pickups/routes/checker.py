"""Checks tours against their problem from scratch: it shares no arithmetic with the planner, only the matrices.

Each rule is a small function that returns sentences. What is a legal tour is written down in `pickups.routes.problem`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from core.travel import TravelMatrix
from pickups.routes.problem import (
    BreakRule,
    Candidate,
    Problem,
    Site,
    Solution,
    Tour,
    VehicleKind,
    Visit,
    VisitKind,
    Window,
)


def violations(problem: Problem, solution: Solution) -> list[str]:
    """Everything wrong with a solution, one sentence each; empty when it may be driven.

    Each candidate once, on a tour or left out; vehicles that exist, no more than there are and only where they may go;
    litres and kilograms of each trip; empty before home; windows, opening hours, shift and breaks; instants and
    distances as the matrices have them; the cost.
    """
    candidates = {candidate.device_id: candidate for candidate in problem.candidates}
    kinds = {kind.name: kind for kind in problem.vehicles}
    found = [*_coverage(problem, solution), *_fleet(kinds, solution)]
    for number, tour in enumerate(solution.tours, start=1):
        if tour.vehicle in kinds:
            check = _TourCheck(problem, kinds[tour.vehicle], tour, candidates)
            found += [f"tour {number} ({tour.vehicle}): {sentence}" for sentence in check.violations()]
    if not found:
        found += _cost(problem, kinds, solution)
    return found


def _coverage(problem: Problem, solution: Solution) -> Iterator[str]:
    wanted = Counter(candidate.device_id for candidate in problem.candidates)
    answered = Counter(
        visit.device_id for tour in solution.tours for visit in tour.visits if visit.kind is VisitKind.STOP
    )
    answered.update(left_out.device_id for left_out in solution.left_out)
    for device_id, times in wanted.items():
        if answered[device_id] < times:
            yield f"bin {device_id} is neither on a tour nor left out"
        if answered[device_id] > times:
            yield f"bin {device_id} is in the plan {answered[device_id]} times"
    for unknown in answered.keys() - wanted.keys():
        if unknown is not None:
            yield f"bin {unknown} is in the plan and nobody asked for it"
    for left_out in solution.left_out:
        if not left_out.reason:
            yield f"bin {left_out.device_id} is left out without a reason"


def _fleet(kinds: dict[str, VehicleKind], solution: Solution) -> Iterator[str]:
    for name, times in Counter(tour.vehicle for tour in solution.tours).items():
        if name not in kinds:
            yield f"there is no vehicle {name!r}"
        elif times > kinds[name].count:
            yield f"{times} tours for {kinds[name].count} vehicles {name!r}"


def _cost(problem: Problem, kinds: dict[str, VehicleKind], solution: Solution) -> Iterator[str]:
    total = 0
    for tour in solution.tours:
        kind = kinds[tour.vehicle]
        paid_s = tour.end_s - tour.start_s
        for visit in tour.visits:
            if visit.kind is VisitKind.BREAK:
                paid_s -= visit.duration_s
        total += kind.fixed_cost + tour.distance_m * kind.cost_per_m + paid_s * kind.cost_per_s
    missed = {left_out.device_id for left_out in solution.left_out}
    total += sum(one.prize for one in problem.candidates if one.device_id in missed)
    if total != solution.cost:
        yield f"the cost is {total}, not {solution.cost}"


class _TourCheck:
    """One tour driven again, visit by visit."""

    def __init__(self, problem: Problem, kind: VehicleKind, tour: Tour, candidates: dict[str, Candidate]) -> None:
        self._kind = kind
        self._tour = tour
        self._candidates = candidates
        self._sites: dict[int, list[Site]] = {}
        for site in problem.sites:
            self._sites.setdefault(site.location, []).append(site)
        self._travel: TravelMatrix = problem.travel[kind.travel]
        self._rule = problem.breaks

    def violations(self) -> list[str]:
        """One sentence for each thing wrong."""
        if not any(visit.kind is VisitKind.STOP for visit in self._tour.visits):
            return ["it has no stop"]
        return [*self._way(), *self._loads(), *self._places(), *self._shift(), *self._breaks()]

    def _way(self) -> Iterator[str]:
        """Distances and instants: nothing begins before one can be there, and only windows make a vehicle wait."""
        here, free_s, metres = self._kind.start, self._tour.start_s, 0
        for visit in self._tour.visits:
            if visit.location in self._travel.unreachable:
                yield f"{_name(visit)} is not reachable"
                return
            if visit.kind is VisitKind.BREAK and visit.location != here:
                yield f"the break at {visit.begin_s} s is not where the vehicle is"
            metres += int(self._travel.distances_m[here, visit.location])
            arrival_s = free_s + int(self._travel.durations_s[here, visit.location])
            if visit.distance_m != metres:
                yield f"{_name(visit)} is reached after {metres} m, not {visit.distance_m} m"
            if visit.begin_s < arrival_s:
                yield f"{_name(visit)} begins at {visit.begin_s} s, and the vehicle is there at {arrival_s} s"
            if visit.begin_s > arrival_s and not self._must_wait(visit, arrival_s):
                yield f"{_name(visit)} begins at {visit.begin_s} s, though it could at {arrival_s} s"
            here, free_s = visit.location, visit.begin_s + visit.duration_s
        metres += int(self._travel.distances_m[here, self._kind.end])
        free_s += int(self._travel.durations_s[here, self._kind.end])
        if (self._tour.distance_m, self._tour.end_s) != (metres, free_s):
            yield f"it is home after {metres} m at {free_s} s, not {self._tour.distance_m} m at {self._tour.end_s} s"

    def _must_wait(self, visit: Visit, arrival_s: int) -> bool:
        windows = self._windows(visit)
        return (
            bool(windows)
            and not any(window.start_s <= arrival_s <= window.end_s for window in windows)
            and any(window.start_s == visit.begin_s for window in windows)
        )

    def _windows(self, visit: Visit) -> Sequence[Window]:
        if visit.kind is VisitKind.STOP:
            candidate = self._candidates.get(visit.device_id or "")
            return candidate.windows if candidate else ()
        if visit.kind is VisitKind.UNLOADING:
            return next((site.windows for site in self._sites_of(visit)), ())
        return ()

    def _sites_of(self, visit: Visit) -> list[Site]:
        """Sites that may be meant: at one place there may be several, with different hours or unloading times."""
        alike = [site for site in self._sites.get(visit.location, []) if site.unload_s == visit.duration_s]
        return sorted(alike, key=lambda site: not _open(site.windows, visit.begin_s))

    def _loads(self) -> Iterator[str]:
        litres = kilograms = 0
        for visit in self._tour.visits:
            if visit.kind is VisitKind.UNLOADING:
                litres = kilograms = 0
            candidate = self._candidates.get(visit.device_id or "") if visit.kind is VisitKind.STOP else None
            if candidate is None:
                continue
            litres += candidate.volume_l
            kilograms += candidate.weight_kg
            if litres > self._kind.capacity_l:
                yield f"with {_name(visit)} its load is {litres} l, more than {self._kind.capacity_l} l"
            if self._kind.capacity_kg is not None and kilograms > self._kind.capacity_kg:
                yield f"with {_name(visit)} its load is {kilograms} kg, more than {self._kind.capacity_kg} kg"
        last = [visit.kind for visit in self._tour.visits if visit.kind is not VisitKind.BREAK][-1]
        if last is not VisitKind.UNLOADING:
            yield "it comes home without unloading"

    def _places(self) -> Iterator[str]:
        """Stops where the bins are, as long as they take, at their hours, by a vehicle that may; sites likewise."""
        for visit in self._tour.visits:
            if visit.kind is VisitKind.STOP:
                yield from self._stop(visit)
            elif visit.kind is VisitKind.UNLOADING:
                sites = self._sites_of(visit)
                if not sites:
                    yield f"{_name(visit)}: no disposal site there takes {visit.duration_s} s"
                elif not _open(sites[0].windows, visit.begin_s):
                    yield f"{_name(visit)} is outside the opening hours"
            elif visit.device_id is not None:
                yield f"the break at {visit.begin_s} s names a bin"

    def _stop(self, visit: Visit) -> Iterator[str]:
        candidate = self._candidates.get(visit.device_id or "")
        if candidate is None:
            return  # the coverage says so
        if (visit.location, visit.duration_s) != (candidate.location, candidate.service_s):
            yield f"{_name(visit)} is not where it stands or does not take {candidate.service_s} s"
        if candidate.vehicles is not None and self._kind.name not in candidate.vehicles:
            yield f"{_name(visit)} cannot be reached by {self._kind.name!r}"
        if not _open(candidate.windows, visit.begin_s):
            yield f"{_name(visit)} begins at {visit.begin_s} s, outside its time windows"

    def _shift(self) -> Iterator[str]:
        tour, kind = self._tour, self._kind
        if tour.start_s < kind.earliest_s:
            yield f"it leaves at {tour.start_s} s, before {kind.earliest_s} s"
        if tour.end_s > kind.latest_s:
            yield f"it is back at {tour.end_s} s, after {kind.latest_s} s"
        if tour.end_s - tour.start_s > kind.max_duration_s:
            yield f"its {tour.end_s - tour.start_s} s are longer than the shift of {kind.max_duration_s} s"

    def _breaks(self) -> Iterator[str]:
        """No work longer than the rule allows without a break of its length; enough breaks for all the work."""
        rule: BreakRule | None = self._rule
        breaks = [visit for visit in self._tour.visits if visit.kind is VisitKind.BREAK]
        if rule is None:
            if breaks:
                yield "it has a break, and the shifts have none"
            return
        rested_s, since = 0, self._tour.start_s
        for visit in breaks:
            if visit.duration_s < rule.length_s:
                yield f"its break at {visit.begin_s} s is shorter than {rule.length_s} s"
                continue
            if visit.begin_s - since > rule.after_s:
                yield f"{visit.begin_s - since} s of work before the break at {visit.begin_s} s"
            since = visit.begin_s + visit.duration_s
            rested_s += visit.duration_s
        if self._tour.end_s - since > rule.after_s:
            yield f"{self._tour.end_s - since} s of work without a break up to the end"
        work_s = self._tour.end_s - self._tour.start_s - rested_s
        if work_s > rule.long_after_s and rested_s < rule.long_length_s:
            yield f"{work_s} s of work with only {rested_s} s of breaks"


def _open(windows: Sequence[Window], at_s: int) -> bool:
    return not windows or any(window.start_s <= at_s <= window.end_s for window in windows)


def _name(visit: Visit) -> str:
    if visit.kind is VisitKind.STOP:
        return f"bin {visit.device_id}"
    return f"the {visit.kind.value} at {visit.begin_s} s"
