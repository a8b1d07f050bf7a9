"""Transactions on the state database: reading, writing, upserts, and driver errors translated at the door."""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import URL, Connection, Engine, Table, exc, func, select
from sqlalchemy.dialects import sqlite

from core.clock import utc_now
from core.errors import StorageError, StorageUnavailableError
from sql.columns import Instant

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

WRITES: Final = "kreispuls_writes"
"""Execution option of a connection whose transaction writes; SQLite then takes the write lock at its beginning."""

_PASSING_SQLITE_ERRORS: Final = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection that sees one state of the database throughout (SQLite) or per statement (PostgreSQL).

    Raises:
        StorageUnavailableError: the database cannot be reached now.
        StorageError: it refused.
    """
    with translated_errors(engine.url), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection whose changes are all kept at the end, or none if anything raises; errors as `reading`.

    Its results know their `rowcount`, also of an INSERT.
    """
    with (
        translated_errors(engine.url),
        engine.connect() as connection,
        connection.execution_options(**{WRITES: True, "preserve_rowcount": True}).begin(),
    ):
        yield connection


def insert_into(connection: Connection, table: Table) -> "postgresql.Insert | sqlite.Insert":
    """An INSERT that knows ON CONFLICT."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - loaded where it is used: see benchmarks/start.py

        return postgresql.insert(table)
    return sqlite.insert(table)


def put_rows(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], kept: Collection[str] = ()
) -> None:
    """Insert rows, at least one; those with a known primary key replace it, but for the columns to be `kept`."""
    insert = insert_into(connection, table)
    key = [column.name for column in table.primary_key]
    replaced = {name: insert.excluded[name] for name in rows[0] if name not in {*key, *kept}}
    connection.execute(insert.on_conflict_do_update(index_elements=key, set_=replaced), rows)


def database_now(connection: Connection) -> datetime:
    """The present instant by the clock that all programs share: the database server's, with SQLite this machine's."""
    if connection.dialect.name != "postgresql":
        return utc_now()
    return connection.execute(select(func.clock_timestamp(type_=Instant()))).scalar_one()


@contextmanager
def translated_errors(url: URL) -> Iterator[None]:
    """Turn the driver's errors into ours; the texts name the database but hold neither its password nor values."""
    try:
        yield
    except exc.TimeoutError as error:
        raise StorageUnavailableError(f"state database {place(url)}: all connections are busy") from error
    except exc.DBAPIError as error:
        may_pass = error.connection_invalidated or (isinstance(error, exc.OperationalError) and _may_pass(error.orig))
        kind = StorageUnavailableError if may_pass else StorageError
        raise kind(f"state database {place(url)}: {_first_line(error.orig, url)}") from error
    except sqlite3.Error as error:  # from a PRAGMA, past SQLAlchemy
        kind = StorageUnavailableError if _may_pass(error) else StorageError
        raise kind(f"state database {place(url)}: {_first_line(error, url)}") from error
    except exc.SQLAlchemyError as error:
        raise StorageError(f"state database {place(url)}: {_first_line(error, url)}") from error


def place(url: URL) -> str:
    """Where the database is: host, port and name, or the file."""
    if url.get_backend_name() == "sqlite":
        return url.database or ":memory:"
    return f"{url.host or url.query.get('host', 'localhost')}:{url.port or 5432}/{url.database or ''}"


def _may_pass(error: BaseException | None) -> bool:
    if not isinstance(error, sqlite3.Error):
        return True  # PostgreSQL's operational errors: no connection, shutting down, deadlock, out of resources
    return getattr(error, "sqlite_errorname", "").startswith(_PASSING_SQLITE_ERRORS)


def _first_line(error: BaseException | None, url: URL) -> str:
    line = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return line.replace(str(url.password), "***") if url.password else line
