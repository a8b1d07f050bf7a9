"""Emptyings: sharp drops in a bin's filling level."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

MIN_DROP: Final = 0.3
"""Settling, compaction and echoes move a level by a tenth or two; no one of them takes out a third of a bin."""
MAX_LEVEL_AFTER: Final = 0.35
"""An emptied bin is not always read as 0: it fills again before the next report (of the falls from 0.8 in the Wyndham
recording 96 % end at 0, 3 % at 0.2), and the floor below a sensor is uneven. Contents that fall but stay above slid or
were taken out in part: the bin is still to be emptied."""
_EPSILON: Final = 1e-9
"""Levels come as decimal fractions: 0.6 - 0.3 must count as a drop of 0.3."""

Levels = Sequence[tuple[datetime, float]]
"""Instants (aware UTC) with the filling level (0-1) at each."""


@dataclass(frozen=True, slots=True)
class Emptying:
    """A bin was emptied some time before `at`, the first reading that shows it; levels 0-1."""

    at: datetime
    level_before: float
    level_after: float


def detect_emptying(before: float, after: float) -> bool:
    """Whether two levels (0-1) in a row mean that the bin was emptied between them."""
    return before - after >= MIN_DROP - _EPSILON and after <= MAX_LEVEL_AFTER + _EPSILON


def emptyings(levels: Levels) -> list[Emptying]:
    """The emptyings in a series, ascending; order and repeated instants do not matter (see `in_order`)."""
    return [
        Emptying(at, before, after)
        for (_, before), (at, after) in pairwise(in_order(levels))
        if detect_emptying(before, after)
    ]


def in_order(levels: Levels) -> list[tuple[datetime, float]]:
    """The series ascending, one level an instant: of several the last given, as the stores keep it."""
    return sorted(dict(levels).items())
