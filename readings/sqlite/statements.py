"""Tables of the SQLite backend and what fills them: `devices` (keys), `readings_<type>`, `latest_<type>`."""

import sqlite3
from dataclasses import dataclass
from typing import Final

from core.quantity import CATALOGUE, Kind
from devices.registry import device_types
from sql.sqlite_rows import places

_COLUMN_TYPE: Final = {
    Kind.NUMBER: "REAL",
    Kind.INTEGER: "INTEGER",
    Kind.BOOLEAN: "INTEGER",
    Kind.CHOICE: "TEXT",
    Kind.FAULTS: "TEXT",
}

CREATE_DEVICES: Final = """
CREATE TABLE IF NOT EXISTS devices (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id TEXT NOT NULL,
    device_type TEXT NOT NULL,
    municipality TEXT NOT NULL,
    UNIQUE (device_id, device_type, municipality)
)"""
"""A device that moves to another municipality gets another key. Keys stay for ever: other processes remember them."""


@dataclass(frozen=True, slots=True)
class TypeTables:
    """The two tables of one device type and the statements that fill them. All names are from our own catalogue."""

    device_type: str
    quantities: tuple[str, ...]

    @property
    def readings(self) -> str:
        """One row per device and instant, one column per quantity."""
        return f'"readings_{self.device_type}"'

    @property
    def latest(self) -> str:
        """One row per device: of each quantity the newest value and its instant (`<quantity>@`)."""
        return f'"latest_{self.device_type}"'

    def upsert_reading(self, names: tuple[str, ...], rows: int) -> str:
        """For these quantities; in a row: device, observed_us, then a value or NULL each; NULL leaves what is there.

        Only the columns that a batch has are named: each one costs in every row.
        """
        columns = "".join(f', "{name}"' for name in names)
        changes = ", ".join(f'"{name}" = coalesce(excluded."{name}", "{name}")' for name in names)
        return (
            f"INSERT INTO {self.readings} (device, observed_us{columns}) "  # noqa: S608 - names of our own catalogue
            f"VALUES {places(2 + len(names), rows)} "
            f"ON CONFLICT (device, observed_us) DO {f'UPDATE SET {changes}' if names else 'NOTHING'}"
        )

    def upsert_latest(self, names: tuple[str, ...], rows: int) -> str:
        """For these quantities; in a row: device, then value and instant each; what is as new or newer is taken."""
        columns = "".join(f', "{name}", "{name}@"' for name in names)
        changes = ", ".join(
            f'"{name}" = CASE WHEN excluded."{name}@" >= ifnull("{name}@", excluded."{name}@") '
            f'THEN excluded."{name}" ELSE "{name}" END, '
            f'"{name}@" = max(ifnull("{name}@", excluded."{name}@"), ifnull(excluded."{name}@", "{name}@"))'
            for name in names
        )
        return (
            f"INSERT INTO {self.latest} (device{columns}) "  # noqa: S608 - names of our own catalogue
            f"VALUES {places(1 + 2 * len(names), rows)} "
            f"ON CONFLICT (device) DO {f'UPDATE SET {changes}' if names else 'NOTHING'}"
        )

    @property
    def delete_readings(self) -> str:
        """Parameters: `before` (microseconds) and `key`."""
        return f"DELETE FROM {self.readings} WHERE device = :key AND observed_us < :before"  # noqa: S608 - our names

    @property
    def forget_latest(self) -> str:
        """Parameters: `before` (microseconds) and `key`; what is older goes. The newest value is older: so were all."""
        changes = ", ".join(
            f'"{name}" = CASE WHEN "{name}@" >= :before THEN "{name}" END, '
            f'"{name}@" = CASE WHEN "{name}@" >= :before THEN "{name}@" END'
            for name in self.quantities
        )
        return f"UPDATE {self.latest} SET {changes} WHERE device = :key"  # noqa: S608 - names of our own catalogue


def type_tables() -> dict[str, TypeTables]:
    """The tables of every device type."""
    return {name: TypeTables(name, tuple(sorted(kind.quantities))) for name, kind in sorted(device_types().items())}


def create_tables(connection: sqlite3.Connection, tables: dict[str, TypeTables]) -> None:
    """Make missing tables and columns, inside the caller's transaction; the catalogue may have grown since."""
    connection.execute(CREATE_DEVICES)
    for table in tables.values():
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {table.readings} (device INTEGER NOT NULL, observed_us INTEGER NOT NULL, "
            "PRIMARY KEY (device, observed_us)) WITHOUT ROWID"
        )
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table.latest} (device INTEGER PRIMARY KEY)")
        for name in table.quantities:
            column_type = _COLUMN_TYPE[CATALOGUE[name].kind]
            _add_column(connection, table.readings, name, column_type)
            _add_column(connection, table.latest, name, column_type)
            _add_column(connection, table.latest, f"{name}@", "INTEGER")


def _add_column(connection: sqlite3.Connection, table: str, column: str, column_type: str) -> None:
    if column not in {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}:
        connection.execute(f'ALTER TABLE {table} ADD COLUMN "{column}" {column_type}')
