"""Answers to the Flux texts: rows of unannotated CSV, partial aggregates put together."""

import csv
import io
import operator
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Final

from core.clock import to_epoch_us
from core.errors import StorageError
from core.quantity import CATALOGUE, Kind, Value
from core.reading import Aggregate, DeviceObservation, GroupBy
from readings.beside.hourly_run import Part
from readings.calls import SeriesQuery, TotalsQuery
from readings.contract import HOUR_US, interval_start
from readings.influx.flux import CONVERTED, GROUP_COLUMN
from readings.newest import newest_of

_PARSE: Final[Mapping[Kind, Callable[[str], Value]]] = {
    Kind.NUMBER: float,
    Kind.INTEGER: int,
    Kind.BOOLEAN: "true".__eq__,
    Kind.CHOICE: str,
    Kind.FAULTS: str,
}
_TO_THE_HOUR: Final = len("2026-11-22T03")
_COMBINE: Final[Mapping[Aggregate, Callable[[float, float], float]]] = {
    Aggregate.MIN: min,
    Aggregate.MAX: max,
    Aggregate.SUM: operator.add,
    Aggregate.COUNT: operator.add,
}


def parse_value(name: str, text: str) -> Value:
    """A value of this quantity as it was written.

    Raises:
        StorageError: it is none; another program wrote into the bucket.
    """
    try:
        return _PARSE[CATALOGUE[name].kind](text)
    except ValueError as error:
        raise StorageError(f"InfluxDB holds {text[:80]!a} as {name}; another program must have written it") from error


def parse_rows(answer: str, *columns: str) -> Iterator[tuple[str, ...]]:
    """These columns of every row ("" where a table lacks one); each table of the answer starts with its header.

    Raises:
        StorageError: the server broke off with an error.
    """
    pick: Callable[[list[str]], tuple[str, ...]] | None = None
    for line in csv.reader(io.StringIO(answer, newline="")):
        if not line:
            pick = None
        elif pick is None:
            if line[:2] == ["", "error"]:
                raise StorageError("InfluxDB broke off its answer with an error")
            pick = itemgetter(*(line.index(column) if column in line else 0 for column in columns))
        else:
            yield pick(line)


def newest(answers: Iterable[str], ids: Collection[str] | None, *, apart: bool = False) -> list[DeviceObservation]:
    """What `latest` answers, of these devices, from the last point of each series.

    `apart`: of a device that moved, what is newest in each municipality: if one forgets, the other's is left.
    """
    said: dict[tuple[str, str, str], dict[str, tuple[int, Value]]] = {}
    for answer in answers:
        for device_id, kind, municipality, name, at, text in parse_rows(
            answer, "device_id", "_measurement", "municipality", "_field", "_time", "_value"
        ):
            if ids is None or device_id in ids:
                of_device = said.setdefault((device_id, kind, municipality), {})
                found = (_us(at), parse_value(name, text))
                if name not in of_device or of_device[name][0] <= found[0]:  # a quantity was not always kept apart
                    of_device[name] = found
    together = [[key] for key in said] if apart else [list(said)]
    return [
        one
        for keys in together
        for one in newest_of(keys, lambda key: ((name, *value) for name, value in sorted(said[key].items())))
    ]


def observed(answer: str) -> dict[tuple[int, str], Value]:
    """Values by instant and quantity; of two series at one instant the one of the greater municipality."""
    rows = parse_rows(answer, "_measurement", "municipality", "_time", "_field", "_value")
    return {(_us(at), name): parse_value(name, value) for _, _, at, name, value in sorted(rows)}


def aggregated(answer: str, query: SeriesQuery) -> dict[tuple[int, str], Value]:
    """Aggregates by interval and quantity, from those of each series."""
    if query.aggregate is Aggregate.LAST:
        rows = parse_rows(answer, "_time", "_measurement", "municipality", "_field", "_value")
        in_order = sorted((_us(at), kind, municipality, name, value) for at, kind, municipality, name, value in rows)
        return {
            (interval_start(at_us, query.every_us), name): parse_value(name, value)
            for at_us, _, _, name, value in in_order
        }
    parts: dict[Aggregate, dict[tuple[int, str], float]] = {}
    for result, start, name, value in parse_rows(answer, "result", "_start", "_field", "_value"):
        part = Aggregate(result.removesuffix(CONVERTED))
        _add(parts.setdefault(part, {}), part, (interval_start(_us(start), query.every_us), name), float(value))
    if query.aggregate is Aggregate.MEAN:
        counts = parts.get(Aggregate.COUNT, {})
        return {key: value / counts[key] for key, value in parts.get(Aggregate.SUM, {}).items()}
    return dict(parts.get(query.aggregate, {}))


def time_weighted(answer: str, query: SeriesQuery) -> dict[tuple[int, str], Value]:
    """Means over the time that each value holds, by interval and quantity."""
    held: dict[tuple[str, int], float] = {}
    first_us: dict[tuple[str, int], int] = {}
    last: dict[tuple[str, int], float] = {}
    earlier: dict[str, tuple[int, float]] = {}
    for result, name, start, at, value in parse_rows(answer, "result", "_field", "_start", "_time", "_value"):
        if result == "earlier":
            earlier[name] = max(earlier.get(name, (_us(at), float(value))), (_us(at), float(value)))
            continue
        key = (name, interval_start(_us(start), query.every_us))
        if result == "held":
            held[key] = float(value)
        elif result == "first":
            first_us[key] = _us(at)
        else:
            last[key] = float(value)
    carried = {name: value for name, (_, value) in earlier.items()}
    means: dict[tuple[int, str], Value] = {}
    for name, start_us in sorted(held):
        from_us, end_us = max(start_us, query.from_us), min(start_us + query.every_us, query.end_us)
        weighted, since_us = held[name, start_us], first_us[name, start_us]
        if name in carried:
            weighted += carried[name] * (since_us - from_us)
            since_us = from_us
        means[start_us, name] = weighted / (end_us - since_us)
        carried[name] = last[name, start_us]
    return means


def totals(values: str, counts: str, query: TotalsQuery) -> Iterator[tuple[int, str, float, int]]:
    """Rows of (interval start, group, value, count) from the answers for the values and for the counts."""
    part = Aggregate.SUM if query.aggregate is Aggregate.MEAN else query.aggregate
    count_of = _group(counts, query, Aggregate.COUNT)
    for (start_us, group), value in _group(values, query, part).items():
        count = int(count_of.get((start_us, group), 0))
        if count:  # none: written between the two queries
            yield start_us, group, value / count if query.aggregate is Aggregate.MEAN else value, count


def hours(answer: str) -> tuple[dict[tuple[str, int, str], Part], int]:
    """Totals by municipality, hour since 1970 and quantity, from every single value; and how many values there were."""
    found: dict[tuple[str, int, str], list[float]] = {}
    counted: Counter[tuple[str, int, str]] = Counter()
    values = 0
    for at, municipality, name, text in parse_rows(answer, "_time", "municipality", "_field", "_value"):
        values += 1
        key = (municipality, _hour(at[:_TO_THE_HOUR]), name)
        value = parse_value(name, text)
        if isinstance(value, str):
            counted[key] += 1
            continue
        part = found.get(key)
        if part is None:
            found[key] = [1, value, value, value]
            continue
        part[0] += 1
        part[1] += value
        if value < part[2]:
            part[2] = value
        elif value > part[3]:
            part[3] = value
    numbers: dict[tuple[str, int, str], Part] = {
        key: (int(n), float(total), float(lowest), float(highest)) for key, (n, total, lowest, highest) in found.items()
    }
    return numbers | {key: (n, None, None, None) for key, n in counted.items()}, values


def hours_of_device(answer: str) -> Iterator[tuple[tuple[str, str], int]]:
    """Municipality and device type, and the hour since 1970."""
    for kind, municipality, start in parse_rows(answer, "_measurement", "municipality", "_time"):
        yield (municipality, kind), _us(start) // HOUR_US


def first_instant(answer: str) -> int | None:
    """Microseconds since 1970; None: there is no point."""
    return min((_us(at) for _, at in parse_rows(answer, "result", "_time")), default=None)


def _group(answer: str, query: TotalsQuery, part: Aggregate) -> dict[tuple[int, str], float]:
    found: dict[tuple[int, str], float] = {}
    for group, start, value in parse_rows(answer, GROUP_COLUMN[query.group_by], "_time", "_value"):
        name = query.streets.get(group) if query.group_by is GroupBy.STREET else group
        if name is not None:
            _add(found, part, (interval_start(_us(start), query.every_us), name), float(value))
    return found


def _add(found: dict[tuple[int, str], float], part: Aggregate, key: tuple[int, str], value: float) -> None:
    found[key] = _COMBINE[part](found[key], value) if key in found else value


@lru_cache(maxsize=10_000)
def _hour(text: str) -> int:
    return _us(f"{text}:00:00Z") // HOUR_US


def _us(text: str) -> int:
    return to_epoch_us(datetime.fromisoformat(text))
