"""What both backends of readings do the same way for `counters`."""

from collections.abc import Sequence

from core.clock import from_epoch_us
from core.counter import CounterSpan, gained
from readings.contract import HOUR_US

Points = Sequence[tuple[int, float]]
"""Instants (microseconds) and values, in order of time."""


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
