"""A race of fleet mixes and seeds: all run a little, the better half twice as far, until the last run to the end."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from pickups.routes.orders import Orders
from pickups.routes.pyvrp_model import Mix
from pickups.routes.solver_processes import Outcome, Run, Workers

HEATS_SHARE: Final = 0.4
"""Of the time left, for all heats before the final."""
MIN_ENTRANTS: Final = 8
_FEW: Final = 4
"""More fleets only qualify for the race of the best of them."""
_SMALL: Final = 40
"""Candidates below which half the runs and races do."""
_AGAIN_FURTHER: Final = 4
"""So much further the first heat of a race of favourites goes: they are close to each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What all runs of a race have in common; `until` in time.monotonic's seconds.

    `begin`: tours that every other run goes on from, if it has the vehicles for them.
    """

    candidates: tuple[int, ...]
    until: float
    begin: Orders = ()
    soft: bool = False
    margin_s: int = 0

    @property
    def idle(self) -> int:
        """A run ends after so many iterations without anything better."""
        return 200 + 20 * len(self.candidates)

    @property
    def entrants(self) -> int:
        """At least so many runs begin a race."""
        return MIN_ENTRANTS if len(self.candidates) >= _SMALL else MIN_ENTRANTS // 2

    @property
    def futile(self) -> int:
        """So many races without anything better are the last."""
        return 2 if len(self.candidates) >= _SMALL else 1

    @property
    def first_iterations(self) -> int:
        """How far all run in the first heat."""
        return min(400, 100 + 10 * len(self.candidates))


def races(workers: Workers, course: Course, mixes: Sequence[Mix], seed: int) -> list[Outcome]:
    """A race of all mixes, then races of those that did best and of one vehicle fewer, until they bring nothing better.

    The best first; with nothing feasible after the first race there is no second.
    """
    ranked = race(workers, course, mixes, seed, to_end=len(mixes) <= _FEW)
    number = futile = 0
    while ranked[0].feasible and futile < course.futile and time.monotonic() < course.until:
        number += 1
        again = race(workers, course, _favourites(ranked, mixes), seed + 1_000_000 * number, further=_AGAIN_FURTHER)
        futile = 0 if rank(again[0]) < rank(ranked[0]) else futile + 1
        ranked = sorted([*again, *ranked], key=rank)
    return ranked


def pressed(workers: Workers, course: Course, mix: Mix, seed: int) -> list[Outcome]:
    """Searches that all go on from the best tours so far, until they bring nothing better; the best first.

    For a day on which not all finds room: from random tours no search comes to any that can be driven soon enough.
    """
    ranked: list[Outcome] = []
    number = futile = 0
    while not ranked or (futile < course.futile and time.monotonic() < course.until):
        begin = ranked[0].orders if ranked and ranked[0].feasible else course.begin
        runs = [
            Run(
                candidates=course.candidates,
                mix=mix,
                seed=seed + number + process,
                iterations=10**9,
                idle=course.idle,
                until=course.until,
                soft=course.soft,
                margin_s=course.margin_s,
                begin=begin or None,
            )
            for process in range(workers.count)
        ]
        number += workers.count
        again = workers.outcomes(runs)
        best = min(again, key=rank)
        futile = 0 if not ranked or rank(best) < rank(ranked[0]) else futile + 1
        ranked = sorted([*again, *ranked], key=rank)
    return ranked


def _favourites(ranked: Sequence[Outcome], mixes: Sequence[Mix]) -> list[Mix]:
    """The two best of the mixes used, and the best without one vehicle, of those that are not known to be too few."""
    every = list(dict.fromkeys(used(outcome) for outcome in ranked if outcome.feasible and outcome.orders))
    if not every:
        return list(mixes)
    best = every[0]
    fewer = [
        (*best[:kind], best[kind] - 1, *best[kind + 1 :]) for kind in range(len(best)) if best[kind] and sum(best) > 1
    ]
    least = min(sum(mix) for mix in mixes)
    return list(dict.fromkeys([*every[:2], *(mix for mix in fewer if sum(mix) >= least)]))


def race(
    workers: Workers, course: Course, mixes: Sequence[Mix], seed: int, *, further: int = 1, to_end: bool = True
) -> list[Outcome]:
    """What the runs found, the best first; whether it is feasible, they say.

    All heats go so many times `further`; without `to_end` the final is left out.
    """
    field = [
        Run(
            candidates=course.candidates,
            mix=mix,
            seed=seed + number,
            iterations=course.first_iterations * further,
            idle=course.idle,
            until=course.until,
            soft=course.soft,
            margin_s=course.margin_s,
            begin=course.begin if course.begin and number % 2 == 0 else None,
        )
        for number in range(-(-course.entrants // len(mixes)))
        for mix in mixes
    ]
    heats = max(0, (len(field) - 1) // workers.count).bit_length()
    heat_s = (course.until - time.monotonic()) * HEATS_SHARE / max(1, heats)
    seen: list[Outcome] = []
    for heat in range(heats):
        outcomes = workers.outcomes(_timed(field, heat_s, workers.count))
        seen = sorted([*outcomes, *seen], key=rank)
        ahead = [one for one in _varied(sorted(outcomes, key=rank)) if not one.spent]
        ahead = ahead[: max(workers.count, -(-len(field) // 2))]
        if not ahead or time.monotonic() >= course.until:
            return seen
        field = [_next(one, course, heat + 1) for one in ahead]
    if seen and not (to_end and seen[0].feasible):
        return seen
    finals = [replace(run, iterations=10**9) for run in field[: workers.count]]
    return sorted([*workers.outcomes(finals), *seen], key=rank)


def used(outcome: Outcome) -> Mix:
    """The vehicles that the tours take."""
    kinds = [kind for kind, _ in outcome.orders]
    return tuple(kinds.count(kind) for kind in range(len(outcome.run.mix)))


def rank(outcome: Outcome) -> tuple[bool, int]:
    """Smaller is better."""
    return not outcome.feasible, outcome.cost


def _next(outcome: Outcome, course: Course, heat: int) -> Run:
    """Goes on from what was found, with the vehicles that it came to use."""
    return replace(
        outcome.run,
        mix=used(outcome) if outcome.feasible and outcome.orders else outcome.run.mix,
        begin=outcome.orders if outcome.feasible else None,
        iterations=2 * outcome.run.iterations,
        seed=outcome.run.seed + 1_000 * heat,
        until=course.until,
    )


def _varied(ranked: Sequence[Outcome]) -> list[Outcome]:
    """The best of each fleet used, then the second best of each, and so on.

    Small fleets need more iterations to show that they are cheaper; by cost alone they would be out too early.
    """
    seen: Counter[Mix] = Counter()
    places: list[tuple[int, int]] = []
    for number, outcome in enumerate(ranked):
        places.append((seen[used(outcome)], number))
        seen[used(outcome)] += 1
    return [ranked[number] for _, number in sorted(places)]


def _timed(field: Sequence[Run], heat_s: float, at_once: int) -> list[Run]:
    """The runs with the instants by which they end, if iterations do not end them before."""
    now = time.monotonic()
    run_s = heat_s / -(-len(field) // at_once)
    return [
        replace(run, until=min(run.until, now + run_s * (number // at_once + 1))) for number, run in enumerate(field)
    ]
