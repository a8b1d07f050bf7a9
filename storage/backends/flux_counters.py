"""Counters of the InfluxDB backend: the server gives each interval's ends and extremes, and its hours with a reading.

Where a counter went back between them, the points of that device and interval are read.
"""

from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from operator import itemgetter
from typing import Final

from core.clock import from_epoch_us, to_epoch_us
from core.counter import CounterSpan
from storage.backends.counters import CountersQuery, span_of
from storage.backends.flux import Filter, Flux, narrowed
from storage.backends.flux_answers import parse_rows
from storage.backends.flux_reads import MAX_DEVICE_FILTER, Ask

_HOURS: Final = "hours"
_ENDS: Final = ("first", "last")
_EXTREMES: Final = ("min", "max")

_Whose = tuple[str, str]
"""Device id, municipality."""


@dataclass(slots=True)
class _Told:
    """What the server told of one device in one interval: instant and value of the ends, the extremes, the hours."""

    ends: dict[str, tuple[int, float]] = field(default_factory=dict)
    extremes: dict[str, float] = field(default_factory=dict)
    hours: int = 0
    series: int = 0
    """More than one: it was not always kept apart (`storage.backends.line_protocol`)."""

    @property
    def never_went_back(self) -> bool:
        return (
            self.series == 1
            and len(self.ends) == len(_ENDS)
            and self.extremes == {"min": self.ends["first"][1], "max": self.ends["last"][1]}
        )


def counter_spans(ask: Ask, threads: Executor, query: CountersQuery) -> list[CounterSpan]:
    """The spans in order; see `ReadingStore.counters`."""
    if query.device_ids is not None and not query.device_ids:
        return []
    intervals = list(enumerate(pairwise(query.bounds_us)))
    found = [
        span
        for spans in threads.map(lambda each: _of_interval(ask, query, each[0], *each[1]), intervals)
        for span in spans
    ]
    found.sort(key=itemgetter(0, 1, 2))
    return found


def _of_interval(ask: Ask, query: CountersQuery, interval: int, from_us: int, end_us: int) -> list[CounterSpan]:
    filters = _filters(query)
    told = _told(ask(lambda flux: _ends_and_extremes(flux, from_us, end_us, filters)))
    spans: list[CounterSpan] = []
    for (device_id, municipality), of_device in told.items():
        if query.device_ids is not None and device_id not in query.device_ids:
            continue
        if of_device.never_went_back:
            (first_us, first), (last_us, last) = of_device.ends["first"], of_device.ends["last"]
            began, ended = from_epoch_us(first_us), from_epoch_us(last_us)
            spans.append(
                CounterSpan(
                    device_id, municipality, interval, began, first, ended, last, last - first, 0, of_device.hours
                )
            )
            continue
        own: list[Filter] = [("_field", [query.name]), *narrowed(municipality, None), ("device_id", [device_id])]
        points = _points(ask, from_us, end_us, own)
        if points:  # none: deleted meanwhile
            spans.append(span_of(device_id, municipality, interval, points))
    return spans


def _filters(query: CountersQuery) -> list[Filter]:
    filters: list[Filter] = [("_field", [query.name]), *narrowed(query.municipality, None)]
    if query.device_ids is not None and len(query.device_ids) <= MAX_DEVICE_FILTER:
        filters.append(("device_id", sorted(query.device_ids)))
    return filters


def _ends_and_extremes(flux: Flux, from_us: int, end_us: int, filters: list[Filter]) -> None:
    """Results `first`, `last`, `min`, `max`, `hours` per series: each is one that the storage engine computes."""
    source = flux.source(from_us, end_us, *filters)
    whose = '"device_id", "municipality"'
    results = [
        f'{source} |> {function}() |> keep(columns: ["_time", "_value", {whose}]) |> yield(name: "{function}")'
        for function in _ENDS + _EXTREMES
    ]
    results.append(
        f"{source} |> aggregateWindow(every: 1h, fn: count, createEmpty: false) |> count()"
        f' |> keep(columns: ["_value", {whose}]) |> yield(name: "{_HOURS}")'
    )
    flux.text = "\n".join(results)


def _told(answer: str) -> dict[_Whose, _Told]:
    told: dict[_Whose, _Told] = {}
    rows = parse_rows(answer, "result", "device_id", "municipality", "_time", "_value")
    for result, device_id, municipality, at, value in rows:
        of_device = told.setdefault((device_id, municipality), _Told())
        if result in _ENDS:
            of_device.series += result == "first"
            of_device.ends[result] = (to_epoch_us(datetime.fromisoformat(at)), float(value))
        elif result in _EXTREMES:
            of_device.extremes[result] = float(value)
        else:
            of_device.hours += int(value)
    return told


def _points(ask: Ask, from_us: int, end_us: int, filters: list[Filter]) -> list[tuple[int, float]]:
    def build(flux: Flux) -> None:
        flux.text = f'{flux.source(from_us, end_us, *filters)} |> keep(columns: ["_time", "_value"])'

    rows = parse_rows(ask(build), "_time", "_value")
    return sorted((to_epoch_us(datetime.fromisoformat(at)), float(value)) for at, value in rows)
