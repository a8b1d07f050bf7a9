"""Large days: tours near each other solved anew together, again and again, while nothing else changes.

A search of two thousand bins at once improves a little everywhere and nowhere enough. Parts of a few hundred are
searched well, and several beside each other (POPMUSIC: Taillard and Voss 2002).
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pickups.routes.orders import Orders
from pickups.routes.problem import Problem
from pickups.routes.pyvrp_model import Mix
from pickups.routes.race import Course, rank
from pickups.routes.solver_processes import Run, Workers
from pickups.routes.timing import worth

LARGE: Final = 350
"""Candidates from which on a day is searched in parts."""
_WHOLE_SHARE: Final = 0.5
"""Of the time, for the first tours of the whole day."""
_FUTILE: Final = 20
"""So many rounds without anything better end the search."""
_ITERATIONS: Final = 1_500
_OTHER_FLEET: Final = 0.3
"""Chance that a part is tried with other vehicles than it has."""
_PART: Final = 200
"""Stops of a part, about; at least two tours, if there are two."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Tours (numbers) and the candidates on them or left out near them."""

    tours: tuple[int, ...]
    candidates: tuple[int, ...]


def orders_in_parts(workers: Workers, problem: Problem, course: Course, whole: Mix, seed: int) -> Orders | None:
    """The best orders found: of the whole fleet first, then part by part; None: nothing feasible to begin with."""
    now = time.monotonic()
    whole_until = now + (course.until - now) * _WHOLE_SHARE
    firsts = [
        _run(
            course,
            course.candidates,
            whole,
            seed=seed + number,
            until=whole_until,
            begin=course.begin if course.begin and number % 2 == 0 else None,
        )
        for number in range(workers.count)
    ]
    first = min(workers.outcomes(firsts), key=rank)
    if not first.feasible:
        return None
    orders, chance, futile = first.orders, random.Random(seed), 0
    while orders and futile < _FUTILE and time.monotonic() < course.until:
        parts = _parts(problem, orders, course.candidates, workers.count, chance)
        begins = [tuple(orders[number] for number in part.tours) for part in parts]
        runs = []
        for part, begin in zip(parts, begins, strict=True):
            mix, start = _offered(orders, begin, whole, chance)
            runs.append(
                _run(
                    course,
                    part.candidates,
                    mix,
                    seed=chance.randrange(10**9),
                    until=course.until,
                    begin=start,
                )
            )
        kept = dict(enumerate(orders))
        added: list[tuple[int, tuple[int, ...]]] = []
        for part, begin, outcome in zip(parts, begins, workers.outcomes(runs), strict=True):
            if not outcome.feasible or not _may(added, kept, part, outcome.orders, whole):
                continue
            if worth(problem, outcome.orders, part.candidates) < worth(problem, begin, part.candidates):
                for number in part.tours:
                    del kept[number]
                added += outcome.orders
        futile = 0 if added else futile + 1
        orders = (*kept.values(), *added)
    return orders


def _run(
    course: Course, candidates: tuple[int, ...], mix: Mix, *, seed: int, until: float, begin: Orders | None = None
) -> Run:
    part = len(candidates) < len(course.candidates)
    return Run(
        candidates=candidates,
        mix=mix,
        seed=seed,
        iterations=_ITERATIONS if part else 10**9,
        idle=_ITERATIONS if part else course.idle,
        until=until,
        soft=course.soft,
        margin_s=course.margin_s,
        begin=begin,
    )


def _offered(orders: Orders, begin: Orders, whole: Mix, chance: random.Random) -> tuple[Mix, Orders]:
    """The vehicles of a part's next search, and the tours that it goes on from.

    Mostly the part's own; else without one vehicle, or with an idle one of another kind instead of it: its stops are
    put on the other tours to begin with.
    """
    mix = _used(begin, whole)
    if chance.random() < _OTHER_FLEET:
        idle = [kind for kind, count in enumerate(_used(orders, whole)) if count < whole[kind]]
        gone = chance.randrange(len(begin))
        if idle and chance.random() < 0.5:  # noqa: PLR2004 - evenly
            mix[chance.choice(idle)] += 1
        elif len(begin) == 1:
            return tuple(mix), begin
        mix[begin[gone][0]] -= 1
        begin = (*begin[:gone], *begin[gone + 1 :])
    return tuple(mix), begin


def _may(
    added: Orders | list[tuple[int, tuple[int, ...]]],
    kept: dict[int, tuple[int, tuple[int, ...]]],
    part: _Part,
    orders: Orders,
    whole: Mix,
) -> bool:
    """Whether there are vehicles enough if a part is exchanged; two parts may have taken the same idle one."""
    others = [order for number, order in kept.items() if number not in part.tours]
    counts = _used((*others, *added, *orders), whole)
    return all(count <= there for count, there in zip(counts, whole, strict=True))


def _used(orders: Orders, whole: Mix) -> list[int]:
    kinds = [kind for kind, _ in orders]
    return [kinds.count(kind) for kind in range(len(whole))]


def _parts(
    problem: Problem, orders: Orders, candidates: Sequence[int], most: int, chance: random.Random
) -> list[_Part]:
    """Up to so many parts without a tour in common, each around a tour drawn at random."""
    stops = [[index for index in order if index >= 0] for _, order in orders]
    near = _nearness(problem, stops)
    owners = _owners(problem, stops, candidates)
    free = set(range(len(orders)))
    parts: list[_Part] = []
    for _ in range(most):
        if not free:
            break
        first = chance.choice(sorted(free))
        tours: list[int] = []
        size = 0
        for number in sorted(free, key=lambda tour: near[first, tour]):
            if len(tours) >= 2 and size + len(stops[number]) > _PART:  # noqa: PLR2004
                break
            tours.append(number)
            size += len(stops[number])
        free -= set(tours)
        chosen = tuple(index for number in tours for index in (*stops[number], *owners.get(number, ())))
        parts.append(_Part(tuple(tours), tuple(sorted(chosen))))
    return parts


def _nearness(problem: Problem, stops: Sequence[Sequence[int]]) -> np.ndarray:
    """Metres between tours: the mean way from a stop of the one to the nearest stop of the other; itself first."""
    metres = problem.travel[0].distances_m
    places = [np.array([problem.candidates[index].location for index in tour]) for tour in stops]
    near = np.array([[metres[np.ix_(one, other)].min(axis=1).mean() for other in places] for one in places])
    np.fill_diagonal(near, -1)
    return near


def _owners(problem: Problem, stops: Sequence[Sequence[int]], candidates: Sequence[int]) -> dict[int, list[int]]:
    """Candidates on no tour, by the tour with the stop nearest to each."""
    on_tour = [(index, number) for number, tour in enumerate(stops) for index in tour]
    missing = sorted(set(candidates) - {index for index, _ in on_tour})
    if not missing or not on_tour:
        return {}
    here = [problem.candidates[index].location for index in missing]
    there = [problem.candidates[index].location for index, _ in on_tour]
    nearest = problem.travel[0].distances_m[np.ix_(here, there)].argmin(axis=1)
    found: dict[int, list[int]] = {}
    for index, place in zip(missing, nearest.tolist(), strict=True):
        found.setdefault(on_tour[place][1], []).append(index)
    return found
