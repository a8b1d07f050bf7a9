"""SQLite files copied while they are in use, and replaced when nobody uses them."""

import os
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

from core.errors import ConflictError, StorageError, StorageUnavailableError

PAGES_AT_ONCE: Final = 4096
IN_USE_AFTER_S: Final = 2.0
_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED: Final = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
_REPLACED: Final = b"This file was replaced by kreispuls restore and is no database any more.".ljust(100)


def copy_database(source: Path, target: Path, told: Callable[[int, int], None]) -> None:
    """Copy a database as of one instant, by SQLite's online backup; writers go on meanwhile. The copy is one file.

    Raises:
        StorageError: the source is damaged; the copy is checked before it counts.
        StorageUnavailableError: it cannot be read, or there is no room for the copy.
    """
    if not source.is_file():
        raise StorageUnavailableError(f"the file {source} does not exist")
    with _translated(source), closing(_connect(source)) as reader, closing(_connect(target)) as copy:
        # Pages come in portions; without a transaction around them each write by somebody would begin it anew.
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        reader.backup(
            copy,
            pages=PAGES_AT_ONCE,
            progress=lambda _status, remaining, total: told(total - remaining, total),
        )
        reader.execute("COMMIT")
        copy.execute("PRAGMA journal_mode = DELETE")
        answer = str(copy.execute("PRAGMA quick_check(1)").fetchone()[0])
        if answer != "ok":
            raise StorageError(f"the file {source} is damaged: {answer}")


class FileReplacement:
    """Puts a new database in the place of a file, or of none, while no program has it open.

    While it lasts the file is locked: a program that starts meanwhile waits, and is told that the file is locked, or
    that it is no database any more; it never goes on with the old one.

    Args:
        path: the database to replace.
        tables: where a row means that it is not empty.
        force: replace one that is not empty, or damaged.

    Raises:
        ConflictError: a program has it open, or it is not empty.
        StorageError: it is damaged.
    """

    def __init__(self, path: Path, *, tables: Collection[str], force: bool) -> None:
        self.path = path
        mark = uuid4().hex[:8]
        self.new = path.with_name(f"{path.name}.new-{mark}")
        self._old = path.with_name(f"{path.name}.old-{mark}")
        self._made = self._swapped = False
        self._lock: sqlite3.Connection | None = None
        with _translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._made = not path.exists()
            try:
                self._take_lock(tables, force=force)
            except BaseException:
                self.close()
                raise

    def _take_lock(self, tables: Collection[str], *, force: bool) -> None:
        self._lock = connection = _connect(self.path)
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # kept from the first transaction until closed
            connection.execute("BEGIN IMMEDIATE")
            empty = _is_empty(connection, tables)
            connection.execute("COMMIT")
            if not empty and not force:
                raise ConflictError(f"{self.path} is not empty; --force replaces it")
            connection.execute("PRAGMA journal_mode = DELETE")  # everything in one file
            connection.execute("PRAGMA journal_mode = MEMORY")
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _BUSY:
                raise ConflictError(f"{self.path} is in use: stop ingest, API and other programs first") from error
            if code not in _DAMAGED:
                raise
            if not force:
                raise StorageError(f"{self.path} is no database or damaged ({error}); --force replaces it") from error

    def swap(self) -> None:
        """Put the new file in place, durably."""
        with _translated(self.path):
            owner = (self.path.parent if self._made else self.path).stat()
            if not self._made:
                self.new.chmod(owner.st_mode & 0o777)
            if os.geteuid() == 0:  # the programs that use it may run as somebody else
                os.chown(self.new, owner.st_uid, owner.st_gid)
            _sync(self.new)
            os.link(self.path, self._old)
            self.new.replace(self.path)
            self._swapped = True
            _sync(self.path.parent)

    def undo(self) -> None:
        """Put the old file back, if `swap` has taken it away."""
        if self._old.exists():
            with _translated(self.path):
                self._old.replace(self.path)
                self._swapped = False

    def close(self) -> None:
        """Remove what is not needed any more and let other programs in."""
        if self._old.exists():
            # A program may have opened the old file and be waiting for its lock.
            with self._old.open("r+b") as old:
                old.write(_REPLACED)
            self._old.unlink()
        for suffix in ("", "-journal", "-wal", "-shm"):
            self.new.with_name(self.new.name + suffix).unlink(missing_ok=True)
        if self._made and not self._swapped:
            self.path.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()


def _is_empty(connection: sqlite3.Connection, tables: Collection[str]) -> bool:
    there = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    return not any(
        connection.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone()  # noqa: S608 - names of our own tables
        for table in tables
        if table in there
    )


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=IN_USE_AFTER_S, isolation_level=None, check_same_thread=False)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        kind = StorageError if code in _DAMAGED else StorageUnavailableError
        raise kind(f"the file {path}: {error}") from error
    except OSError as error:
        raise StorageUnavailableError(f"the file {path}: {error.strerror or error}") from error
