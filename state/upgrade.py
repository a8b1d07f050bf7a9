"""Brings the tables of the state database up to date with Alembic; several programs may do so at once."""

import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, Engine, inspect, text

from core.errors import StorageError
from sql.engine import write_ahead
from sql.transaction import WRITES, place, reading, translated_errors

if TYPE_CHECKING:  # loaded where tables are to be changed: it takes longer than all else that opens a database
    from alembic.config import Config

MIGRATIONS: Final = Path(__file__).parent / "migrations"
NEWEST: Final = max(path.stem.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
"""The revision of the tables that this version works with."""
_LOCK: Final = 0x6B72_6569_7370_756C
"""Key of PostgreSQL's advisory lock: `kreispul` in ASCII."""
ONE_UPGRADE: Final = threading.Lock()
"""Alembic keeps its context in a module: one upgrade at a time in a process."""


def upgrade(engine: Engine) -> None:
    """Make what is missing of the tables.

    Raises:
        StorageUnavailableError: the database does not answer.
        StorageError: it refuses, or was made by a newer version.
    """
    if engine.dialect.name == "sqlite":
        write_ahead(engine)
    if revision(engine) == NEWEST:
        return
    with translated_errors(engine.url), engine.connect() as connection:
        _migrate(connection)


def revision(engine: Engine) -> str | None:
    """The revision of a database's tables; None: it has none yet.

    Raises:
        StorageUnavailableError: the database does not answer.
    """
    with reading(engine) as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return found


def lock_migrations(connection: Connection) -> None:
    """Let no other program change PostgreSQL's tables, nor start, until the end of the transaction."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def migrations_config(connection: Connection) -> "Config":
    """Alembic's configuration for the migrations in this package, on an open connection."""
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _migrate(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.util.exc import CommandError  # noqa: PLC0415

    driver = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        # A migration that copies a table drops the old one, which must not delete what refers to it.
        driver.execute("PRAGMA foreign_keys=OFF")
    with connection.execution_options(**{WRITES: True}).begin():
        if connection.dialect.name == "postgresql":
            lock_migrations(connection)  # on SQLite the write lock does the same
        try:
            with ONE_UPGRADE:
                command.upgrade(migrations_config(connection), "head")
        except CommandError as error:
            raise StorageError(f"state database {place(connection.engine.url)}: of another version, {error}") from error
    if isinstance(driver, sqlite3.Connection):
        driver.execute("PRAGMA foreign_keys=ON")
