"""The spool: readings on disk, in order, while their store is away; a SQLite file with a row for each reading.

The file is there only while readings wait: where there is none, everything is in the store.
"""

import fcntl
import logging
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from core.errors import StorageError, StorageUnavailableError
from core.quantity import Value
from core.reading import Reading
from ingest import metrics

logger = logging.getLogger(__name__)

FILE: Final = "spool.db"
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
LOCKED_S: Final = 5.0
"""How long the lock of another process is waited for."""
DRAIN_READINGS: Final = 5_000
"""Drained at a time: what a store takes well in one go."""
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(tuple[str, str, str, datetime, datetime, dict[str, Value]])
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS readings (number INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, reading BLOB NOT NULL)"
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The oldest readings, and the number of the last row that they are of."""

    readings: list[Reading]
    last_number: int


class Spool:
    """Appended to by one thread, drained by another, oldest first.

    What was being drained when the process died is drained again, before anything newer: that changes nothing in the
    store.

    Args:
        folder: made if missing; locked against a second process.
        max_bytes: `append` refuses beyond it; 0: always.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._path = folder / FILE
        self._journal = folder / f"{FILE}-journal"
        self._max_bytes = max_bytes
        self._guard = threading.Lock()
        self._folder_file: int | None = None
        self._database: sqlite3.Connection | None = None
        """Open while readings wait."""
        self._drained = 0
        """Up to this number the rows are in the store."""
        self._bytes = 0

    def open(self) -> None:
        """Find what an earlier run has left.

        Raises:
            StorageUnavailableError: the folder cannot be made or read, or another process uses it.
            StorageError: it holds files of version 0.1, which only that version can read.
        """
        try:
            _make_folder(self._folder)
            self._folder_file = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            _lock(self._folder_file)
            if next(self._folder.glob("*.spool"), None) is not None:
                raise StorageError(f"spool {self._folder}: run version 0.1 until it has stored the readings there")
            if self._path.exists():
                self._open_file()
        except BlockingIOError as error:
            self.close()
            raise StorageUnavailableError(f"the spool {self._folder} is in use by another process") from error
        except OSError as error:
            self.close()
            raise StorageUnavailableError(f"the spool {self._folder} cannot be opened: {error.strerror}") from error
        except StorageError:
            self.close()
            raise
        if self._bytes:
            logger.warning("spool %s: %d bytes of an earlier run are stored first", self._folder, self._bytes)
        metrics.spool_bytes.set(self._bytes)

    def close(self) -> None:
        """Give back file and lock; what is spooled stays for the next start."""
        with self._guard:
            if self._database is not None:
                self._database.close()
                self._database = None
            if self._folder_file is not None:
                os.close(self._folder_file)
                self._folder_file = None

    @property
    def empty(self) -> bool:
        """Whether everything that was ever appended is stored."""
        return self._database is None

    @property
    def size_bytes(self) -> int:
        """What waits, as it was encoded."""
        return self._bytes

    def append(self, readings: Sequence[Reading]) -> None:
        """Keep readings behind all others; on disk when this returns.

        Raises:
            StorageUnavailableError: the spool or its disk is full, or the disk fails; nothing is to be taken as kept.
            StorageError: a reading cannot be encoded.
        """
        rows = [(zlib.crc32(data), data) for data in map(_encode, readings)]
        size = sum(len(data) for _, data in rows)
        with self._guard, self._translated_errors():
            if self._bytes + size > self._max_bytes:
                raise StorageUnavailableError(
                    f"the spool {self._folder} is full: {self._bytes} of {self._max_bytes} bytes"
                )
            database = self._database or self._open_file()
            _in_one_transaction(database, "INSERT INTO readings (checksum, reading) VALUES (?, ?)", rows)
            self._bytes += size
            metrics.spool_bytes.set(self._bytes)

    def oldest(self) -> Waiting | None:
        """The readings to store next, without what is damaged (logged and counted); None: nothing waits.

        Raises:
            StorageUnavailableError: the disk fails.
        """
        with self._guard, self._translated_errors():
            if self._database is None:
                return None
            try:
                rows = _first_rows(self._database, self._drained)
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode not in _DAMAGED:
                    raise
                rows = _first_rows(self._replace(self._database), self._drained)
        readings: list[Reading] = []
        for number, checksum, data in rows:
            if zlib.crc32(data) == checksum:
                readings.append(Reading(*_DECODER.decode(data)))
            else:
                metrics.spool_corrupt.inc()
                logger.error("spool %s: reading %d is damaged, its %d bytes are lost", self._path, number, len(data))
        return Waiting(readings, rows[-1][0] if rows else 0)

    def remove(self, waiting: Waiting) -> None:
        """These readings are in the store. With the last of them the file goes."""
        with self._guard, self._translated_errors():
            if self._database is None:
                return
            self._drained = waiting.last_number
            self._bytes = _bytes_in(self._database, self._drained)
            if not self._bytes:
                self._database.close()
                self._database, self._drained = None, 0
                self._remove_file()
                self._sync_folder()  # else it may be there again after a power cut, behind newer readings
            else:
                with suppress(sqlite3.OperationalError):  # a full disk takes no deletion: all goes with the file
                    self._database.execute("DELETE FROM readings WHERE number <= ?", (self._drained,))
            metrics.spool_bytes.set(self._bytes)

    def _open_file(self) -> sqlite3.Connection:
        """Open or make the file; a damaged one is replaced."""
        is_new = not self._path.exists()
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("PRAGMA journal_mode = TRUNCATE")  # a log would double what is on the disk
            database.execute("PRAGMA synchronous = FULL")  # a batch is on disk before its messages are acknowledged
            database.execute(_TABLE)
            self._bytes = _bytes_in(database, self._drained)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode in _DAMAGED:
                return self._replace(database)
            database.close()
            if is_new:  # on a full disk: no readings wait in it
                self._remove_file()
            raise
        self._database = database
        if is_new:
            self._sync_folder()
        return database

    def _replace(self, damaged: sqlite3.Connection) -> sqlite3.Connection:
        """Go on with a new file of the readings that can be read; the damaged one is kept beside it."""
        damaged.close()
        aside = self._path.with_name(f"{FILE}.damaged-{time.time_ns()}")
        for suffix in ("", "-journal"):  # a new file must not take the journal for its own
            with suppress(FileNotFoundError):
                Path(f"{self._path}{suffix}").rename(f"{aside}{suffix}")
        metrics.spool_corrupt.inc()
        logger.error("spool %s: is damaged, what can be read of it is stored; it is kept as %s", self._path, aside)
        with closing(sqlite3.connect(aside)) as source:
            rows = list(_readable_rows(source))
        database = self._open_file()
        _in_one_transaction(database, "INSERT INTO readings VALUES (?, ?, ?)", sorted(rows))
        self._bytes = _bytes_in(database, self._drained)
        return database

    def _remove_file(self) -> None:
        self._path.unlink(missing_ok=True)
        self._journal.unlink(missing_ok=True)

    def _sync_folder(self) -> None:
        if self._folder_file is not None:
            os.fsync(self._folder_file)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            is_full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
            what = "its disk is full" if is_full else str(error)
            raise StorageUnavailableError(f"the spool {self._folder} cannot be used: {what}") from error
        except OSError as error:
            raise StorageUnavailableError(f"the spool {self._folder} cannot be used: {error.strerror}") from error


def _encode(reading: Reading) -> bytes:
    try:
        return _ENCODER.encode(
            (
                reading.device_id,
                reading.device_type,
                reading.municipality,
                reading.observed_at,
                reading.received_at,
                reading.values,
            )
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise StorageError(f"a reading of device {reading.device_id} cannot be spooled: {error}") from error


def _in_one_transaction(database: sqlite3.Connection, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
    database.execute("BEGIN")
    try:
        database.executemany(statement, rows)
        database.execute("COMMIT")
    except sqlite3.Error:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _first_rows(database: sqlite3.Connection, after: int) -> list[tuple[int, int, bytes]]:
    return database.execute(
        "SELECT number, checksum, reading FROM readings WHERE number > ? ORDER BY number LIMIT ?",
        (after, DRAIN_READINGS),
    ).fetchall()


def _readable_rows(database: sqlite3.Connection) -> Iterator[tuple[int, int, bytes]]:
    """Row by row from both ends: what lies behind a damaged page is found from the other side."""
    found: set[int] = set()
    for order in ("", "DESC"):
        with suppress(sqlite3.DatabaseError):
            for row in database.execute(f"SELECT * FROM readings ORDER BY number {order}"):  # noqa: S608 - our two words
                if row[0] not in found:
                    found.add(row[0])
                    yield row


def _bytes_in(database: sqlite3.Connection, after: int) -> int:
    total = "SELECT ifnull(sum(length(reading)), 0) FROM readings WHERE number > ?"
    return int(database.execute(total, (after,)).fetchone()[0])


def _make_folder(folder: Path) -> None:
    """A power cut must not take the folder with what is on disk in it."""
    missing = [each for each in (folder, *folder.parents) if not each.is_dir()]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for each in missing:
        file = os.open(each.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def _lock(folder_file: int) -> None:
    """Lock out other processes; one that is just ending, its parent killed, has a moment to do so."""
    deadline = time.monotonic() + LOCKED_S
    while True:
        try:
            fcntl.flock(folder_file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # goes with the process, however it ends
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.02)
        else:
            return
