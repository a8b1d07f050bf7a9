"""Counters of devices (energy, hours of light, switchings): what they gained, and where they began anew."""

from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple


class CounterSpan(NamedTuple):
    """What one counter of one device did in one interval; a tuple, as there may be hundreds of thousands at once."""

    device_id: str
    municipality: str
    interval: int
    """Place of the interval among those that were asked for."""
    first_at: datetime
    first: float
    last_at: datetime
    last: float
    """The first and the last reading inside the interval; one and the same where there is one alone."""
    gained: float
    """From the first reading to the last, over all resets."""
    resets: int
    hours: int
    """How many clock hours of UTC that begin inside the interval have a reading."""


def step(before: float, after: float) -> tuple[float, int]:
    """Gain and resets between two readings that follow each other.

    A counter never goes back, so one that did began anew at zero (as Prometheus's `increase` has it): the reading after
    is what it gained since; what it gained between the reading before and the reset is lost.
    """
    return (after - before, 0) if after >= before else (after, 1)


def gained(values: Iterable[float]) -> tuple[float, int]:
    """Gain and resets over readings in order of time; nothing for fewer than two."""
    steps = [step(before, after) for before, after in pairwise(values)]
    return sum(gain for gain, _ in steps), sum(resets for _, resets in steps)


def joined(earlier: CounterSpan, later: CounterSpan) -> CounterSpan:
    """Two parts of one interval, one behind the other, as one."""
    gain, resets = step(earlier.last, later.first)
    return earlier._replace(
        last_at=later.last_at,
        last=later.last,
        gained=earlier.gained + gain + later.gained,
        resets=earlier.resets + resets + later.resets,
        hours=earlier.hours + later.hours,
    )
