"""Counters of the InfluxDB backend: the server gives each interval's ends, the falls, the hours with a reading.

A short span (the ends of a report by day, the day on which clocks change) is read whole. Where a counter went back, the
points of that device and interval are read.
"""

from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from operator import itemgetter
from typing import Final

from core.clock import from_epoch_us, to_epoch_us
from core.counter import CounterSpan
from readings.calls import CountersQuery
from readings.counters import span_of
from readings.influx.answers import parse_rows
from readings.influx.flux import Filter, Flux, narrowed
from readings.influx.reads import MAX_DEVICE_FILTER, Ask

INTERVALS_AT_ONCE: Final = 31
READ_WHOLE_US: Final = 4 * 86_400_000_000
"""So short a span is read whole: five passes over every series cost more than its points."""
_HOURS: Final = "hours"
_ENDS: Final = ("first", "last")
_FALLS: Final = "falls"


@dataclass(frozen=True, slots=True)
class _Run:
    """So many intervals of one length behind each other, of which the first is `interval`; microseconds."""

    interval: int
    from_us: int
    length_us: int
    count: int

    def interval_at(self, at_us: int) -> int:
        return self.interval + (at_us - self.from_us) // self.length_us

    def span_us(self, interval: int) -> tuple[int, int]:
        start_us = self.from_us + (interval - self.interval) * self.length_us
        return start_us, start_us + self.length_us


@dataclass(slots=True)
class _Told:
    """What the server told of one device in one interval: instant and value of the ends, whether it fell, the hours."""

    ends: dict[str, tuple[int, float]] = field(default_factory=dict)
    fell: bool = False
    """Also if it fell just before the first reading of the interval."""
    hours: int = 0
    series: int = 0
    """More than one: it was not always kept apart (`readings.influx.line_protocol`)."""

    @property
    def never_went_back(self) -> bool:
        return self.series == 1 and len(self.ends) == len(_ENDS) and not self.fell


def counter_spans(ask: Ask, threads: Executor, query: CountersQuery) -> list[CounterSpan]:
    """The spans in order; see `ReadingStore.counters`."""
    if query.device_ids is not None and not query.device_ids:
        return []
    found = [span for spans in threads.map(lambda run: _of_run(ask, query, run), _runs(query)) for span in spans]
    found.sort(key=itemgetter(0, 1, 2))
    return found


def _runs(query: CountersQuery) -> list[_Run]:
    """Intervals of one length behind each other are one query."""
    runs: list[_Run] = []
    for interval, (from_us, end_us) in enumerate(pairwise(query.bounds_us)):
        length_us = end_us - from_us
        if runs and runs[-1].length_us == length_us and runs[-1].count < INTERVALS_AT_ONCE:
            runs[-1] = replace(runs[-1], count=runs[-1].count + 1)
        else:
            runs.append(_Run(interval, from_us, length_us, 1))
    return runs


def _of_run(ask: Ask, query: CountersQuery, run: _Run) -> list[CounterSpan]:
    filters = _filters(query)
    if run.count * run.length_us <= READ_WHOLE_US:
        return _read_whole(ask, query, run, filters)
    told = _told(ask(lambda flux: _ends_and_falls(flux, run, filters)), run)
    spans: list[CounterSpan] = []
    for (device_id, municipality, interval), of_device in told.items():
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
        points = _points(ask, *run.span_us(interval), own)
        if points:  # none: deleted meanwhile
            spans.append(span_of(device_id, municipality, interval, points))
    return spans


def _read_whole(ask: Ask, query: CountersQuery, run: _Run, filters: list[Filter]) -> list[CounterSpan]:
    def build(flux: Flux) -> None:
        source = flux.source(run.from_us, run.from_us + run.count * run.length_us, *filters)
        flux.text = f'{source} |> keep(columns: ["_time", "_value", "device_id", "municipality"])'

    points: dict[tuple[str, str, int], list[tuple[int, float]]] = {}
    for device_id, municipality, at, value in parse_rows(ask(build), "device_id", "municipality", "_time", "_value"):
        if query.device_ids is None or device_id in query.device_ids:
            at_us = _us(at)
            points.setdefault((device_id, municipality, run.interval_at(at_us)), []).append((at_us, float(value)))
    return [span_of(*key, sorted(of_interval)) for key, of_interval in points.items()]


def _filters(query: CountersQuery) -> list[Filter]:
    filters: list[Filter] = [("_field", [query.name]), *narrowed(query.municipality, None)]
    if query.device_ids is not None and len(query.device_ids) <= MAX_DEVICE_FILTER:
        filters.append(("device_id", sorted(query.device_ids)))
    return filters


def _ends_and_falls(flux: Flux, run: _Run, filters: list[Filter]) -> None:
    """Results `first`, `last`, `falls`, `hours` per series and interval, with a `_time` or `_start` inside it.

    The ends are what the storage engine finds. `window` makes a table of each interval, which is slow where
    `aggregateWindow` does without; but that forgets when the ends were. Only a look at every point finds a fall that
    later points hide: extremes do not tell it.
    """
    source = flux.source(run.from_us, run.from_us + run.count * run.length_us, *filters)
    length = flux.bind(timedelta(microseconds=run.length_us))
    offset = flux.bind(timedelta(microseconds=run.from_us % run.length_us))
    many = run.count > 1  # a single interval is the range
    window = f" |> window(every: {length}, offset: {offset}, createEmpty: false)" if many else ""
    inside = f"every: {length}, offset: {offset}, fn: count, createEmpty: false"
    hours = f' |> aggregateWindow({inside}, timeSrc: "_start")' if many else " |> count()"
    steps = {function: f"{window} |> {function}()" for function in _ENDS}
    steps[_FALLS] = " |> difference() |> filter(fn: (r) => r._value < 0)"
    steps[_HOURS] = f' |> aggregateWindow(every: 1h, fn: count, createEmpty: false, timeSrc: "_start"){hours}'
    columns = '"_time", "_start", "_value", "device_id", "municipality"'
    # The ends come as a table of each interval: to keep columns of so many costs as much as to find them.
    kept = {name: "" if many and name in _ENDS else f" |> keep(columns: [{columns}])" for name in steps}
    flux.text = "\n".join(f'{source}{each}{kept[name]} |> yield(name: "{name}")' for name, each in steps.items())


def _told(answer: str, run: _Run) -> dict[tuple[str, str, int], _Told]:
    """What an answer tells, by device, municipality and interval."""
    told: dict[tuple[str, str, int], _Told] = {}
    rows = parse_rows(answer, "result", "device_id", "municipality", "_start", "_time", "_value")
    for result, device_id, municipality, start, at, value in rows:
        of_device = told.setdefault((device_id, municipality, run.interval_at(_us(at or start))), _Told())
        if result in _ENDS:
            of_device.series += result == "first"
            of_device.ends[result] = (_us(at), float(value))
        elif result == _FALLS:
            of_device.fell = True
        else:
            of_device.hours += int(value)
    return told


def _points(ask: Ask, from_us: int, end_us: int, filters: list[Filter]) -> list[tuple[int, float]]:
    def build(flux: Flux) -> None:
        flux.text = f'{flux.source(from_us, end_us, *filters)} |> keep(columns: ["_time", "_value"])'

    rows = parse_rows(ask(build), "_time", "_value")
    return sorted((_us(at), float(value)) for at, value in rows)


def _us(text: str) -> int:
    return to_epoch_us(datetime.fromisoformat(text))
