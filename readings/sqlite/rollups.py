"""Keeping the rollups of the SQLite backend right: marking what changed, making it anew, forgetting."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from core.clock import to_epoch_us
from readings.contract import DAY_US, HOUR_US
from readings.sqlite.file import SqliteFile
from readings.sqlite.rollup_marks import hours_of
from readings.sqlite.rollup_statements import (
    MARK_DAY,
    MARK_HOUR,
    find_days,
    select_days,
    select_hours,
    select_present,
    select_unlike,
)
from readings.sqlite.statements import TypeTables
from sql.sqlite_rows import places

GRACE: Final = timedelta(minutes=10)
"""An hour is rolled up so long after its end: most of what belongs to it is there, the rest is late."""
MARKS_AT_ONCE: Final = 5_000
MARKS_PER_TRANSACTION: Final = 20_000
DAYS_PER_RUN: Final = 31
HOURS_PER_RUN: Final = 24
RUNS_PER_TRANSACTION: Final = 25
KEYS_PER_SEARCH: Final = 500

_Mark = tuple[tuple[Any, ...], int, int]
"""Whose bucket, its number since 1970, its stamp."""
_Made = dict[str, list[tuple[object, ...]]]
"""Rows by quantity."""


class Rollups:
    """The rollups of one file. Several processes may keep them at once: each result is taken only if still right."""

    def __init__(self, file: SqliteFile, tables: Mapping[str, TypeTables]) -> None:
        self._file = file
        self._tables = tables

    def roll_up(self, now: datetime, within: timedelta) -> bool:
        """Bring the rollups up to date, in short transactions, for about so long; whether all is done."""
        deadline = time.monotonic() + within.total_seconds()
        self._advance((to_epoch_us(now - GRACE) // HOUR_US) * HOUR_US)
        return self._renew_hours(deadline) and self._renew_days(deadline)

    def _advance(self, target_us: int) -> None:
        """Reach further: mark all there is between, while what is written meanwhile marks itself."""
        with self._file.transaction() as connection:
            marking_us, rolled_us = connection.execute("SELECT marking_us, rolled_us FROM rollup_state").fetchone()
            if target_us > marking_us:
                marking_us = target_us
                connection.execute("UPDATE rollup_state SET marking_us = ?", (marking_us,))
        if rolled_us >= marking_us:
            return
        for device_type, table in self._tables.items():
            self._mark_between(device_type, table, rolled_us, marking_us)
        with self._file.transaction() as connection:
            connection.execute("UPDATE rollup_state SET rolled_us = max(rolled_us, ?)", (marking_us,))

    def _mark_between(self, device_type: str, table: TypeTables, from_us: int, end_us: int) -> None:
        rows = self._file.select(
            "SELECT key, municipality FROM devices WHERE device_type = :type", {"type": device_type}
        )
        municipality_of = dict(rows)
        keys = sorted(municipality_of)
        first_day, last_day = from_us // DAY_US, end_us // DAY_US
        search_us = first_day * DAY_US if first_day < last_day else from_us  # a day that ends now began earlier
        days_of: set[tuple[str, int]] = set()
        for first in range(0, len(keys), KEYS_PER_SEARCH):
            some = json.dumps(keys[first : first + KEYS_PER_SEARCH])
            found = self._file.select(find_days(table), {"keys": some, "from": search_us, "end": end_us})
            self._mark(MARK_DAY, [(key, day) for key, day in found if first_day <= day < last_day])
            days_of.update((municipality_of[key], day) for key, day in found)
        self._mark(MARK_HOUR, hours_of(device_type, days_of, from_us, end_us))

    def _mark(self, statement: str, marks: Sequence[tuple[object, ...]]) -> None:
        for first in range(0, len(marks), MARKS_PER_TRANSACTION):
            with self._file.transaction() as connection:
                connection.executemany(statement, marks[first : first + MARKS_PER_TRANSACTION])

    def _renew_hours(self, deadline: float) -> bool:
        after: tuple[str, str, int] = ("", "", -(2**62))
        while True:
            rows = self._file.select(
                "SELECT municipality, device_type, hour, stamp FROM stale_hours "  # noqa: S608 - our integer
                "WHERE (municipality, device_type, hour) > (:municipality, :device_type, :hour) "
                f"ORDER BY municipality, device_type, hour LIMIT {MARKS_AT_ONCE}",
                {"municipality": after[0], "device_type": after[1], "hour": after[2]},
            )
            if not rows:
                return not self._file.select("SELECT 1 FROM stale_hours LIMIT 1", {})
            after = (rows[-1][0], rows[-1][1], rows[-1][2])
            runs: list[tuple[list[_Mark], _Made]] = []
            for run in _runs((((row[0], row[1]), row[2], row[3]) for row in rows), HOURS_PER_RUN):
                if time.monotonic() > deadline:
                    self._take(runs, self._take_hours)
                    return False
                runs.append((run, self._hours_of(run)))
                if len(runs) == RUNS_PER_TRANSACTION:
                    self._take(runs, self._take_hours)
            self._take(runs, self._take_hours)

    def _hours_of(self, run: Sequence[_Mark]) -> _Made:
        (municipality, device_type), first, last = run[0][0], run[0][1], run[-1][1]
        table = self._tables.get(device_type)
        made: _Made = {}
        if table is not None:
            span = {"municipality": municipality, "from": first * HOUR_US, "end": (last + 1) * HOUR_US}
            for hour, *columns in self._file.select(select_hours(table), span):
                for index, name in enumerate(table.quantities):
                    of_name = columns[4 * index : 4 * index + 4]
                    if of_name[0]:
                        made.setdefault(name, []).append((hour, municipality, device_type, *of_name))
        return made

    def _take_hours(self, connection: sqlite3.Connection, run: Sequence[_Mark], made: _Made) -> None:
        (municipality, device_type), first, last = run[0][0], run[0][1], run[-1][1]
        table = self._tables.get(device_type)
        where = "municipality = ? AND device_type = ? AND hour BETWEEN ? AND ?"
        whose = (municipality, device_type, first, last)
        if not _still(connection, f"SELECT hour, stamp FROM stale_hours WHERE {where}", whose, run):  # noqa: S608
            return
        for name in () if table is None else table.quantities:
            connection.execute(
                f'DELETE FROM "hourly_{name}" '  # noqa: S608 - our names
                "WHERE hour BETWEEN ? AND ? AND municipality = ? AND device_type = ?",
                (first, last, municipality, device_type),
            )
            if name in made:
                connection.executemany(f'INSERT INTO "hourly_{name}" VALUES (?, ?, ?, ?, ?, ?, ?)', made[name])  # noqa: S608
        connection.execute(f"DELETE FROM stale_hours WHERE {where}", whose)  # noqa: S608

    def _take(
        self,
        runs: list[tuple[list[_Mark], _Made]],
        take: Callable[[sqlite3.Connection, Sequence[_Mark], _Made], None],
    ) -> None:
        """Several in one transaction: each costs the disk a flush."""
        if runs:
            with self._file.transaction() as connection:
                for run, made in runs:
                    take(connection, run, made)
            runs.clear()

    def _renew_days(self, deadline: float) -> bool:
        after = (-1, -(2**62))
        while True:
            rows = self._file.select(
                "SELECT device, day, stamp, device_type FROM stale_days AS s JOIN devices AS d ON d.key = s.device "  # noqa: S608
                "WHERE (device, day) > (:device, :day) "
                f"ORDER BY device, day LIMIT {MARKS_AT_ONCE}",
                {"device": after[0], "day": after[1]},
            )
            if not rows:
                return not self._file.select("SELECT 1 FROM stale_days LIMIT 1", {})
            after = (rows[-1][0], rows[-1][1])
            runs: list[tuple[list[_Mark], _Made]] = []
            for run in _runs((((row[0], row[3]), row[1], row[2]) for row in rows), DAYS_PER_RUN):
                if time.monotonic() > deadline:
                    self._take(runs, self._take_days)
                    return False
                runs.append((run, self._days_of(run)))
                if len(runs) == RUNS_PER_TRANSACTION:
                    self._take(runs, self._take_days)
            self._take(runs, self._take_days)

    def _days_of(self, run: Sequence[_Mark]) -> _Made:
        (key, device_type), first, last = run[0][0], run[0][1], run[-1][1]
        table = self._tables.get(device_type)
        made: _Made = {}
        if table is not None:
            span = {"key": key, "from": first * DAY_US, "end": (last + 1) * DAY_US}
            for names in self._alike(table, span):
                for day, count, first_us, hours, *columns in self._file.select(select_days(table, names), span):
                    for index, name in enumerate(names):
                        s, lo, hi, last_value, held, falls = columns[6 * index : 6 * index + 6]
                        row = (key, day, count, s, lo, hi, first_us, last_value, held, hours, falls)
                        made.setdefault(name, []).append(row)
        return made

    def _alike(self, table: TypeTables, span: Mapping[str, object]) -> Iterator[list[str]]:
        """Quantities that stand in the same readings of the span: together they cost one pass over them."""
        present = self._file.select(select_present(table), span)[0]
        by_count: dict[int, list[str]] = {}
        for name, count in zip(table.quantities, present, strict=True):
            if count:
                by_count.setdefault(count, []).append(name)
        for names in by_count.values():
            if len(names) > 1 and self._file.select(select_unlike(table, names), span):
                yield from ([name] for name in names)
            else:
                yield names

    def _take_days(self, connection: sqlite3.Connection, run: Sequence[_Mark], made: _Made) -> None:
        (key, device_type), first, last = run[0][0], run[0][1], run[-1][1]
        table = self._tables.get(device_type)
        where = "device = ? AND day BETWEEN ? AND ?"
        whose = (key, first, last)
        if not _still(connection, f"SELECT day, stamp FROM stale_days WHERE {where}", whose, run):  # noqa: S608
            return
        for name in () if table is None else table.quantities:
            connection.execute(f'DELETE FROM "daily_{name}" WHERE {where}', whose)  # noqa: S608
            if name in made:
                connection.executemany(f'INSERT INTO "daily_{name}" VALUES {places(11, 1)}', made[name])  # noqa: S608
        connection.execute(f"DELETE FROM stale_days WHERE {where}", whose)  # noqa: S608


def _runs(marks: Iterable[_Mark], longest: int) -> Iterator[list[_Mark]]:
    """Neighbouring buckets of one owner together."""
    run: list[_Mark] = []
    for mark in marks:
        if run and (mark[0] != run[0][0] or mark[1] != run[-1][1] + 1 or len(run) == longest):
            yield run
            run = []
        run.append(mark)
    if run:
        yield run


def _still(connection: sqlite3.Connection, sql: str, whose: Sequence[object], run: Sequence[_Mark]) -> bool:
    """Whether nothing changed since these marks were read."""
    return dict(connection.execute(sql, whose).fetchall()) == {number: stamp for _, number, stamp in run}
