"""What counters gained in intervals: splits at their bounds, resets, gaps; pure.

Between two readings a counter's difference is what was used. Where the readings at both sides of a bound are close
together (`MEASURED_WITHIN`), the difference is split there by time and counts as measured; where they are further
apart, as estimated. Before the first and after the last reading nothing is known, and nothing is assumed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from core.counter import CounterSpan, step

MEASURED_WITHIN: Final = timedelta(hours=2)
"""Lamps report every 15 to 60 minutes; what passes between readings this close is known well enough."""
REACH: Final = timedelta(days=2)
"""So far before and behind the intervals a reading is looked for: lamps on radio report once a day."""

Known = tuple[datetime, datetime]
"""From when to when something is known."""


@dataclass(slots=True)
class Increase:
    """What a counter gained in one interval; `known` None: nothing is known."""

    measured: float = 0.0
    estimated: float = 0.0
    resets: int = 0
    hours: int = 0
    """Clock hours with a reading."""
    known: Known | None = None


def with_reach(of: Sequence[datetime]) -> list[datetime]:
    """The bounds with an interval of `REACH` before and one behind, as `increases` wants spans of."""
    return [of[0] - REACH, *of, of[-1] + REACH]


def increases(spans: Sequence[CounterSpan], of: Sequence[datetime], *, split: bool = True) -> list[Increase]:
    """What one counter of one device gained in each interval of the bounds `of`.

    Args:
        spans: in order, of the intervals of `with_reach(of)`.
        of: ascending bounds.
        split: share what was gained between two readings by time; else it counts where the later reading is.
    """
    reached = with_reach(of)
    found = [Increase() for _ in range(len(reached) - 1)]
    for span in spans:
        increase = found[span.interval]
        increase.measured += span.gained
        increase.resets += span.resets
        increase.hours += span.hours
    for before, after in pairwise(spans):
        gain, resets = step(before.last, after.first)
        found[after.interval].resets += resets
        length = after.first_at - before.last_at
        if not split:
            found[after.interval].measured += gain
            continue
        for interval in range(before.interval, after.interval + 1):
            inside = min(after.first_at, reached[interval + 1]) - max(before.last_at, reached[interval])
            part = gain * (inside / length)
            if length <= MEASURED_WITHIN:
                found[interval].measured += part
            else:
                found[interval].estimated += part
    if spans:
        for increase, (start, end) in zip(found, pairwise(reached), strict=True):
            known = max(start, spans[0].first_at), min(end, spans[-1].last_at)
            if known[0] < known[1]:
                increase.known = known
    return found[1:-1]
