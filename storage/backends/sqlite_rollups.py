"""Keeping the rollups of the SQLite backend right: marking what changed, making it anew, forgetting."""

import itertools
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from core.clock import to_epoch_us
from core.reading import Reading
from storage.backends.contract import MIN_US
from storage.backends.sqlite_file import SqliteFile
from storage.backends.sqlite_rollup_schema import (
    DAY_US,
    HOUR_US,
    MARK_DAY,
    MARK_HOUR,
    bucket_of,
    select_days,
    select_hours,
    select_present,
)
from storage.backends.sqlite_schema import TypeTables

GRACE: Final = timedelta(minutes=10)
"""An hour is rolled up so long after its end: most of what belongs to it is there, the rest is late."""
MARKS_AT_ONCE: Final = 500
DAYS_PER_RUN: Final = 31
HOURS_PER_RUN: Final = 24
RUNS_PER_TRANSACTION: Final = 25
KEYS_PER_MARKING: Final = 500
KEYS_PER_LONG_MARKING: Final = 10

_Identity = tuple[str, str, str]
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
        keys = self._file.select("SELECT key, device_type FROM devices ORDER BY device_type, key", {})
        whole_days_us = rolled_us // DAY_US * DAY_US, marking_us // DAY_US * DAY_US
        at_once = KEYS_PER_MARKING if marking_us - rolled_us <= 2 * DAY_US else KEYS_PER_LONG_MARKING
        for device_type, of_type in itertools.groupby(keys, key=lambda row: row[1]):
            if device_type not in self._tables:
                continue
            table = self._tables[device_type]
            each = [row[0] for row in of_type]
            for first in range(0, len(each), at_once):
                chunk = each[first : first + at_once]
                with self._file.transaction() as connection:
                    _mark_hours_of(connection, table, chunk, rolled_us, marking_us)
                    if whole_days_us[0] < whole_days_us[1]:
                        _mark_days_of(connection, table, chunk, *whole_days_us)
        with self._file.transaction() as connection:
            connection.execute("UPDATE rollup_state SET rolled_us = max(rolled_us, ?)", (marking_us,))

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
            present = self._file.select(select_present(table), span)[0]
            for name, count in zip(table.quantities, present, strict=True):
                if count:
                    made[name] = [(key, *row) for row in self._file.select(select_days(table, name), span)]
        return made

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
                connection.executemany(f'INSERT INTO "daily_{name}" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)', made[name])  # noqa: S608
        connection.execute(f"DELETE FROM stale_days WHERE {where}", whose)  # noqa: S608


def mark_late(
    connection: sqlite3.Connection,
    batch: Sequence[tuple[_Identity, int, Reading]],
    keys: Mapping[_Identity, int],
) -> None:
    """In the transaction of a write: what lies before the rollups' reach makes its day and hour stale.

    What is not late costs one comparison per reading.
    """
    marking_us: int = connection.execute("SELECT marking_us FROM rollup_state").fetchone()[0]
    if marking_us == MIN_US:
        return
    late = [(identity, observed_us) for identity, observed_us, _ in batch if observed_us < marking_us]
    if not late:
        return
    connection.executemany(MARK_DAY, {(keys[identity], at // DAY_US) for identity, at in late})
    connection.executemany(MARK_HOUR, {(identity[2], identity[1], at // HOUR_US) for identity, at in late})


def forget_days(
    connection: sqlite3.Connection, key: int, before_us: int, names: Iterable[str], *, changed: bool
) -> None:
    """In the transaction that deletes values of a device before an instant: their days go, the cut day gets stale."""
    day = before_us // DAY_US
    for name in names:
        connection.execute(f'DELETE FROM "daily_{name}" WHERE device = ? AND day < ?', (key, day))  # noqa: S608
    # What is being computed from values that are deleted now must not be taken.
    connection.execute("UPDATE stale_days SET stamp = random() WHERE device = ? AND day <= ?", (key, day))
    if changed and before_us % DAY_US:
        connection.execute(MARK_DAY, (key, day))


def mark_hours_before(connection: sqlite3.Connection, table: TypeTables, key: int, before_us: int) -> None:
    """In the transaction that deletes a device's values, before it does: the hours of its municipality get stale."""
    _mark_hours_of(connection, table, [key], MIN_US, before_us)


def forget_hours(
    connection: sqlite3.Connection, before_us: int, names: Iterable[str], municipalities: Sequence[str] | None
) -> None:
    """After the values of whole municipalities (None: all) before an instant were deleted: their hours go too."""
    hour = before_us // HOUR_US
    some = "" if municipalities is None else f"AND municipality IN ({', '.join('?' * len(municipalities))})"
    which = tuple(municipalities or ())
    for name in names:
        connection.execute(f'DELETE FROM "hourly_{name}" WHERE hour < ? {some}', (hour, *which))  # noqa: S608
    connection.execute(f"UPDATE stale_hours SET stamp = random() WHERE hour <= ? {some}", (hour, *which))  # noqa: S608
    if before_us % HOUR_US:
        connection.execute(
            "REPLACE INTO stale_hours SELECT municipality, device_type, ?, random() "  # noqa: S608
            f"FROM (SELECT DISTINCT municipality, device_type FROM devices WHERE 1 {some})",
            (hour, *which),
        )


def _mark_hours_of(
    connection: sqlite3.Connection, table: TypeTables, keys: Sequence[int], from_us: int, end_us: int
) -> None:
    connection.execute(
        "REPLACE INTO stale_hours SELECT municipality, device_type, hour, random() FROM (SELECT DISTINCT "  # noqa: S608
        f"municipality, device_type, {bucket_of('observed_us', HOUR_US)} AS hour "
        f"FROM devices AS d CROSS JOIN {table.readings} AS r ON r.device = d.key "
        f"WHERE d.key IN ({', '.join(map(str, keys))}) AND observed_us >= ? AND observed_us < ?)",
        (from_us, end_us),
    )


def _mark_days_of(
    connection: sqlite3.Connection, table: TypeTables, keys: Sequence[int], from_us: int, end_us: int
) -> None:
    connection.execute(
        "REPLACE INTO stale_days SELECT device, day, random() FROM (SELECT DISTINCT "  # noqa: S608
        f"device, {bucket_of('observed_us', DAY_US)} AS day FROM {table.readings} "
        f"WHERE device IN ({', '.join(map(str, keys))}) AND observed_us >= ? AND observed_us < ?)",
        (from_us, end_us),
    )


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
