"""When a vehicle does what: an order of stops as a tour with instants, windows kept and legal breaks put in.

Breaks are taken after a visit, before driving on. Of all ways to place them, those that are at no instant both later
and longer since the last break than another are followed to the end (labels, as in shortest paths with resources).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from core.travel import TravelMatrix
from pickups.routes.orders import Order, Orders
from pickups.routes.problem import BreakRule, Problem, Tour, VehicleKind, Visit, VisitKind, Window
from pickups.routes.shift import break_due_s
from pickups.routes.windows import joined, last_begin_s, next_begin_s

_MOST_STARTS: Final = 6
"""Instants of leaving that are tried."""


@dataclass(frozen=True, slots=True)
class _Place:
    """One thing to do: where, for how long, when it may begin, at what distance and time from the place before."""

    kind: VisitKind
    location: int
    service_s: int
    windows: tuple[Window, ...]
    leg_m: int
    leg_s: int
    device_id: str | None


@dataclass(frozen=True, slots=True)
class _Label:
    """A way to have done a first part: it ends at `at_s`, with so much work since the last break.

    `breaks` are (number of the place after which, its length), in order; 0 is the start.
    """

    at_s: int
    since_s: int
    rested_s: int
    breaks: tuple[tuple[int, int], ...]


def timed(problem: Problem, kind: VehicleKind, order: Order) -> Tour | None:
    """The cheapest tour found that does this in this order, of those the soonest home; None: no legal one.

    The last unloading is added at the cheapest disposal site that can be had in time.
    """
    travel = problem.travel[kind.travel]
    for site in _last_sites(problem, kind, travel, order):
        places = _places(problem, kind, travel, (*order, -1 - site))
        home_s = int(travel.durations_s[places[-1].location, kind.end])
        least_s = sum(place.leg_s + place.service_s for place in places) + home_s
        found: list[Tour] = []
        for leave_s in _starts(kind, places):
            tour = _tour(problem, kind, places, leave_s)
            if tour is not None:
                found.append(tour)
                if kind.cost_per_s == 0 or worked_s(tour) == least_s:
                    break  # nothing that leaves later can be better
        if found:
            return min(found, key=lambda tour: (kind.cost_per_s * worked_s(tour), tour.end_s))
    return None


def worked_s(tour: Tour) -> int:
    """Time from leaving to return without breaks."""
    rested = sum(visit.duration_s for visit in tour.visits if visit.kind is VisitKind.BREAK)
    return tour.end_s - tour.start_s - rested


def cost(kind: VehicleKind, tour: Tour) -> int:
    """What a tour costs, in the problem's unit."""
    return kind.fixed_cost + kind.cost_per_m * tour.distance_m + kind.cost_per_s * worked_s(tour)


def price(problem: Problem, tours: Iterable[Tour], candidates: Sequence[int]) -> tuple[float, int]:
    """How good tours are, smaller is better: the urgency of required candidates not served, then the cost."""
    served: set[str | None] = set()
    total = 0
    kinds = {kind.name: kind for kind in problem.vehicles}
    for tour in tours:
        total += cost(kinds[tour.vehicle], tour)
        served.update(visit.device_id for visit in tour.visits)
    missed = [one for index in candidates if (one := problem.candidates[index]).device_id not in served]
    return round(sum(one.urgency for one in missed if one.required), 6), total + sum(one.prize for one in missed)


def worth(problem: Problem, orders: Orders, candidates: Sequence[int]) -> tuple[float, int]:
    """The `price` of orders; what is not served in time counts as not served."""
    tours = [timed(problem, problem.vehicles[number], order) for number, order in orders]
    return price(problem, [tour for tour in tours if tour is not None], candidates)


def _last_sites(problem: Problem, kind: VehicleKind, travel: TravelMatrix, order: Order) -> list[int]:
    """Disposal sites for the last unloading, cheapest first."""
    last = problem.candidates[order[-1]].location

    def price(site: int) -> tuple[int, int]:
        there = problem.sites[site].location
        metres = int(travel.distances_m[last, there] + travel.distances_m[there, kind.end])
        seconds = int(travel.durations_s[last, there] + travel.durations_s[there, kind.end])
        return kind.cost_per_m * metres + kind.cost_per_s * (seconds + problem.sites[site].unload_s), seconds

    reachable = [number for number, site in enumerate(problem.sites) if site.location not in travel.unreachable]
    return sorted(reachable, key=price)


def _places(problem: Problem, kind: VehicleKind, travel: TravelMatrix, order: Sequence[int]) -> list[_Place]:
    here, places = kind.start, []
    for what in order:
        if what >= 0:
            candidate = problem.candidates[what]
            there, service_s, windows = candidate.location, candidate.service_s, candidate.windows
            visit, device_id = VisitKind.STOP, candidate.device_id
        else:
            site = problem.sites[-1 - what]
            there, service_s, windows = site.location, site.unload_s, site.windows
            visit, device_id = VisitKind.UNLOADING, None
        places.append(
            _Place(
                visit,
                there,
                service_s,
                joined(windows),
                int(travel.distances_m[here, there]),
                int(travel.durations_s[here, there]),
                device_id,
            )
        )
        here = there
    return places


def _starts(kind: VehicleKind, places: Sequence[_Place]) -> list[int]:
    """Instants to leave at: the earliest, and the first of those that reach a window just as it opens."""
    starts = {kind.earliest_s}
    on_way_s = 0
    for place in places:
        on_way_s += place.leg_s
        starts.update(window.start_s - on_way_s for window in place.windows)
        on_way_s += place.service_s
    return sorted(start for start in starts if kind.earliest_s <= start <= kind.latest_s)[:_MOST_STARTS]


def _tour(problem: Problem, kind: VehicleKind, places: list[_Place], start_s: int) -> Tour | None:
    """The tour begun at an instant or, where it would wait, as much later as it comes home no later."""
    rule, travel = problem.breaks, problem.travel[kind.travel]
    home_s = int(travel.durations_s[places[-1].location, kind.end])
    best = _best(places, home_s, start_s, _rests(kind, rule), rule)
    if best is None:
        return None
    breaks = dict(best.breaks)
    metres = sum(place.leg_m for place in places) + int(travel.distances_m[places[-1].location, kind.end])
    # Leaving later may wait for a later window of a place instead, between breaks; then the first instant stands.
    for leave_s in (_latest_start_s(places, home_s, best.at_s, breaks), start_s):
        visits = tuple(_visits(places, leave_s, breaks, kind.start))
        end_s = visits[-1].begin_s + visits[-1].duration_s + home_s
        tour = Tour(vehicle=kind.name, start_s=leave_s, end_s=end_s, distance_m=metres, visits=visits)
        if end_s <= kind.latest_s and end_s - leave_s <= kind.max_duration_s and _rested(tour, rule):
            return tour
    return None


def _rested(tour: Tour, rule: BreakRule | None) -> bool:
    """Whether no work between breaks is longer than the rule allows."""
    if rule is None:
        return True
    breaks = [visit for visit in tour.visits if visit.kind is VisitKind.BREAK]
    begins = [tour.start_s, *(visit.begin_s + visit.duration_s for visit in breaks)]
    ends = [*(visit.begin_s for visit in breaks), tour.end_s]
    return all(end - begin <= rule.after_s for begin, end in zip(begins, ends, strict=True))


def _best(places: list[_Place], home_s: int, start_s: int, rests: "_Rests", rule: BreakRule | None) -> _Label | None:
    """The way to be home soonest with legal breaks."""
    labels = [_Label(start_s, 0, 0, ())]
    for number, place in enumerate(places):
        labels = [
            done for label in labels for rested in rests.after(label, number) if (done := _do(rested, place, rule))
        ]
        labels = _undominated(labels)
    ends = [
        _Label(label.at_s + home_s, label.since_s + home_s, label.rested_s, label.breaks)
        for before in labels
        for label in rests.after(before, len(places))
    ]
    legal = [
        label
        for label in ends
        if rule is None
        or (
            label.since_s <= rule.after_s and label.rested_s >= break_due_s(label.at_s - start_s - label.rested_s, rule)
        )
    ]
    return min(legal, key=lambda label: (label.at_s, label.rested_s), default=None)


@dataclass(frozen=True, slots=True)
class _Rests:
    """Breaks that may be taken: of these lengths, as long as there were less than `most_s` of them."""

    lengths_s: tuple[int, ...]
    most_s: int

    def after(self, label: _Label, number: int) -> Iterator[_Label]:
        """Driving on at once, or after a break; never a break before the start."""
        yield label
        if number > 0 and label.rested_s < self.most_s:
            for length_s in self.lengths_s:
                yield _Label(label.at_s + length_s, 0, label.rested_s + length_s, (*label.breaks, (number, length_s)))


def _rests(kind: VehicleKind, rule: BreakRule | None) -> _Rests:
    """What the longest shift may need, and one break more, for stops that are long."""
    if rule is None:
        return _Rests((), 0)
    long = kind.max_duration_s > rule.long_after_s
    lengths = {rule.length_s, rule.long_length_s} if long else {rule.length_s}
    return _Rests(tuple(sorted(lengths)), break_due_s(kind.max_duration_s, rule) + rule.length_s)


def _do(label: _Label, place: _Place, rule: BreakRule | None) -> _Label | None:
    begin_s = next_begin_s(place.windows, label.at_s + place.leg_s)
    if begin_s is None:
        return None
    at_s = begin_s + place.service_s
    since_s = label.since_s + at_s - label.at_s
    if rule is not None and since_s > rule.after_s:
        return None
    return _Label(at_s, since_s, label.rested_s, label.breaks)


def _undominated(labels: list[_Label]) -> list[_Label]:
    """Those that no other beats or equals in instant, work since the last break and breaks taken."""
    kept: list[_Label] = []
    for label in sorted(labels, key=lambda one: (one.at_s, one.since_s, -one.rested_s)):
        if not any(other.since_s <= label.since_s and other.rested_s >= label.rested_s for other in kept):
            kept.append(label)
    return kept


def _latest_start_s(places: list[_Place], home_s: int, end_s: int, breaks: dict[int, int]) -> int:
    """The latest instant to leave at and still be home by `end_s`: less waiting, so breaks stay legal."""
    leave_s = end_s - home_s - breaks.get(len(places), 0)
    for number in range(len(places) - 1, -1, -1):
        place = places[number]
        begin_s = last_begin_s(place.windows, leave_s - place.service_s)
        if begin_s is None:  # pragma: no cover - the way forward had found an instant here
            raise AssertionError("a window that was met forwards is met backwards")
        leave_s = begin_s - place.leg_s - breaks.get(number, 0)
    return leave_s


def _visits(places: list[_Place], start_s: int, breaks: dict[int, int], start: int) -> Iterator[Visit]:
    at_s, metres, here = start_s, 0, start
    for number, place in enumerate(places):
        if number in breaks:
            yield _break(here, at_s, breaks[number], metres)
            at_s += breaks[number]
        metres += place.leg_m
        begin_s = next_begin_s(place.windows, at_s + place.leg_s)
        if begin_s is None:  # pragma: no cover
            raise AssertionError("a window that was met is met again")
        yield Visit(
            kind=place.kind,
            location=place.location,
            begin_s=begin_s,
            duration_s=place.service_s,
            distance_m=metres,
            device_id=place.device_id,
        )
        at_s, here = begin_s + place.service_s, place.location
    if len(places) in breaks:
        yield _break(here, at_s, breaks[len(places)], metres)


def _break(here: int, at_s: int, length_s: int, metres: int) -> Visit:
    return Visit(kind=VisitKind.BREAK, location=here, begin_s=at_s, duration_s=length_s, distance_m=metres)
