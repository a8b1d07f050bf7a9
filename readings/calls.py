"""The reads of a store as checked values: what is asked for, in microseconds, and how the answer is made of rows."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Final

from core.clock import from_epoch_us, to_epoch_us
from core.errors import InvalidInputError
from core.quantity import CATALOGUE, Kind, Quantity, Value
from core.reading import TOTAL_AGGREGATES, Aggregate, GroupBy, Observation, Total

MIN_US: Final = to_epoch_us(datetime(1678, 1, 1, tzinfo=UTC))
MAX_US: Final = to_epoch_us(datetime(2262, 1, 1, tzinfo=UTC))
"""Instants that can be kept, `MIN_US <= t < MAX_US`: what fits 64 bits of nanoseconds (InfluxDB), in whole years."""
MAX_EVERY: Final = timedelta(days=36_525)
_NEEDS_NUMBERS: Final = frozenset(Aggregate) - {Aggregate.LAST, Aggregate.COUNT}


TotalRow = tuple[int, str, float, int]
"""Interval start (microseconds), group, value, count."""

_RESTORE: Final[Mapping[Kind, Callable[[float | str], Value]]] = {
    Kind.NUMBER: float,
    Kind.INTEGER: int,
    Kind.BOOLEAN: bool,
    Kind.CHOICE: str,
    Kind.FAULTS: str,
}


def restore(quantity: Quantity) -> Callable[[float | str], Value]:
    """How a kept value of this quantity becomes the value that was written."""
    return _RESTORE[quantity.kind]


@dataclass(frozen=True, slots=True)
class SeriesQuery:
    """A checked call of `series`; all times in microseconds since 1970, `from_us` already moved on to the page."""

    device_id: str
    quantities: tuple[Quantity, ...]
    from_us: int
    end_us: int
    every_us: int
    """0: the observations as they are."""
    aggregate: Aggregate
    limit: int | None
    after: tuple[int, str] | None

    @property
    def empty(self) -> bool:
        """Whether nothing can be found."""
        return self.from_us >= self.end_us or not self.quantities

    def page(self, found: Mapping[tuple[int, str], float | str]) -> list[Observation]:
        """The page of what was found by (microseconds, quantity), in order, with values restored to their type."""
        keys = sorted(key for key in found if self.after is None or key > self.after)
        aggregated = self.every_us > 0 and self.aggregate in _NEEDS_NUMBERS
        page: list[Observation] = []
        for key in keys:
            if len(page) == self.limit:
                break
            observed_us, name = key
            raw = found[key]
            if aggregated and not math.isfinite(float(raw)):
                continue
            if self.every_us and self.aggregate is Aggregate.COUNT:
                value: Value = int(raw)
            else:
                value = float(raw) if aggregated else restore(CATALOGUE[name])(raw)
            page.append(Observation(name, from_epoch_us(observed_us), value))
        return page


def series_query(
    device_id: str,
    quantities: Collection[str] | None,
    start: datetime,
    end: datetime,
    *,
    every: timedelta | None,
    aggregate: Aggregate | None,
    limit: int | None,
    after: tuple[datetime, str] | None,
) -> SeriesQuery:
    """Check the arguments of `series`.

    Raises:
        InvalidInputError: `every` or `limit` is not positive, or an aggregate lacks `every`.
    """
    if every is None and aggregate is not None:
        raise InvalidInputError("aggregate: needs every, the length of an interval")
    if limit is not None and limit < 1:
        raise InvalidInputError("limit: expected at least 1")
    every_us = 0 if every is None else _every_us(every)
    aggregate = aggregate or Aggregate.MEAN
    names = sorted(CATALOGUE if quantities is None else set(quantities) & CATALOGUE.keys())
    wanted = [CATALOGUE[name] for name in names]
    if every_us and aggregate in _NEEDS_NUMBERS:
        wanted = [quantity for quantity in wanted if quantity.numeric]
    from_us, end_us = span_us(start, end)
    after_us = None if after is None else (to_epoch_us(after[0]), after[1])
    if after_us is not None:
        from_us = max(from_us, after_us[0])
    return SeriesQuery(device_id, tuple(wanted), from_us, end_us, every_us, aggregate, limit, after_us)


@dataclass(frozen=True, slots=True)
class TotalsQuery:
    """A checked call of `totals`; times in microseconds since 1970."""

    quantity: Quantity | None
    from_us: int
    end_us: int
    every_us: int
    aggregate: Aggregate
    group_by: GroupBy
    streets: Mapping[str, str]
    municipality: str | None
    device_type: str | None

    @property
    def empty(self) -> bool:
        """Whether nothing can be found."""
        return (
            self.quantity is None
            or self.from_us >= self.end_us
            or (self.group_by is GroupBy.STREET and not self.streets)
        )

    def totals(self, rows: Iterable[tuple[int, str, float, int]]) -> list[Total]:
        """Rows of (interval start, group, value, count) in order; values too large for a double are left out."""
        every = timedelta(microseconds=self.every_us)
        return [
            Total(group, start, every, float(value), count)
            for start_us, of_interval in groupby(sorted(rows), key=itemgetter(0))
            for start in (from_epoch_us(start_us),)
            for _, group, value, count in of_interval
            if math.isfinite(value)
        ]


def totals_query(
    quantity: str,
    start: datetime,
    end: datetime,
    *,
    group_by: GroupBy,
    every: timedelta,
    aggregate: Aggregate,
    streets: Mapping[str, str] | None,
    municipality: str | None,
    device_type: str | None,
) -> TotalsQuery:
    """Check the arguments of `totals`.

    Raises:
        InvalidInputError: `every` is not positive, no such aggregate of totals, or streets are missing.
    """
    if aggregate not in TOTAL_AGGREGATES:
        raise InvalidInputError(f"aggregate: totals are one of {', '.join(TOTAL_AGGREGATES)}, not {aggregate}")
    if group_by is GroupBy.STREET and streets is None:
        raise InvalidInputError("group_by: street needs the streets of the devices")
    known = CATALOGUE.get(quantity)
    if known is not None and aggregate in _NEEDS_NUMBERS and not known.numeric:
        known = None
    from_us, end_us = span_us(start, end)
    return TotalsQuery(
        known, from_us, end_us, _every_us(every), aggregate, group_by, streets or {}, municipality, device_type
    )


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


def span_us(start: datetime, end: datetime) -> tuple[int, int]:
    """A span cut to the instants that can be kept."""
    return clamp_us(start), clamp_us(end)


def clamp_us(at: datetime) -> int:
    """Microseconds since 1970, cut to `MIN_US` to `MAX_US`."""
    return min(max(to_epoch_us(at), MIN_US), MAX_US)


def _every_us(every: timedelta) -> int:
    if not timedelta(0) < every <= MAX_EVERY:
        raise InvalidInputError("every: expected an interval longer than zero and of at most 100 years")
    return every // timedelta(microseconds=1)
