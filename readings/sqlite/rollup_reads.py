"""Answers of the SQLite backend from rollups: whole days and hours from them, the edges from the readings."""

import itertools
import math
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.reading import Aggregate, GroupBy
from readings.calls import SeriesQuery, TotalRow, TotalsQuery
from readings.contract import DAY_US, HOUR_US, Totals, add_totals, interval_start, rows_of
from readings.sqlite import queries
from readings.sqlite.file import SqliteFile
from readings.sqlite.rollup_statements import select_days
from readings.sqlite.statements import TypeTables


@dataclass(frozen=True, slots=True)
class _Part:
    """What one quantity of one device did in a day, or in the part of it inside the span."""

    start_us: int
    end_us: int
    n: int
    s: float
    lo: float
    hi: float
    first_us: int
    last: float | str
    held: float


def series_from_rollups(
    file: SqliteFile, query: SeriesQuery, name: str, sources: Sequence[tuple[TypeTables, Sequence[int]]]
) -> dict[tuple[int, str], Any] | None:
    """Aggregates by interval and quantity; None where the readings have to be asked.

    A device that moved has several keys and may have said two things at one instant: the readings know which counts.
    """
    if query.every_us % DAY_US or len(sources) != 1 or len(sources[0][1]) != 1:
        return None
    table, (key,) = sources[0]
    from_us, end_us = _whole(query.from_us, query.end_us, DAY_US)
    if from_us >= end_us:
        return None
    with file.snapshot() as connection:
        end_us = min(end_us, _rolled_us(connection) // DAY_US * DAY_US)
        stale = connection.execute(
            "SELECT min(day) FROM stale_days WHERE device = ? AND day >= ? AND day < ?",
            (key, from_us // DAY_US, end_us // DAY_US),
        ).fetchone()[0]
        if stale is not None:
            end_us = stale * DAY_US
        if from_us >= end_us:
            return None
        days = connection.execute(
            f'SELECT day, n, first_us, hours, s, lo, hi, last, held, falls FROM "daily_{name}" '  # noqa: S608 - of our catalogue
            "WHERE device = ? AND day >= ? AND day < ? ORDER BY day",
            (key, from_us // DAY_US, end_us // DAY_US),
        ).fetchall()
        before, behind = (
            connection.execute(
                f"{select_days(table, [name])} ORDER BY day", {"key": key, "from": edge[0], "end": edge[1]}
            ).fetchall()
            for edge in ((query.from_us, from_us), (end_us, query.end_us))
        )
        carried = None
        if query.aggregate is Aggregate.TIME_WEIGHTED_MEAN:
            carried = connection.execute(
                f'SELECT "{name}" FROM {table.readings} WHERE device = ? AND observed_us < ? AND "{name}" IS NOT NULL '  # noqa: S608
                "ORDER BY observed_us DESC LIMIT 1",
                (key, query.from_us),
            ).fetchone()
    parts = [_part(row, query) for row in itertools.chain(before, days, behind)]
    if query.aggregate is Aggregate.TIME_WEIGHTED_MEAN:
        return _time_weighted(parts, query, name, None if carried is None else float(carried[0]))
    return {
        (start_us, name): _combine(list(of_interval), query.aggregate)
        for start_us, of_interval in _by_interval(parts, query.every_us)
    }


def totals_from_rollups(
    file: SqliteFile, query: TotalsQuery, name: str, tables: Sequence[TypeTables]
) -> list[TotalRow] | None:
    """Rows as `select_totals` gives them; None where the readings have to be asked."""
    of_devices = query.group_by in (GroupBy.STREET, GroupBy.DEVICE)
    length = DAY_US if of_devices else HOUR_US
    from_us, end_us = _whole(query.from_us, query.end_us, length)
    if query.every_us % length or from_us >= end_us:
        return None
    with file.snapshot() as connection:
        end_us = min(end_us, _rolled_us(connection) // length * length)
        bucket = "day" if of_devices else "hour"
        stale = connection.execute(
            f"SELECT min({bucket}) FROM stale_{bucket}s WHERE {bucket} >= ? AND {bucket} < ?",  # noqa: S608 - our names
            (from_us // length, end_us // length),
        ).fetchone()[0]
        if stale is not None:
            end_us = stale * length
        if from_us >= end_us:
            return None
        totals: Totals = {}
        inside = replace(query, from_us=from_us, end_us=end_us)
        select = queries.select_totals_of_days if of_devices else queries.select_totals_of_hours
        add_totals(totals, connection.execute(*select(inside, name, tables)).fetchall(), query.aggregate)
        for edge_from_us, edge_end_us in ((query.from_us, from_us), (end_us, query.end_us)):
            if edge_from_us < edge_end_us:
                edge = replace(query, from_us=edge_from_us, end_us=edge_end_us)
                rows = connection.execute(*queries.select_totals(edge, name, tables)).fetchall()
                add_totals(totals, rows, query.aggregate)
    return rows_of(totals)


def _whole(from_us: int, end_us: int, length: int) -> tuple[int, int]:
    """The whole buckets inside a span."""
    return -(-from_us // length) * length, end_us // length * length


def _rolled_us(connection: sqlite3.Connection) -> int:
    rolled_us: int = connection.execute("SELECT rolled_us FROM rollup_state").fetchone()[0]
    return rolled_us


def _part(row: tuple[Any, ...], query: SeriesQuery) -> _Part:
    """NaN where SQLite has none (infinite sums of both signs): left out of the answer like any that is too large."""
    day, n, first_us, _, s, lo, hi, last, held, _ = row
    nan = math.nan
    return _Part(
        max(day * DAY_US, query.from_us),
        min((day + 1) * DAY_US, query.end_us),
        n,
        nan if s is None else s,
        nan if lo is None else lo,
        nan if hi is None else hi,
        first_us,
        last,
        nan if held is None else held,
    )


def _by_interval(parts: Sequence[_Part], every_us: int) -> Iterable[tuple[int, Iterable[_Part]]]:
    return itertools.groupby(parts, key=lambda part: interval_start(part.start_us, every_us))


def _combine(parts: Sequence[_Part], aggregate: Aggregate) -> float | str:
    match aggregate:
        case Aggregate.MEAN:
            return sum(part.s for part in parts) / sum(part.n for part in parts)
        case Aggregate.MIN:
            return min(part.lo for part in parts)
        case Aggregate.MAX:
            return max(part.hi for part in parts)
        case Aggregate.SUM:
            return sum(part.s for part in parts)
        case Aggregate.COUNT:
            return sum(part.n for part in parts)
        case _:
            return parts[-1].last


def _time_weighted(
    parts: Sequence[_Part], query: SeriesQuery, name: str, carried: float | None
) -> dict[tuple[int, str], float]:
    """Each value holds until the next, the interval's end or the span's; `carried` held before the span."""
    means: dict[tuple[int, str], float] = {}
    for start_us, of_interval in _by_interval(parts, query.every_us):
        since_us = held_to_us = max(start_us, query.from_us)
        end_us = min(start_us + query.every_us, query.end_us)
        weighted = 0.0
        for part in of_interval:
            if carried is None:
                since_us = part.first_us
            else:
                weighted += carried * (part.first_us - held_to_us)
            weighted += part.held
            held_to_us, carried = part.end_us, float(part.last)
        if carried is not None:
            weighted += carried * (end_us - held_to_us)
        means[start_us, name] = weighted / (end_us - since_us)
    return means
