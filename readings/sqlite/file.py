"""One SQLite file used by several threads and processes: a writer, idle reading connections, errors translated."""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from core.errors import StorageError, StorageUnavailableError

BUSY_TIMEOUT_S: Final = 10.0
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


class SqliteFile:
    """Writes go one after the other and are on disk when committed; reads see whole transactions and never wait.

    Raises:
        StorageUnavailableError: the file cannot be opened now (permission, disk full, locked for 10 s).
        StorageError: the file is no SQLite database or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._connect()
            try:
                _switch_to_wal(self._writer)
                self._writer.execute("PRAGMA synchronous = FULL")  # a commit is on disk when it returns
                self._writer.execute("PRAGMA cache_size = -65536")
                self._writer.execute("PRAGMA wal_autocheckpoint = 4000")
                self._opened_id = self._file_id()
            except BaseException:
                self._writer.close()
                raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The writing connection in a transaction: committed at the end, rolled back on any error."""
        with self._lock, self._translated():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def select(self, sql: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """All rows of a query; each statement sees one state of the file."""
        with self._reader() as connection:
            return connection.execute(sql, parameters).fetchall()

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """A reading connection of which all statements see one state of the file."""
        with self._reader() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        with self._translated():
            if self._closed:
                raise StorageError(f"the readings file {self.path} was closed")
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
            try:
                yield connection
            finally:
                self._idle.append(connection)
                if self._closed:
                    self._close_idle()

    def ping(self) -> None:
        """Read from the file, and see that it is still the one that was opened.

        Raises:
            StorageUnavailableError: it was moved, replaced or removed, so what is written would be lost.
        """
        self.select("SELECT 1 FROM sqlite_schema LIMIT 1", {})
        with self._translated():
            if self._file_id() != self._opened_id:
                raise StorageUnavailableError(f"the readings file {self.path} was replaced while it is in use")

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            self._closed = True
            self._writer.close()
            self._close_idle()

    def _close_idle(self) -> None:
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:  # another thread took the last one to close it
                return

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection

    def _file_id(self) -> tuple[int, int]:
        status = self.path.stat()
        return status.st_dev, status.st_ino

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            kind = StorageUnavailableError if code in _UNAVAILABLE else StorageError
            raise kind(f"the readings file {self.path}: {error}") from error
        except OSError as error:
            raise StorageUnavailableError(f"the readings file {self.path}: {error.strerror}") from error
        except (OverflowError, UnicodeEncodeError) as error:
            raise StorageError(f"the readings file {self.path} cannot hold a value: {error}") from error


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Several processes that start at once: this switch, unlike a statement, does not wait for a lock by itself."""
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
