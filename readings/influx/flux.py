"""Flux texts of the InfluxDB backend's reads; values reach the server as parameters, never as text.

A parameter is an option of the query's `extern` (the client builds it); its name stands where a literal would, so
InfluxDB still hands filters on it down to the storage engine (an element of an array parameter would not).
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from core.clock import from_epoch_us
from core.quantity import Kind, Quantity
from core.reading import Aggregate, GroupBy
from devices.registry import device_types
from readings.beside.hourly_run import Span
from readings.calls import MAX_US, MIN_US, SeriesQuery, TotalsQuery

_EVENTS: Final = 'import "contrib/tomhollingworth/events"\n'
CONVERTED: Final = "_converted"
"""Suffix of a result that was made of integers or booleans."""
GROUP_COLUMN: Final = {
    GroupBy.MUNICIPALITY: "municipality",
    GroupBy.DEVICE_TYPE: "_measurement",
    GroupBy.STREET: "device_id",
    GroupBy.DEVICE: "device_id",
}
"""Streets are not in the readings: the aggregates of their devices add up to the street's."""
_FUNCTION: Final = {
    Aggregate.MIN: "min",
    Aggregate.MAX: "max",
    Aggregate.SUM: "sum",
    Aggregate.COUNT: "count",
    Aggregate.LAST: "last",
}


Filter = tuple[str, Iterable[str]]
"""A column and the values of which it has one."""


class Flux:
    """One query under construction: `text` with names, `parameters` with what they stand for."""

    def __init__(self, bucket: str) -> None:
        self.text = ""
        self.parameters: dict[str, object] = {}
        self._bucket = self.bind(bucket)

    def bind(self, value: object) -> str:
        """The name of a new parameter with this value."""
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return name

    def source(self, start_us: int, end_us: int, *filters: Filter) -> str:
        """The points of a span (microseconds) whose column is one of the values, for each filter."""
        start, stop = self.bind(from_epoch_us(start_us)), self.bind(from_epoch_us(end_us))
        text = f"from(bucket: {self._bucket}) |> range(start: {start}, stop: {stop})"
        for column, values in filters:
            some = " or ".join(f"r.{column} == {self.bind(value)}" for value in values)
            text += f" |> filter(fn: (r) => {some})"
        return text


def latest(flux: Flux, *filters: Filter) -> None:
    """The newest point of each series."""
    columns = '"_time", "_field", "_value", "_measurement", "device_id", "municipality"'
    flux.text = f"{flux.source(MIN_US, MAX_US, *filters)} |> last() |> keep(columns: [{columns}])"


def narrowed(municipality: str | None, device_type: str | None) -> list[Filter]:
    """Filters of readings; the bucket may hold other measurements."""
    types: Filter = ("_measurement", sorted(device_types()) if device_type is None else [device_type])
    return [types] if municipality is None else [types, ("municipality", [municipality])]


def nothing(flux: Flux) -> None:
    """No point at all, found in the index without reading any."""
    flux.text = flux.source(MIN_US, MAX_US, ("_measurement", [""]))


def kept_together(flux: Flux, name: str, before_us: int, municipality: str | None, spared: Iterable[str]) -> None:
    """The municipalities that have values of a quantity in one point with others, which cannot be deleted alone."""
    source = flux.source(MIN_US, before_us, ("_field", [name]), *narrowed(municipality, None))
    spare = "".join(f" and r.municipality != {flux.bind(each)}" for each in sorted(spared))
    flux.text = (
        f"{source} |> filter(fn: (r) => not exists r.quantity{spare}) |> first()"
        ' |> keep(columns: ["municipality"]) |> group() |> distinct(column: "municipality")'
        ' |> rename(columns: {_value: "municipality"})'
    )


def observed(flux: Flux, query: SeriesQuery) -> None:
    """Points of one device as they are; at most one more than the limit of each series, after which pages are cut."""
    names = [quantity.name for quantity in query.quantities]
    columns = '"_time", "_field", "_value", "_measurement", "municipality"'
    limit = "" if query.limit is None else f" |> limit(n: {flux.bind(query.limit + 1)})"
    source = flux.source(query.from_us, query.end_us, *_of_device(query, names))
    flux.text = f"{source}{limit} |> keep(columns: [{columns}])"


def aggregated(flux: Flux, query: SeriesQuery) -> None:
    """Partial aggregates of one device per series and interval, which add up: results `sum`, `count`, `min` ...

    `_start` lies in the interval; `last` carries the point's `_time`.
    """
    parts = (Aggregate.SUM, Aggregate.COUNT) if query.aggregate is Aggregate.MEAN else (query.aggregate,)
    every = flux.bind(timedelta(microseconds=query.every_us))
    columns = '"_start", "_field", "_value", "_measurement", "municipality"'
    results: list[str] = []
    for part in parts:
        for suffix, conversion, kinds in _conversions(part):
            names = [quantity.name for quantity in query.quantities if quantity.kind in kinds]
            if not names:
                continue
            source = flux.source(query.from_us, query.end_us, *_of_device(query, names))
            time = '"_time", ' if part is Aggregate.LAST else ""
            results.append(
                f"{source}{conversion} |> window(every: {every}, createEmpty: false) |> {_FUNCTION[part]}()"
                f" |> keep(columns: [{time}{columns}])"
                f' |> group(columns: ["_field", "_measurement", "municipality"])'
                f'{_first_intervals(flux, query)} |> yield(name: "{part}{suffix}")'
            )
    flux.text = "\n".join(results)


def time_weighted(flux: Flux, query: SeriesQuery) -> None:
    """Per quantity and interval: `held` (value times microseconds until the next or the end), `first` and `last` point.

    `earlier` is the last point of each series before the span. Flux's own `timeWeightedAvg` interpolates linearly.
    """
    names = [quantity.name for quantity in query.quantities]
    every = flux.bind(timedelta(microseconds=query.every_us))
    filters = _of_device(query, names)
    limit = _first_intervals(flux, query)
    points = '|> keep(columns: ["_start", "_time", "_field", "_value"]) |> group(columns: ["_field"])'
    flux.text = f"""{_EVENTS}
intervals = {flux.source(query.from_us, query.end_us, *filters)}
    |> toFloat() |> group(columns: ["_field"]) |> sort(columns: ["_time"]) |> window(every: {every}, createEmpty: false)
intervals |> events.duration(unit: 1us)
    |> map(fn: (r) => ({{_field: r._field, _start: r._start, _value: r._value * float(v: r.duration)}}))
    |> group(columns: ["_field", "_start"]) |> sum()
    |> group(columns: ["_field"]){limit} |> yield(name: "held")
intervals |> first() {points}{limit} |> yield(name: "first")
intervals |> last() {points}{limit} |> yield(name: "last")
"""
    if query.from_us > MIN_US:
        flux.text += f"""{flux.source(MIN_US, query.from_us, *filters)} |> last() |> toFloat()
    |> keep(columns: ["_time", "_field", "_value", "_measurement", "municipality"]) |> yield(name: "earlier")
"""


def totals(flux: Flux, query: TotalsQuery, quantity: Quantity, part: Aggregate) -> None:
    """One aggregate per group and interval.

    Grouped before the intervals are made: the storage engine hands out a few long tables and not thousands of short
    ones, which takes a thirtieth of the time.
    """
    column = GROUP_COLUMN[query.group_by]
    filters = [("_field", [quantity.name]), *narrowed(query.municipality, query.device_type)]
    every = flux.bind(timedelta(microseconds=query.every_us))
    function = _FUNCTION[part]
    _, conversion, _ = next(choice for choice in _conversions(part) if quantity.kind in choice[2])
    flux.text = (
        f"{flux.source(query.from_us, query.end_us, *filters)}{conversion}"
        f' |> group(columns: ["{column}"])'
        f' |> aggregateWindow(every: {every}, fn: {function}, createEmpty: false, timeSrc: "_start")'
        f' |> keep(columns: ["{column}", "_time", "_value"])'
    )


def _of_device(query: SeriesQuery, names: Iterable[str]) -> list[Filter]:
    return [("device_id", [query.device_id]), ("_field", names), *narrowed(None, None)]


def _conversions(part: Aggregate) -> tuple[tuple[str, str, tuple[Kind, ...]], ...]:
    """Suffix of the result, conversion, kinds: what is no double becomes one, as sums of counters would overflow."""
    if part in (Aggregate.COUNT, Aggregate.LAST):
        return (("", "", tuple(Kind)),)
    return (("", "", (Kind.NUMBER,)), (CONVERTED, " |> toFloat()", (Kind.INTEGER, Kind.BOOLEAN)))


def _first_intervals(flux: Flux, query: SeriesQuery) -> str:
    if query.limit is None:
        return ""
    return f' |> sort(columns: ["_start"]) |> limit(n: {flux.bind(query.limit + 1)})'


def points(flux: Flux, device_type: str, spans: Iterable[Span]) -> None:
    """Every value of some municipalities in some spans.

    As they are: InfluxDB needs many times longer to find minimum and maximum of each hour than to hand out the points.
    """
    names = sorted(device_types()[device_type].quantities)
    flux.text = "\n".join(
        f"{flux.source(from_us, end_us, ('_measurement', [device_type]), ('municipality', towns), ('_field', names))}"
        ' |> group(columns: ["municipality", "_field"])'
        f' |> keep(columns: ["_time", "municipality", "_field", "_value"]) |> yield(name: "{number}")'
        for number, (from_us, end_us, towns) in enumerate(spans)
    )


def hours_of_device(flux: Flux, device_id: str, before_us: int) -> None:
    """The hours in which a device said anything, with device type and municipality."""
    flux.text = (
        f"{flux.source(MIN_US, before_us, ('device_id', [device_id]), *narrowed(None, None))}"
        f' |> aggregateWindow(every: 1h, fn: count, createEmpty: false, timeSrc: "_start")'
        f' |> group(columns: ["_measurement", "municipality", "_time"]) |> sum()'
        f' |> group() |> keep(columns: ["_measurement", "municipality", "_time", "_value"])'
    )


def first_instant(flux: Flux, since_us: int) -> None:
    """The oldest points of the series since an instant."""
    flux.text = (
        f"{flux.source(since_us, MAX_US, *narrowed(None, None))} |> first()"
        ' |> keep(columns: ["_time"]) |> group() |> min(column: "_time")'
    )
