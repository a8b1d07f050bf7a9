"""Reads of the InfluxDB backend: a Flux text, the server's answer, and what it says."""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor
from typing import Any, Final

from core.quantity import CATALOGUE
from core.reading import Aggregate, DeviceObservation
from devices.registry import device_types
from readings.calls import SeriesQuery, TotalRow, TotalsQuery
from readings.influx import answers, flux
from readings.influx.flux import Flux

MAX_DEVICE_FILTER: Final = 100
"""More device ids than this are chosen here and not by the server."""
PARALLEL_QUERIES: Final = 4

Ask = Callable[[Callable[[Flux], None]], str]
"""Sends the query that a function writes; gives the answer."""


def last_points(
    ask: Ask,
    threads: Executor,
    device_ids: Collection[str] | None,
    municipality: str | None,
    device_type: str | None,
    *,
    apart: bool = False,
) -> list[DeviceObservation]:
    """The newest values; 30 µs of the server a series, so in parallel. `apart`: see `answers.newest`."""
    ids = None if device_ids is None else frozenset(device_ids)
    if (ids is not None and not ids) or (device_type is not None and device_type not in device_types()):
        return []
    names = sorted(CATALOGUE if device_type is None else device_types()[device_type].quantities)
    filters = flux.narrowed(municipality, device_type)
    few = ids is not None and len(ids) <= MAX_DEVICE_FILTER
    if ids is not None and few:
        filters.append(("device_id", sorted(ids)))
    parts = threads.map(
        lambda fields: ask(lambda query: flux.latest(query, ("_field", fields), *filters)),
        [names] if few else [names[part::PARALLEL_QUERIES] for part in range(PARALLEL_QUERIES)],
    )
    return answers.newest(parts, ids, apart=apart)


def series(ask: Ask, query: SeriesQuery) -> Mapping[tuple[int, str], Any]:
    """Observations or aggregates of one device by instant and quantity."""
    if not query.every_us:
        return answers.observed(ask(lambda text: flux.observed(text, query)))
    if query.aggregate is Aggregate.TIME_WEIGHTED_MEAN:
        return answers.time_weighted(ask(lambda text: flux.time_weighted(text, query)), query)
    return answers.aggregated(ask(lambda text: flux.aggregated(text, query)), query)


def totals(ask: Ask, threads: Executor, query: TotalsQuery, quantity: str) -> list[TotalRow]:
    """Aggregates and counts of groups; streets are added up here, of devices."""
    part = Aggregate.SUM if query.aggregate is Aggregate.MEAN else query.aggregate
    known = CATALOGUE[quantity]
    counts = threads.submit(ask, lambda text: flux.totals(text, query, known, Aggregate.COUNT))
    values = ask(lambda text: flux.totals(text, query, known, part))
    return list(answers.totals(values, counts.result(), query))
