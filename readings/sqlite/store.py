"""Readings in one SQLite file: a wide table per device type, and beside it the newest value of each quantity."""

import json
import math
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from core.clock import to_epoch_us
from core.counter import CounterSpan
from core.errors import SettingsError
from core.quantity import CATALOGUE
from core.reading import DeviceObservation, Reading
from readings.calls import MAX_US, MIN_US, CountersQuery, SeriesQuery, TotalRow, TotalsQuery, clamp_us
from readings.contract import check_delete, check_instant, check_key, refuse_values
from readings.newest import newest_of
from readings.sqlite import queries
from readings.sqlite.counters import counter_spans
from readings.sqlite.file import SqliteFile
from readings.sqlite.forget import forget_quantity
from readings.sqlite.rollup_marks import forget_days, forget_hours, mark_hours_before, mark_late
from readings.sqlite.rollup_reads import series_from_rollups, totals_from_rollups
from readings.sqlite.rollup_statements import create_rollups
from readings.sqlite.rollups import Rollups
from readings.sqlite.statements import TypeTables, create_tables, type_tables
from readings.store import ReadingStore
from sql.sqlite_rows import in_chunks

KEYS_PER_DELETE: Final = 200
"""A deletion works in short transactions of so many devices each, so that writers get in between."""

_Identity = tuple[str, str, str]
"""Device id, device type, municipality."""


class SqliteReadings(ReadingStore):
    """A `ReadingStore` in a file. Several threads and several processes may use the same file at once.

    What `write` returned from is on disk. Readers are never blocked by a writer.

    Raises:
        SettingsError: the path names no file.
        StorageUnavailableError: the file cannot be opened now (permission, disk full, locked for 10 s).
        StorageError: the file is no SQLite database or damaged.
    """

    def __init__(self, path: str) -> None:
        if not path or path.startswith(":"):
            raise SettingsError("KREISPULS_READINGS_URL: expected sqlite:///FILE; readings need a file")
        self._tables = type_tables()
        self._quantities = {name: frozenset(table.quantities) for name, table in self._tables.items()}
        self._keys: dict[_Identity, int] = {}
        self._file = SqliteFile(Path(path))
        self._rollups = Rollups(self._file, self._tables)
        try:
            with self._file.transaction() as connection:
                create_tables(connection, self._tables)
                create_rollups(connection)
        except BaseException:
            self._file.close()
            raise

    def write(self, readings: Sequence[Reading]) -> None:
        """Keep all in one transaction; see `ReadingStore`."""
        by_type: dict[str, list[tuple[_Identity, int, Reading]]] = {}
        for reading in readings:
            identity = (reading.device_id, reading.device_type, reading.municipality)
            if identity not in self._keys:
                check_key(*identity)
            if not reading.values.keys() <= self._quantities[reading.device_type]:
                raise refuse_values(reading.device_id, reading.device_type, reading.values)
            observed_us = to_epoch_us(reading.observed_at)
            if not MIN_US <= observed_us < MAX_US:
                check_instant(reading.device_id, observed_us)
            by_type.setdefault(reading.device_type, []).append((identity, observed_us, reading))
        if not by_type:
            return
        new_keys: dict[_Identity, int] = {}
        with self._file.transaction() as connection:
            for device_type, batch in by_type.items():
                for identity in {identity for identity, _, _ in batch} - self._keys.keys():
                    new_keys[identity] = _find_or_add_key(connection, identity)
                keys = {**self._keys, **new_keys} if new_keys else self._keys
                _write_batch(connection, self._tables[device_type], batch, keys)
                mark_late(connection, batch, keys)
        self._keys.update(new_keys)  # only now: a key that was rolled back must not be remembered

    def latest(
        self,
        *,
        device_ids: Collection[str] | None = None,
        municipality: str | None = None,
        device_type: str | None = None,
    ) -> list[DeviceObservation]:
        """The newest values; see `ReadingStore`."""
        ids = None if device_ids is None else json.dumps(list(device_ids))
        rows: list[tuple[Any, ...]] = []
        for table in self._tables.values():
            if device_type in (None, table.device_type):
                rows += self._file.select(*queries.select_latest(table, ids, municipality))
        quantities = {kind: table.quantities for kind, table in self._tables.items()}
        return newest_of(rows, lambda row: zip(quantities[row[1]], row[4::2], row[3::2], strict=True))

    def _series(self, query: SeriesQuery) -> dict[tuple[int, str], Any]:
        return self._aggregated(query) if query.every_us else self._observed(query)

    def _observed(self, query: SeriesQuery) -> dict[tuple[int, str], Any]:
        found: dict[tuple[int, str], Any] = {}
        for table, keys in self._sources(query):
            names = [quantity.name for quantity in query.quantities if quantity.name in table.quantities]
            if not names:
                continue
            for observed_us, *values in self._file.select(*queries.select_rows(table, keys, query, names)):
                for name, value in zip(names, values, strict=True):
                    if value is not None:
                        found[observed_us, name] = value
        return found

    def _aggregated(self, query: SeriesQuery) -> dict[tuple[int, str], Any]:
        found: dict[tuple[int, str], Any] = {}
        sources = self._sources(query)
        for quantity in query.quantities:
            having = [(table, keys) for table, keys in sources if quantity.name in table.quantities]
            rolled = series_from_rollups(self._file, query, quantity.name, having)
            if rolled is not None:
                found |= rolled
            elif having:
                for row in self._file.select(*queries.select_aggregated(query, quantity.name, having)):
                    found[row[0], quantity.name] = row[1]
        return found

    def _totals(self, query: TotalsQuery, quantity: str) -> list[TotalRow]:
        tables = [
            table
            for table in self._tables.values()
            if quantity in table.quantities and query.device_type in (None, table.device_type)
        ]
        if not tables:
            return []
        rolled = totals_from_rollups(self._file, query, quantity, tables)
        return self._file.select(*queries.select_totals(query, quantity, tables)) if rolled is None else rolled

    def _counters(self, query: CountersQuery) -> list[CounterSpan]:
        return counter_spans(self._file, self._tables, query)

    def delete(self, *, device_id: str | None = None, before: datetime | None = None) -> None:
        """Delete in short transactions; broken off, it is finished by a repetition. See `ReadingStore`."""
        check_delete(device_id, before)
        before_us = MAX_US if before is None else clamp_us(before)
        rows = self._file.select(
            "SELECT key, device_type FROM devices WHERE :device_id IS NULL OR device_id = :device_id",
            {"device_id": device_id},
        )
        keys = [(key, self._tables[device_type]) for key, device_type in rows if device_type in self._tables]
        for first in range(0, len(keys), KEYS_PER_DELETE):
            with self._file.transaction() as connection:
                for key, table in keys[first : first + KEYS_PER_DELETE]:
                    if device_id is not None:
                        mark_hours_before(connection, table, key, before_us)
                    deleted = connection.execute(table.delete_readings, {"key": key, "before": before_us})
                    connection.execute(table.forget_latest, {"key": key, "before": before_us})
                    forget_days(connection, key, before_us, table.quantities, changed=deleted.rowcount > 0)
        if device_id is None:
            with self._file.transaction() as connection:
                forget_hours(connection, before_us, CATALOGUE, None)

    def forget(
        self, quantity: str, before: datetime, *, municipality: str | None = None, spared: Collection[str] = ()
    ) -> None:
        """Delete old values of one quantity in short transactions; see `ReadingStore`."""
        tables = {kind: table for kind, table in self._tables.items() if quantity in table.quantities}
        forget_quantity(self._file, tables, quantity, clamp_us(before), municipality, frozenset(spared))

    def roll_up(self, now: datetime, *, within: timedelta = timedelta(seconds=10)) -> bool:
        """Bring the rollups up to date; see `ReadingStore`."""
        return self._rollups.roll_up(now, within)

    def renew(self, now: datetime) -> None:
        """Nothing to do: everything is in one file and changes with it. See `ReadingStore`."""

    def ping(self) -> None:
        """Read from the file and see that it is still the one that was opened; see `ReadingStore`."""
        self._file.ping()

    def close(self) -> None:
        """Close the file; see `ReadingStore`."""
        self._file.close()

    def _sources(self, query: SeriesQuery) -> list[tuple[TypeTables, list[int]]]:
        """The device's keys per device type, both in the order in which a later one wins at the same instant."""
        rows = self._file.select(
            "SELECT device_type, key FROM devices WHERE device_id = :device_id ORDER BY device_type, municipality",
            {"device_id": query.device_id},
        )
        keys: dict[str, list[int]] = {}
        for device_type, key in rows:
            keys.setdefault(device_type, []).append(key)
        return [(self._tables[kind], of_kind) for kind, of_kind in keys.items() if kind in self._tables]


def _find_or_add_key(connection: sqlite3.Connection, identity: _Identity) -> int:
    find = "SELECT key FROM devices WHERE device_id = ? AND device_type = ? AND municipality = ?"
    add = "INSERT INTO devices (device_id, device_type, municipality) VALUES (?, ?, ?) RETURNING key"
    row = connection.execute(find, identity).fetchone() or connection.execute(add, identity).fetchone()
    return int(row[0])


def _write_batch(
    connection: sqlite3.Connection,
    table: TypeTables,
    batch: Sequence[tuple[_Identity, int, Reading]],
    keys: Mapping[_Identity, int],
) -> None:
    """The hot path: one statement over all rows, one over the newest values of each device of the batch."""
    present = {name for _, _, reading in batch for name in reading.values}
    names = tuple(name for name in table.quantities if name in present)
    column = {name: 2 * index + 1 for index, name in enumerate(names)}
    nothing = [None] * (2 * len(names))
    isfinite = math.isfinite
    rows: list[tuple[Any, ...]] = []
    newest: dict[int, list[Any]] = {}  # a row of `upsert_latest` per device: the key, then value and instant in turn
    for identity, observed_us, reading in batch:
        key = keys[identity]
        values = reading.values
        rows.append((key, observed_us, *map(values.get, names)))
        of_device = newest.get(key)
        if of_device is None:
            of_device = newest[key] = [key, *nothing]
        for name, value in values.items():
            if type(value) is float and not isfinite(value):
                raise refuse_values(reading.device_id, reading.device_type, values)
            at = column[name]
            known_us = of_device[at + 1]
            if known_us is None or observed_us >= known_us:
                of_device[at] = value
                of_device[at + 1] = observed_us
    for count, of_rows in in_chunks(rows):
        connection.execute(table.upsert_reading(names, count), of_rows)
    for count, of_rows in in_chunks(list(newest.values())):
        connection.execute(table.upsert_latest(names, count), of_rows)
