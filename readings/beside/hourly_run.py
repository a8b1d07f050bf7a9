"""Which hourly totals are to be made anew, and the spans of readings that this takes; pure."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter

from readings.contract import HOUR_US

Span = tuple[int, int, Iterable[str]]
"""From, end (microseconds), municipalities."""
Part = tuple[int, float | None, float | None, float | None]
"""Count, sum, minimum, maximum; None of quantities that are no numbers."""


@dataclass(frozen=True, slots=True)
class Run:
    """Stale hours of one device type, with their stamps by (municipality, hour)."""

    device_type: str
    stamps: Mapping[tuple[str, int], int]

    def spans(self) -> list[Span]:
        """The hours in microseconds; those that follow each other and are of the same municipalities together."""
        spans: list[Span] = []
        in_order = sorted(self.stamps, key=itemgetter(1, 0))
        for hour, marks in itertools.groupby(in_order, key=itemgetter(1)):
            towns = [municipality for municipality, _ in marks]
            from_us, end_us = hour * HOUR_US, (hour + 1) * HOUR_US
            if spans and spans[-1][1:] == (from_us, towns):
                from_us = spans.pop()[0]
            spans.append((from_us, end_us, towns))
        return spans
