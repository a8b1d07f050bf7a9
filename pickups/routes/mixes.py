"""Which fleets to try: how many vehicles of each kind the solver is offered.

Offered the whole fleet, the local search settles on tours of too many vehicles (docs/pickups.md has the figures);
offered a part of it, it cannot.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from math import ceil, prod
from typing import Final

import numpy as np

from pickups.routes.problem import Problem
from pickups.routes.pyvrp_model import Mix
from pickups.routes.shift import longest_work_s

MAX_MIXES: Final = 24
"""More are sampled: each needs its share of the time to show what it is worth."""


def mixes(problem: Problem, candidates: Sequence[int]) -> list[Mix]:
    """Mixes worth trying, the whole fleet among them; all of them if they are few.

    Those that cannot serve the required candidates are left out as far as a bound by time shows it.
    """
    whole = tuple(min(kind.count, max(1, len(candidates))) for kind in problem.vehicles)
    least = least_vehicles(problem, candidates)
    if prod(count + 1 for count in whole) <= MAX_MIXES + 1:
        every = product(*(range(count + 1) for count in whole))
        found = [mix for mix in every if sum(mix) >= least]
    else:
        found = list(dict.fromkeys(_sampled(problem, whole, least)))
    return [mix for mix in found if mix != whole] + [whole]


def least_vehicles(problem: Problem, candidates: Sequence[int]) -> int:
    """No fewer can serve the required candidates: each takes its service and at least the shortest way to it."""
    required = [problem.candidates[index] for index in candidates if problem.candidates[index].required]
    if not required:
        return 1
    places = sorted(
        {candidate.location for candidate in required}
        | {kind.start for kind in problem.vehicles}
        | {site.location for site in problem.sites}
    )
    ways = np.full(len(places), np.iinfo(np.int64).max)
    for travel in problem.travel:
        durations = travel.durations_s[np.ix_(places, places)].copy()
        np.fill_diagonal(durations, np.iinfo(np.int64).max)
        ways = np.minimum(ways, durations.min(axis=0))
    shortest = dict(zip(places, ways.tolist(), strict=True))
    first: set[int] = set()
    work_s = 0
    for candidate in required:
        work_s += candidate.service_s
        if candidate.location not in first:  # bins at one place are served on one way
            work_s += shortest[candidate.location]
            first.add(candidate.location)
    longest_s = max(longest_work_s(kind, problem.breaks) for kind in problem.vehicles)
    return max(1, ceil(work_s / longest_s))


def _sampled(problem: Problem, whole: Mix, least: int) -> Iterator[Mix]:
    """Fleets of growing number: one kind before the others, and all kinds alike."""
    total = sum(whole)
    sizes = sorted({min(total, max(1, round(size))) for size in np.geomspace(max(1, least), total, 6)})
    kinds = sorted(range(len(whole)), key=lambda kind: problem.vehicles[kind].capacity_l)
    firsts = [kinds[number:] + kinds[:number] for number in range(len(kinds))][: MAX_MIXES // (2 * len(sizes))]
    for size in sizes:
        yield tuple(int(share) for share in _alike(whole, size))
        for order in (*firsts, kinds[::-1]):
            mix, left = [0] * len(whole), size
            for kind in order:
                mix[kind] = min(left, whole[kind])
                left -= mix[kind]
            yield tuple(mix)


def _alike(whole: Mix, size: int) -> list[int]:
    """So many vehicles, of each kind as near as can be to its share of the fleet."""
    exact = np.array(whole) * size / sum(whole)
    counts = np.floor(exact).astype(int)
    for kind in np.argsort(counts - exact)[: size - int(counts.sum())]:
        counts[kind] += 1
    return [int(count) for count in counts]
