"""Counters of the SQLite backend: each interval's ends from the readings, what lies between from the rollups.

The ends are found in the primary key. That no counter went back between them, the daily rollups of all days they touch
bear witness; where one did, or the rollups do not reach, the readings of the interval are read.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Final

from core.clock import from_epoch_us
from core.counter import CounterSpan, joined
from readings.calls import MIN_US, CountersQuery
from readings.contract import DAY_US, HOUR_US
from readings.counters import span_of
from readings.sqlite.file import SqliteFile
from readings.sqlite.statements import TypeTables

DEVICES_AT_ONCE: Final = 500

_Piece = tuple[int, int, int]
"""Interval, from, end (microseconds)."""
_Day = tuple[float, float, int, int]
"""Lowest, last, hours, falls."""


def counter_spans(file: SqliteFile, tables: Mapping[str, TypeTables], query: CountersQuery) -> list[CounterSpan]:
    """The spans in order; see `ReadingStore.counters`."""
    if len(query.bounds_us) < 2:  # noqa: PLR2004 - an interval has two bounds
        return []
    found: list[CounterSpan] = []
    with file.snapshot() as connection:
        rolled_day = connection.execute("SELECT rolled_us FROM rollup_state").fetchone()[0] // DAY_US
        pieces = _pieces(query.bounds_us, rolled_day * DAY_US)
        for table in tables.values():
            if query.name in table.quantities:
                owners = _owners(connection, table, query)
                keys = sorted(owners)
                for first in range(0, len(keys), DEVICES_AT_ONCE):
                    some = json.dumps(keys[first : first + DEVICES_AT_ONCE])
                    days = _days(connection, query.name, pieces, some, rolled_day)
                    found += _of_devices(
                        connection, table, query.name, pieces=pieces, keys=some, days=days, owners=owners
                    )
    found.sort(key=itemgetter(0, 1, 2))
    return found


def _pieces(bounds_us: Sequence[int], rolled_us: int) -> list[_Piece]:
    """The intervals, the one in which the rollups end cut there."""
    pieces: list[_Piece] = []
    for interval, (from_us, end_us) in enumerate(pairwise(bounds_us)):
        if from_us < rolled_us < end_us:
            pieces += [(interval, from_us, rolled_us), (interval, rolled_us, end_us)]
        else:
            pieces.append((interval, from_us, end_us))
    return pieces


def _owners(connection: sqlite3.Connection, table: TypeTables, query: CountersQuery) -> dict[int, tuple[str, str]]:
    """Device id and municipality by key, of those that may have the quantity in the span."""
    rows = connection.execute(
        f"SELECT key, device_id, municipality FROM devices JOIN {table.latest} ON device = key "  # noqa: S608 - our names
        f'WHERE device_type = :type AND (:of IS NULL OR municipality = :of) AND "{query.name}@" >= :from '
        "AND (:ids IS NULL OR device_id IN (SELECT value FROM json_each(:ids)))",
        {
            "type": table.device_type,
            "of": query.municipality,
            "from": query.bounds_us[0],
            "ids": None if query.device_ids is None else json.dumps(sorted(query.device_ids)),
        },
    )
    return {key: (device_id, municipality) for key, device_id, municipality in rows}


def _of_devices(
    connection: sqlite3.Connection,
    table: TypeTables,
    name: str,
    *,
    pieces: Sequence[_Piece],
    keys: str,
    days: Mapping[int, Mapping[int, _Day | None]],
    owners: Mapping[int, tuple[str, str]],
) -> Iterator[CounterSpan]:
    ends = connection.execute(_select_ends(table, name), {"keys": keys, "pieces": json.dumps(pieces)})
    read = (
        f'SELECT observed_us, "{name}" FROM {table.readings} WHERE device = ? AND observed_us >= ? AND observed_us < ?'  # noqa: S608
    )
    for key, of_key in groupby(ends.fetchall(), key=itemgetter(0)):
        device_id, municipality = owners[key]
        last: CounterSpan | None = None
        for _, place, first_us, first, last_us, last_value in of_key:
            interval, from_us, end_us = pieces[place]
            hours = _witnessed_hours(days.get(key, {}), from_us, end_us)
            if hours is not None:
                began, ended = from_epoch_us(first_us), from_epoch_us(last_us)
                gain = float(last_value - first)
                span = CounterSpan(
                    device_id, municipality, interval, began, float(first), ended, float(last_value), gain, 0, hours
                )
            else:
                rows = connection.execute(
                    f'{read} AND "{name}" IS NOT NULL ORDER BY observed_us', (key, from_us, end_us)
                )
                span = span_of(device_id, municipality, interval, [(at, float(value)) for at, value in rows])
            if last is not None and last.interval == interval:
                last = joined(last, span)
                continue
            if last is not None:
                yield last
            last = span
        if last is not None:
            yield last


def _days(
    connection: sqlite3.Connection, name: str, pieces: Sequence[_Piece], keys: str, rolled_day: int
) -> dict[int, dict[int, _Day | None]]:
    """The rolled up days by device and day; None where the readings have to be asked.

    Late readings of a day that is not over yet have made a row of it: it does not count.
    """
    span = (keys, max(pieces[0][1], MIN_US) // DAY_US, min(-(-pieces[-1][2] // DAY_US), rolled_day))
    where = "device IN (SELECT value FROM json_each(?)) AND day >= ? AND day < ?"
    days: dict[int, dict[int, _Day | None]] = {}
    for key, day, *rolled in connection.execute(
        f'SELECT device, day, lo, last, hours, falls FROM "daily_{name}" WHERE {where} ORDER BY device, day',  # noqa: S608
        span,
    ):
        days.setdefault(key, {})[day] = tuple(rolled)
    for key, day in connection.execute(f"SELECT device, day FROM stale_days WHERE {where}", span):  # noqa: S608
        days.setdefault(key, {})[day] = None
    return days


def _witnessed_hours(days: Mapping[int, _Day | None], from_us: int, end_us: int) -> int | None:
    """Hours with a reading in a piece whose days all say that the counter never went back; None: they do not."""
    if from_us % HOUR_US or end_us % HOUR_US:
        return None
    hours, seen, before = 0, False, float("-inf")
    for day in range(from_us // DAY_US, -(-end_us // DAY_US)):
        if day not in days:
            continue
        of_day = days[day]
        if of_day is None:
            return None
        lowest, last, mask, falls = of_day
        if falls or lowest < before:
            return None
        seen, before = True, last
        first_hour = max(0, (from_us - day * DAY_US) // HOUR_US)
        end_hour = (end_us - day * DAY_US) // HOUR_US
        hours += ((mask >> first_hour) & ((1 << (end_hour - first_hour)) - 1)).bit_count()
    return hours if seen else None


def _select_ends(table: TypeTables, name: str) -> str:
    """Rows of device, place of the piece, first instant and value, last instant and value, by device and place."""
    inside = (
        f"SELECT observed_us FROM {table.readings} WHERE device = k.value AND observed_us >= since "  # noqa: S608 - our names
        f'AND observed_us < until AND "{name}" IS NOT NULL ORDER BY observed_us'
    )
    return (
        "WITH pieces (place, since, until) AS MATERIALIZED ("  # noqa: S608 - our names
        "SELECT key, json_extract(value, '$[1]'), json_extract(value, '$[2]') FROM json_each(:pieces)), "
        f"ends AS MATERIALIZED (SELECT k.value AS device, place, ({inside} LIMIT 1) AS a, ({inside} DESC LIMIT 1) AS b "
        "FROM json_each(:keys) AS k CROSS JOIN pieces) "
        f'SELECT ends.device, place, a, f."{name}", b, l."{name}" FROM ends '
        f"JOIN {table.readings} AS f ON f.device = ends.device AND f.observed_us = a "
        f"JOIN {table.readings} AS l ON l.device = ends.device AND l.observed_us = b ORDER BY ends.device, place"
    )
