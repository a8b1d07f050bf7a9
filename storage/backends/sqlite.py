"""Readings in one SQLite file: a wide table per device type, and beside it the newest value of each quantity."""

import json
import math
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from core.clock import from_epoch_us, to_epoch_us
from core.errors import SettingsError, StorageError, StorageUnavailableError
from core.quantity import CATALOGUE
from core.reading import Aggregate, DeviceObservation, Observation, Reading, Total
from storage.backends import sqlite_queries
from storage.backends.contract import (
    MAX_US,
    MIN_US,
    SeriesQuery,
    check_delete,
    check_instant,
    check_key,
    refuse_values,
    restore,
    series_query,
    totals_query,
)
from storage.backends.sqlite_schema import TypeTables, create_tables, type_tables
from storage.readings import GroupBy

BUSY_TIMEOUT_S: Final = 10.0
KEYS_PER_DELETE: Final = 200
"""A deletion works in short transactions of so many devices each, so that writers get in between."""
_UNAVAILABLE: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_NOMEM,
    }
)

_Key = tuple[str, str, str]
"""Device id, device type, municipality."""
_Newest = dict[str, tuple[int, float | str]]
"""Of one device, per quantity: microseconds and value."""


class SqliteReadings:
    """A `ReadingStore` in a file. Several threads and several processes may use the same file at once.

    What `write` returned from is on disk (WAL, synchronous=FULL). Readers are never blocked by a writer.

    Raises:
        SettingsError: the path names no file.
        StorageUnavailableError: the file cannot be opened now (permission, disk, locked too long).
        StorageError: the file is no SQLite database or damaged.
    """

    def __init__(self, path: str) -> None:
        if not path or path.startswith(":"):
            raise SettingsError("KREISPULS_READINGS_URL: expected sqlite:///FILE; readings need a file")
        self._path = Path(path)
        self._tables = type_tables()
        self._sets = {name: frozenset(table.quantities) for name, table in self._tables.items()}
        self._keys: dict[_Key, int] = {}
        self._write_lock = threading.Lock()
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False
        with self._translated():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._open()
            try:
                _switch_to_wal(self._writer)
                self._writer.execute("PRAGMA synchronous = FULL")
                self._writer.execute("PRAGMA cache_size = -65536")
                self._writer.execute("PRAGMA wal_autocheckpoint = 4000")
                with self._transaction():
                    create_tables(self._writer, self._tables)
                self._file_id = self._read_file_id()
            except BaseException:
                self._writer.close()
                raise

    def write(self, readings: Sequence[Reading]) -> None:
        """Keep all in one transaction; see `ReadingStore`."""
        by_type: dict[str, list[tuple[_Key, int, Reading]]] = {}
        for reading in readings:
            key = (reading.device_id, reading.device_type, reading.municipality)
            if key not in self._keys:
                check_key(*key)
            if not reading.values.keys() <= self._sets[reading.device_type]:
                raise refuse_values(reading.device_id, reading.device_type, reading.values)
            observed_us = to_epoch_us(reading.observed_at)
            if not MIN_US <= observed_us < MAX_US:
                check_instant(reading.device_id, observed_us)
            by_type.setdefault(reading.device_type, []).append((key, observed_us, reading))
        if not by_type:
            return
        new_keys: dict[_Key, int] = {}
        with self._write_lock, self._translated(), self._transaction():
            for device_type, batch in by_type.items():
                for key in {key for key, _, _ in batch} - self._keys.keys():
                    new_keys[key] = self._find_or_add_key(key)
                self._write_batch(
                    self._tables[device_type], batch, {**self._keys, **new_keys} if new_keys else self._keys
                )
        self._keys.update(new_keys)  # only after the commit: a key that was rolled back must not be remembered

    def _write_batch(
        self, table: TypeTables, batch: Sequence[tuple[_Key, int, Reading]], keys: Mapping[_Key, int]
    ) -> None:
        rows: list[tuple[object, ...]] = []
        newest: dict[int, _Newest] = {}
        names = table.quantities
        isfinite = math.isfinite
        for identity, observed_us, reading in batch:
            key = keys[identity]
            values = reading.values
            rows.append((key, observed_us, *map(values.get, names)))
            of_device = newest.get(key)
            if of_device is None:
                of_device = newest[key] = {}
            for name, value in values.items():
                if type(value) is float and not isfinite(value):
                    raise refuse_values(reading.device_id, reading.device_type, values)
                known = of_device.get(name)
                if known is None or observed_us >= known[0]:
                    of_device[name] = (observed_us, value)
        self._writer.executemany(table.upsert_reading, rows)
        nothing = (0, None)
        latest: list[list[object]] = []
        for key, of_device in newest.items():
            row: list[object] = [key]
            for name in names:
                observed_us, value = of_device.get(name, nothing)
                row += (value, observed_us if name in of_device else None)
            latest.append(row)
        self._writer.executemany(table.upsert_latest, latest)

    def latest(
        self,
        *,
        device_ids: Collection[str] | None = None,
        municipality: str | None = None,
        device_type: str | None = None,
    ) -> list[DeviceObservation]:
        """The newest values; see `ReadingStore`."""
        ids = None if device_ids is None else json.dumps(list(device_ids))
        newest: dict[str, dict[str, tuple[int, str, str, float | str]]] = {}
        for table in self._tables.values():
            if device_type not in (None, table.device_type):
                continue
            for device_id, of_municipality, *columns in self._select(
                *sqlite_queries.select_latest(table, ids, municipality)
            ):
                of_device = newest.setdefault(device_id, {})
                for index, name in enumerate(table.quantities):
                    observed_us = columns[2 * index + 1]
                    if observed_us is None or (name in of_device and of_device[name][0] > observed_us):
                        continue
                    of_device[name] = (observed_us, table.device_type, of_municipality, columns[2 * index])
        restorers = {name: restore(quantity) for name, quantity in CATALOGUE.items()}
        return [
            DeviceObservation(
                device_id, of_type, of_municipality, name, from_epoch_us(observed_us), restorers[name](value)
            )
            for device_id, of_device in sorted(newest.items())
            for name, (observed_us, of_type, of_municipality, value) in sorted(of_device.items())
        ]

    def series(
        self,
        device_id: str,
        quantities: Collection[str] | None,
        start: datetime,
        end: datetime,
        *,
        every: timedelta | None = None,
        aggregate: Aggregate | None = None,
        limit: int | None = None,
        after: tuple[datetime, str] | None = None,
    ) -> list[Observation]:
        """Observations of one device; see `ReadingStore`."""
        query = series_query(
            device_id, quantities, start, end, every=every, aggregate=aggregate, limit=limit, after=after
        )
        if query.empty:
            return []
        found: dict[tuple[int, str], float | str] = {}
        sources = self._sources(query)
        if query.every_us:
            for quantity in query.quantities:
                having = [(table, keys) for table, keys in sources if quantity.name in table.quantities]
                if having:
                    for row in self._select(*sqlite_queries.select_aggregated(query, quantity, having)):
                        found[row[0], quantity.name] = row[1]
        else:
            for table, keys in sources:
                wanted = [quantity for quantity in query.quantities if quantity.name in table.quantities]
                if wanted:
                    for observed_us, *values in self._select(*sqlite_queries.select_rows(table, keys, query, wanted)):
                        for quantity, value in zip(wanted, values, strict=True):
                            if value is not None:
                                found[observed_us, quantity.name] = value
        return query.page(found)

    def totals(
        self,
        quantity: str,
        start: datetime,
        end: datetime,
        *,
        group_by: GroupBy,
        every: timedelta,
        aggregate: Aggregate = Aggregate.MEAN,
        streets: Mapping[str, str] | None = None,
        municipality: str | None = None,
        device_type: str | None = None,
    ) -> list[Total]:
        """An aggregate per group and interval; see `ReadingStore`."""
        query = totals_query(
            quantity,
            start,
            end,
            group_by=group_by,
            every=every,
            aggregate=aggregate,
            streets=streets,
            municipality=municipality,
            device_type=device_type,
        )
        tables = [
            table
            for table in self._tables.values()
            if quantity in table.quantities and device_type in (None, table.device_type)
        ]
        if query.empty or query.quantity is None or not tables:
            return []
        sql, parameters = sqlite_queries.select_totals(query, query.quantity, tables)
        return query.totals(self._select(sql, {**parameters, "streets": json.dumps(dict(query.streets))}))

    def delete(self, *, device_id: str | None = None, before: datetime | None = None) -> None:
        """Delete in short transactions; broken off, it is finished by a repetition. See `ReadingStore`."""
        check_delete(device_id, before)
        before_us = MAX_US if before is None else min(max(to_epoch_us(before), MIN_US), MAX_US)
        rows = self._select(
            "SELECT key, device_type FROM devices WHERE :device_id IS NULL OR device_id = :device_id",
            {"device_id": device_id},
        )
        keys = [(key, self._tables[device_type]) for key, device_type in rows if device_type in self._tables]
        for first in range(0, len(keys), KEYS_PER_DELETE):
            with self._write_lock, self._translated(), self._transaction():
                for key, table in keys[first : first + KEYS_PER_DELETE]:
                    parameters = {"key": key, "before": before_us}
                    self._writer.execute(
                        f"DELETE FROM {table.readings} WHERE device = :key AND observed_us < :before",  # noqa: S608
                        parameters,
                    )
                    self._writer.execute(table.forget_latest, parameters)

    def ping(self) -> None:
        """Read from the file and see that it is still the one that was opened; see `ReadingStore`."""
        self._select("SELECT 1 FROM devices LIMIT 1", {})
        with self._translated():
            if self._read_file_id() != self._file_id:
                raise StorageUnavailableError(f"the readings file {self._path} was replaced while it is in use")

    def close(self) -> None:
        """Close the file; see `ReadingStore`."""
        with self._write_lock:
            self._closed = True
            self._writer.close()
            while self._idle:
                self._idle.pop().close()

    def _sources(self, query: SeriesQuery) -> list[tuple[TypeTables, list[int]]]:
        """The device's keys per device type, both in the order in which a later one wins at the same instant."""
        rows = self._select(
            "SELECT device_type, key FROM devices WHERE device_id = :device_id ORDER BY device_type, municipality",
            {"device_id": query.device_id},
        )
        keys: dict[str, list[int]] = {}
        for device_type, key in rows:
            keys.setdefault(device_type, []).append(key)
        return [
            (self._tables[device_type], of_type) for device_type, of_type in keys.items() if device_type in self._tables
        ]

    def _find_or_add_key(self, key: _Key) -> int:
        find = "SELECT key FROM devices WHERE device_id = ? AND device_type = ? AND municipality = ?"
        row = self._writer.execute(find, key).fetchone()
        if row is None:
            row = self._writer.execute(
                "INSERT INTO devices (device_id, device_type, municipality) VALUES (?, ?, ?) RETURNING key", key
            ).fetchone()
        return int(row[0])

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise

    def _select(self, sql: str, parameters: Mapping[str, object]) -> list[tuple[object, ...]]:
        """Run a query on a reading connection of its own: one statement sees one state of the file."""
        with self._translated():
            if self._closed:
                raise StorageError(f"the readings file {self._path} was closed")
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._open()
                connection.execute("PRAGMA query_only = ON")
            try:
                return connection.execute(sql, parameters).fetchall()
            finally:
                if self._closed:
                    connection.close()
                else:
                    self._idle.append(connection)

    def _read_file_id(self) -> tuple[int, int]:
        status = self._path.stat()
        return status.st_dev, status.st_ino

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            kind = StorageUnavailableError if code in _UNAVAILABLE else StorageError
            raise kind(f"the readings file {self._path}: {error}") from error
        except OSError as error:
            raise StorageUnavailableError(f"the readings file {self._path}: {error.strerror}") from error
        except (OverflowError, UnicodeEncodeError) as error:
            raise StorageError(f"the readings file {self._path} cannot hold a value: {error}") from error


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Several processes that start at once: the switch does not wait for a lock by itself."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
