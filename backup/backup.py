"""Backup and restore of both stores in one archive.

Each store is copied as of one instant, the readings first: what the state says of a reading that is in the archive is
in it too, but for a batch that was just being written. Nothing has to stop for a backup; for a restore everything has.
"""

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy import URL, Connection

from backup.archive import (
    READINGS,
    ArchiveReader,
    ArchiveWriter,
    Manifest,
    ReadingsPart,
    Report,
    StatePart,
    copy_into,
    disk_errors,
)
from backup.sqlite_copy import FileReplacement, copy_database
from backup.state_rows import clear, export_state, import_state, is_empty
from core.errors import ConflictError, InvalidInputError, SettingsError, StorageUnavailableError
from core.settings import Settings
from sql.engine import open_engine
from sql.transaction import WRITES, place, translated_errors, writing
from state.tables import metadata
from state.upgrade import lock_migrations

ELSEWHERE: Final = (
    "the readings are in InfluxDB, whose own `influx backup` and `influx restore` keep them (docs/operations.md); "
    "--state-only does the rest"
)
SPOOL_WITHIN_S: Final = 10.0
"""A spool that ingest is draining is waited for so long."""
_SPARE_BYTES: Final = 16 << 20
_STATE_TABLES: Final = tuple(name for name in metadata.tables if name != "revision")


def back_up(settings: Settings, file: Path, *, state_only: bool, report: Report) -> Manifest:
    """Write a new archive; it appears under its name when it is complete and on disk, readable by its owner only.

    Raises:
        ConflictError: the file exists; the state's tables are of another version; or readings wait in ingest's spool.
        InvalidInputError: the readings are in InfluxDB and `state_only` is not set.
        StorageError: a store is damaged or does not answer, or the file cannot be written.
    """
    readings = None if state_only else _readings_file(settings)
    if readings is not None:
        _wait_for_spool(settings.spool_dir)
    with disk_errors(f"{file} cannot be written"), ExitStack() as stack:
        if file.exists():
            raise ConflictError(f"{file} exists already")
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        unfinished = Path(name)
        stack.callback(unfinished.unlink, missing_ok=True)
        with os.fdopen(descriptor, "w+b") as stream:
            with closing(ArchiveWriter(stream)) as archive:
                if readings is not None:
                    _write_readings(archive, readings, Path(f"{unfinished}.readings"), report)
                state = _write_state(settings, archive, report)
                manifest = archive.finish(state, ReadingsPart(backend="sqlite") if readings is not None else None)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(file)
    return manifest


def restore(settings: Settings, file: Path, *, state_only: bool, force: bool, report: Report) -> Manifest:
    """Put back what an archive holds: all of it or nothing.

    The archive is checked completely before anything is touched. New files are written beside the old ones, rows of
    PostgreSQL go into one transaction; files and transaction take their place at the end, one right after the other.

    Raises:
        InvalidInputError: the archive is damaged or no backup, or does not fit the settings.
        ConflictError: a store is not empty (without `force`) or in use.
        StorageError: a store is damaged or does not answer, or there is no room.
    """
    with closing(ArchiveReader(file)) as archive:
        wanted = archive.manifest.readings is not None and not state_only
        readings_file = _readings_file(settings) if wanted else None
        archive.verify(report)
        with ExitStack() as stack:
            readings = None
            if readings_file is not None:
                readings = stack.enter_context(_replacing(readings_file, ("devices",), force=force))
                _unpack_readings(archive, readings.new, report)
            stack.enter_context(_restored_state(settings, archive, force=force, report=report))
            if readings is not None:
                readings.swap()  # at the end of the stack the state takes its place; if it cannot, this is undone
        return archive.manifest


@contextmanager
def _restored_state(settings: Settings, archive: ArchiveReader, *, force: bool, report: Report) -> Iterator[None]:
    engine = open_engine(settings.state_url)
    try:
        if engine.dialect.name == "sqlite":
            with _replacing(_state_file(engine.url), _STATE_TABLES, force=force) as state:
                _fill_file(state.new, archive, report)
                yield
                state.swap()
        else:
            with writing(engine) as connection:
                lock_migrations(connection)
                _check_target(connection, force=force)
                clear(connection)
                import_state(connection, archive, report)
                yield
    finally:
        engine.dispose()


@contextmanager
def _replacing(path: Path, tables: Collection[str], *, force: bool) -> Iterator[FileReplacement]:
    replacement = FileReplacement(path, tables=tables, force=force)
    try:
        yield replacement
    except BaseException:
        replacement.undo()
        raise
    finally:
        replacement.close()


def _check_target(connection: Connection, *, force: bool) -> None:
    where = f"state database {place(connection.engine.url)}"
    others = connection.execute(
        sa.text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user "
            "AND application_name = current_setting('application_name') AND pid <> pg_backend_pid()"
        )
    ).scalar_one()
    if others:
        raise ConflictError(f"{where} is in use, {others} other connections: stop ingest, API and other programs first")
    if not force and not is_empty(connection):
        raise ConflictError(f"{where} is not empty; --force replaces what is there")


def _fill_file(path: Path, archive: ArchiveReader, report: Report) -> None:
    _need_room(path, sum(member.bytes for name, member in archive.manifest.members.items() if name != READINGS))
    path.touch(mode=0o600)
    engine = open_engine(URL.create("sqlite", database=str(path)).render_as_string())
    try:
        with translated_errors(engine.url), engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - tells the type checker
            driver.execute("PRAGMA foreign_keys = OFF")  # as migrations need it
            with connection.execution_options(**{WRITES: True}).begin():
                import_state(connection, archive, report)
            if driver.execute("PRAGMA foreign_key_check").fetchone():
                raise InvalidInputError("the archive's rows refer to rows that are not in it")
    finally:
        engine.dispose()


def _write_state(settings: Settings, archive: ArchiveWriter, report: Report) -> StatePart:
    engine = open_engine(settings.state_url)
    try:
        if engine.dialect.name == "sqlite" and not _state_file(engine.url).is_file():
            raise StorageUnavailableError(f"the file {_state_file(engine.url)} does not exist")
        return export_state(engine, archive, report)
    finally:
        engine.dispose()


def _write_readings(archive: ArchiveWriter, readings: Path, copy: Path, report: Report) -> None:
    _need_room(copy, readings.stat().st_size if readings.exists() else 0)
    copy.touch(mode=0o600)
    try:
        copy_database(readings, copy, lambda done, pages: report("copying the readings", done, pages))
        size = copy.stat().st_size
        with copy.open("rb") as source, archive.member(READINGS) as member:
            copy_into(source, member, lambda done: report("packing the readings", done, size))
    finally:
        copy.unlink(missing_ok=True)


def _unpack_readings(archive: ArchiveReader, target: Path, report: Report) -> None:
    size = archive.manifest.members[READINGS].bytes
    _need_room(target, size)
    target.touch(mode=0o600)
    with (
        archive.reading(READINGS) as source,
        disk_errors(f"the file {target} cannot be written"),
        target.open("wb") as stream,
    ):
        copy_into(source, stream, lambda done: report("readings", done, size))


def _wait_for_spool(folder: Path) -> None:
    """What the spool holds is acknowledged and in no store: a backup without it would not be whole."""
    deadline = time.monotonic() + SPOOL_WITHIN_S
    while waiting := sorted([*folder.glob("*/spool.db"), *folder.glob("*/*.spool")]):
        if time.monotonic() > deadline:
            raise ConflictError(
                f"readings wait in ingest's spool, the oldest in {waiting[0]}: a backup is made when it is drained"
            )
        time.sleep(0.1)


def _need_room(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if needed + _SPARE_BYTES > free:
        raise StorageUnavailableError(f"{path.parent} has room for {free >> 20} MiB, {needed >> 20} MiB are needed")


def _readings_file(settings: Settings) -> Path:
    if not settings.readings_url.startswith("sqlite:///"):
        raise InvalidInputError(ELSEWHERE)
    return Path(settings.readings_url.removeprefix("sqlite:///"))


def _state_file(url: URL) -> Path:
    if not url.database or url.database.startswith((":", "file:")) or url.query:
        raise SettingsError("KREISPULS_STATE_URL: backup and restore need sqlite:///FILE or PostgreSQL")
    return Path(url.database)
