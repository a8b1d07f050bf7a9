"""Opening a relational database: SQLite or PostgreSQL by URL."""

import sqlite3
import time
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, make_url, text
from sqlalchemy.pool import QueuePool

from core.errors import SettingsError, StorageUnavailableError
from sql.transaction import WRITES, place, reading, translated_errors

SETTING: Final = "KREISPULS_STATE_URL"
APPLICATION: Final = "kreispuls"
"""What PostgreSQL calls our connections; a restore looks for others of that name."""
_WAIT_S: Final = 10
"""How long a program waits for another one's write on SQLite."""
_CONNECT_S: Final = 5


def open_engine(url: str) -> Engine:
    """An engine for the database of a SQLAlchemy URL; it is not asked yet whether the database answers.

    `sqlite:///FILE` makes file and folder; `sqlite://` is a database in memory that lives as long as the engine.
    `postgresql://` uses psycopg 3.

    Raises:
        SettingsError: the URL cannot be understood or its driver is missing.
        StorageUnavailableError: the folder of the file cannot be made.
    """
    parsed = parse_url(url)
    return _open_sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _open_postgresql(parsed)


def write_ahead(engine: Engine) -> None:
    """Let a SQLite file have readers beside its writer, and one sync per transaction; it stays so.

    Raises:
        StorageUnavailableError: the file cannot be opened.
    """
    with translated_errors(engine.url), engine.connect() as connection:
        driver = connection.connection.driver_connection
        if isinstance(driver, sqlite3.Connection):
            _write_ahead(driver)


def ping(engine: Engine) -> None:
    """Answer quickly.

    Raises:
        StorageUnavailableError: the database does not answer.
    """
    with reading(engine) as connection:
        connection.execute(text("SELECT 1"))


def parse_url(url: str) -> URL:
    """The state database's URL, with its driver.

    Raises:
        SettingsError: it cannot be understood.
    """
    expected = f"{SETTING}: expected sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):
        raise SettingsError(expected) from None  # the cause's text may quote the URL with its password
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise SettingsError(f"{expected}, not {parsed.drivername}")
    if parsed.get_backend_name() == "sqlite" and (parsed.host or parsed.username):
        raise SettingsError(f"{SETTING}: a SQLite file has no host; write three slashes: sqlite:///FILE")
    return parsed


def _open_sqlite(url: URL) -> Engine:
    in_memory = url.database in (None, "", ":memory:") or url.query.get("mode") == "memory"
    if not in_memory and not str(url.database).startswith("file:"):
        _make_folder(url)
    # One database in memory is one connection, which threads must take in turns.
    pool: dict[str, Any] = {"pool_size": 1, "max_overflow": 0} if in_memory else {"pool_size": 10, "max_overflow": 40}
    engine = create_engine(
        url,
        poolclass=QueuePool,
        **pool,
        hide_parameters=True,
        # isolation_level None: the driver begins no transactions of its own, `_begin` below does
        connect_args={"timeout": _WAIT_S, "isolation_level": None, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _make_folder(url: URL) -> None:
    try:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnavailableError(
            f"state database {place(url)}: cannot make its folder, {error.strerror}"
        ) from error


def _prepare(connection: sqlite3.Connection, record: object) -> None:
    del record
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=FULL")  # what is acknowledged to the broker survives a power cut


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later could find that another one wrote in between, and fail at once.
    writes = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _open_postgresql(url: URL) -> Engine:
    connect_args: dict[str, Any] = {} if "connect_timeout" in url.query else {"connect_timeout": _CONNECT_S}
    connect_args["fallback_application_name"] = APPLICATION  # one that the URL names wins
    try:
        engine = create_engine(
            url,
            pool_pre_ping=True,
            pool_size=10,
            max_overflow=20,
            hide_parameters=True,
            connect_args=connect_args,
        )
    except ImportError as error:
        raise SettingsError(f"{SETTING}: PostgreSQL needs the package psycopg[binary]") from error
    from psycopg import ProgrammingError, conninfo  # noqa: PLC0415 - loaded where it is used: see benchmarks/start.py

    try:
        conninfo.make_conninfo(**dict.fromkeys(url.query, ""))
    except ProgrammingError as error:
        raise SettingsError(f"{SETTING}: {str(error).strip()}") from error
    return engine


def _write_ahead(driver: sqlite3.Connection) -> None:
    """Readers beside a writer (WAL). SQLite does not wait for another program that is just switching too, so we do."""
    deadline = time.monotonic() + _WAIT_S
    while True:
        try:
            driver.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
