"""What both backends of readings do the same way for `counters`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from core.clock import from_epoch_us
from core.counter import CounterSpan, gained
from core.errors import InvalidInputError
from core.quantity import CATALOGUE
from readings.contract import HOUR_US, clamp_us

Points = Sequence[tuple[int, float]]
"""Instants (microseconds) and values, in order of time."""


@dataclass(frozen=True, slots=True)
class CountersQuery:
    """A checked call of `counters`; times in microseconds since 1970."""

    name: str
    bounds_us: tuple[int, ...]
    municipality: str | None
    device_ids: frozenset[str] | None


def counters_query(
    quantity: str, bounds: Sequence[datetime], municipality: str | None, device_ids: Collection[str] | None
) -> CountersQuery:
    """Check the arguments of `counters`.

    Raises:
        InvalidInputError: the quantity is no counter, or the bounds do not ascend.
    """
    if quantity not in CATALOGUE or not CATALOGUE[quantity].counter:
        raise InvalidInputError(f"quantity: {quantity[:80]!a} is no counter")
    bounds_us = tuple(clamp_us(bound) for bound in bounds)
    if any(earlier >= later for earlier, later in pairwise(bounds_us)):
        raise InvalidInputError("bounds: each must be later than the one before")
    ids = None if device_ids is None else frozenset(device_ids)
    return CountersQuery(quantity, bounds_us, municipality, ids)


def span_of(device_id: str, municipality: str, interval: int, points: Points) -> CounterSpan:
    """The span of all readings of an interval, of which there is at least one."""
    (first_us, first), (last_us, last) = points[0], points[-1]
    gain, resets = gained(value for _, value in points)
    return CounterSpan(
        device_id,
        municipality,
        interval,
        from_epoch_us(first_us),
        first,
        from_epoch_us(last_us),
        last,
        gain,
        resets,
        len({at_us // HOUR_US for at_us, _ in points}),
    )
