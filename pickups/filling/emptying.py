"""Emptyings: sharp drops in a bin's filling level, and what drivers confirmed."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from core.pickup import Emptying, EmptyingSource

MIN_DROP: Final = 0.3
"""Settling, compaction and echoes move a level by a tenth or two; no one of them takes out a third of a bin."""
MAX_LEVEL_AFTER: Final = 0.35
"""An emptied bin is not always read as 0: it fills again before the next report (of the falls from 0.8 in the Wyndham
recording 96 % end at 0, 3 % at 0.2), and the floor below a sensor is uneven. Contents that fall but stay above slid or
were taken out in part: the bin is still to be emptied."""
BOUNCE_WITHIN: Final = timedelta(hours=3)
"""A level that falls and is back within this was a sensor that restarted or missed its echo: no bin fills so fast."""
BOUNCE: Final = 0.1
"""Back is: no more than this below the level before the fall."""
MERGED_WITHIN: Final = timedelta(hours=2)
"""Falls that follow each other within this are one emptying, reported while it went on."""
CONFIRMED_WITHIN: Final = timedelta(hours=12)
"""A driver may confirm a stop before he reaches it or after the shift; further apart they are two emptyings."""
_EPSILON: Final = 1e-9
"""Levels come as decimal fractions: 0.6 - 0.3 must count as a drop of 0.3."""

Levels = Sequence[tuple[datetime, float]]
"""Instants (aware UTC) with the filling level (0-1) at each."""


def detect_emptying(before: float, after: float) -> bool:
    """Whether two levels (0-1) in a row mean that the bin was emptied between them."""
    return before - after >= MIN_DROP - _EPSILON and after <= MAX_LEVEL_AFTER + _EPSILON


def emptyings(levels: Levels) -> list[Emptying]:
    """The emptyings in a series, whole and partial, ascending; order and repeated instants do not matter.

    Falls of 0.3 and more count (`detect_emptying`; partial where more than 0.35 is left), those in a row within 2 h as
    one. A fall from which the level is back within 3 h is a sensor's restart and counts as nothing, so does a jump
    upwards; a sensor whose zero was moved down looks like an emptying once. A stuck sensor shows none.
    """
    found: list[Emptying] = []
    for (before_at, before), (at, after) in pairwise(_without_bounces(in_order(levels))):
        last = found[-1] if found else None
        goes_on = last is not None and last.at == before_at and at - before_at <= MERGED_WITHIN
        if last is not None and last.level_before is not None and goes_on and before > after:
            found[-1] = replace(last, at=at, level_after=after, partial=not detect_emptying(last.level_before, after))
        elif before - after >= MIN_DROP - _EPSILON:
            found.append(Emptying(at, before, after, before_at, partial=not detect_emptying(before, after)))
    return found


def merge_confirmed(detected: Iterable[Emptying], confirmed: Iterable[datetime]) -> list[Emptying]:
    """One list of what levels show and what drivers confirmed, ascending by `at`.

    A confirmation belongs to the nearest detected emptying within 12 h of its span, each to one. The better time is
    the driver's where levels allow it; outside the span the nearer end of it. Confirmations that no level shows stay,
    without levels.
    """
    merged = sorted(detected, key=lambda emptying: emptying.at)
    alone = []
    for instant in sorted(set(confirmed)):
        near = [
            (_apart(instant, emptying), number)
            for number, emptying in enumerate(merged)
            if emptying.source is EmptyingSource.DETECTED and _apart(instant, emptying) <= CONFIRMED_WITHIN
        ]
        if not near:
            alone.append(Emptying(instant, None, None, source=EmptyingSource.CONFIRMED))
            continue
        _, number = min(near)
        emptying = merged[number]
        at = min(max(instant, emptying.not_before or instant), emptying.at)
        merged[number] = replace(emptying, at=at, source=EmptyingSource.BOTH)
    return sorted([*merged, *alone], key=lambda emptying: emptying.at)


def in_order(levels: Levels) -> list[tuple[datetime, float]]:
    """The series ascending, one level an instant: of several the last given, as the stores keep it."""
    return sorted(dict(levels).items())


def _apart(instant: datetime, emptying: Emptying) -> timedelta:
    """How far an instant lies outside the span in which an emptying took place."""
    begin = emptying.not_before or emptying.at
    return max(begin - instant, instant - emptying.at, timedelta())


def _without_bounces(levels: list[tuple[datetime, float]]) -> list[tuple[datetime, float]]:
    """The series without the readings of falls from which the level came back at once."""
    kept: list[tuple[datetime, float]] = []
    index = 0
    while index < len(levels):
        at, level = levels[index]
        if kept and kept[-1][1] - level >= MIN_DROP - _EPSILON:
            back = _back(levels, index, kept[-1][1])
            if back is not None:
                index = back
                continue
        kept.append((at, level))
        index += 1
    return kept


def _back(levels: list[tuple[datetime, float]], fall: int, before: float) -> int | None:
    """The number of the first level that is back where it was before the fall, if it comes soon enough."""
    for number in range(fall + 1, len(levels)):
        at, level = levels[number]
        if at - levels[fall][0] > BOUNCE_WITHIN:
            return None
        if level >= before - BOUNCE - _EPSILON:
            return number
    return None
