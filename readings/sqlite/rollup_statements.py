"""Tables and SQL texts of the rollups in the SQLite file; all names are of our own catalogue.

`daily_<quantity>`: per device and day of UTC; `hours` has a bit for each hour of the day that has a value, `falls` is
how often a counter went back within the day.
`hourly_<quantity>`: per municipality, device type and hour, over all its devices. `stale_days`,
`stale_hours`: what of them has to be made anew. `rollup_state`: how far they reach.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from core.quantity import CATALOGUE, Kind
from readings.calls import MIN_US
from readings.contract import DAY_US, HOUR_US
from readings.sqlite.statements import TypeTables

_LAST_TYPE: Final = {
    Kind.NUMBER: "REAL",
    Kind.INTEGER: "INTEGER",
    Kind.BOOLEAN: "INTEGER",
    Kind.CHOICE: "TEXT",
    Kind.FAULTS: "TEXT",
}
_STATE: Final = f"""
CREATE TABLE IF NOT EXISTS rollup_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    marking_us INTEGER NOT NULL,
    rolled_us INTEGER NOT NULL
);
INSERT OR IGNORE INTO rollup_state VALUES (1, {MIN_US}, {MIN_US});
CREATE TABLE IF NOT EXISTS stale_days (
    device INTEGER NOT NULL, day INTEGER NOT NULL, stamp INTEGER NOT NULL, PRIMARY KEY (device, day)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stale_hours (
    municipality TEXT NOT NULL, device_type TEXT NOT NULL, hour INTEGER NOT NULL, stamp INTEGER NOT NULL,
    PRIMARY KEY (municipality, device_type, hour)
) WITHOUT ROWID"""  # noqa: S608 - our own integer
"""Before `marking_us` a write marks what it changes as stale; before `rolled_us` what is not stale is right.

A stamp is drawn anew with every change, so that one who computed from an older state sees that it was one.
"""

MARK_DAY: Final = "REPLACE INTO stale_days VALUES (?, ?, random())"
MARK_HOUR: Final = "REPLACE INTO stale_hours VALUES (?, ?, ?, random())"


def create_rollups(connection: sqlite3.Connection) -> None:
    """Make missing tables, inside the caller's transaction."""
    for statement in _STATE.split(";\n"):
        connection.execute(statement)
    for quantity in CATALOGUE.values():
        columns = {row[1] for row in connection.execute(f'PRAGMA table_info("daily_{quantity.name}")')}
        if columns and "falls" not in columns:  # of an earlier version: all is made anew
            connection.execute(f'DROP TABLE "daily_{quantity.name}"')
            connection.execute("UPDATE rollup_state SET rolled_us = ?", (MIN_US,))
        connection.execute(
            f'CREATE TABLE IF NOT EXISTS "daily_{quantity.name}" (device INTEGER NOT NULL, day INTEGER NOT NULL, '
            "n INTEGER NOT NULL, s REAL, lo REAL, hi REAL, first_us INTEGER NOT NULL, "
            f"last {_LAST_TYPE[quantity.kind]} NOT NULL, held REAL, hours INTEGER NOT NULL, falls INTEGER, "
            "PRIMARY KEY (device, day)) WITHOUT ROWID"
        )
        connection.execute(
            f'CREATE TABLE IF NOT EXISTS "hourly_{quantity.name}" (hour INTEGER NOT NULL, municipality TEXT NOT NULL, '
            "device_type TEXT NOT NULL, n INTEGER NOT NULL, s REAL, lo REAL, hi REAL, "
            "PRIMARY KEY (hour, municipality, device_type)) WITHOUT ROWID"
        )


def bucket_of(instant: str, length: int) -> str:
    """The number of the bucket since 1970 (negative before it) of an instant's SQL expression."""
    return f"(({instant} - (({instant} % {length}) + {length}) % {length}) / {length})"


def find_days(table: TypeTables) -> str:
    """Rows of device and day that has readings, of these :keys (a JSON array) inside [:from, :end).

    Jumps from day to day in the primary key: as many steps as there are days, not readings.
    """
    first_day = (
        f"(SELECT {bucket_of('observed_us', DAY_US)} FROM {table.readings} "  # noqa: S608 - our names
        "WHERE device = {device} AND observed_us >= {since} AND observed_us < :end ORDER BY observed_us LIMIT 1)"
    )
    return (
        "WITH RECURSIVE found (device, day) AS ("  # noqa: S608 - our names
        f"SELECT value, {first_day.format(device='value', since=':from')} FROM json_each(:keys) "
        f"UNION ALL SELECT f.device, {first_day.format(device='f.device', since=f'(f.day + 1) * {DAY_US}')} "
        "FROM found AS f WHERE f.day IS NOT NULL) SELECT device, day FROM found WHERE day IS NOT NULL"
    )


def select_days(table: TypeTables, names: Sequence[str]) -> str:
    """Rows of day, count, first instant, hours, then sum, minimum, maximum, last, held and falls of each quantity.

    The parts of days inside [:from, :end) of one :key. Each reading there has all of these quantities or none. `held`
    is the sum of value times microseconds until the next value, the day's end or `:end`; only counters have `falls`.
    """
    counters = [name for name in names if CATALOGUE[name].counter]
    day_end = f"(day + 1) * {DAY_US}"
    columns = ", ".join(f'"{name}"' for name in names)
    aggregates = ", ".join(
        (f'total("{name}"), min("{name}"), max("{name}"), ' if CATALOGUE[name].numeric else "NULL, NULL, NULL, ")
        + f'max(CASE WHEN last THEN "{name}" END), '
        + (f'total(1.0 * "{name}" * held_us), ' if CATALOGUE[name].numeric else "NULL, ")
        + (f'count(CASE WHEN NOT first AND "{name}" < "before {name}" THEN 1 END)' if name in counters else "NULL")
        for name in names
    )
    before = "".join(f', lag("{name}") OVER w AS "before {name}"' for name in counters)
    values = (
        f"SELECT {bucket_of('observed_us', DAY_US)} AS day, observed_us AS t, {columns}{before}, "  # noqa: S608 - our names
        f"lag(observed_us) OVER w AS before_t, lead(observed_us) OVER w AS next_t FROM {table.readings} "
        f'WHERE device = :key AND observed_us >= :from AND observed_us < :end AND "{names[0]}" IS NOT NULL '
        "WINDOW w AS (ORDER BY observed_us)"
    )
    return (
        f"SELECT day, count(*), min(t), sum(DISTINCT 1 << (t - day * {DAY_US}) / {HOUR_US}), {aggregates} "  # noqa: S608
        f"FROM (SELECT *, before_t IS NULL OR before_t < day * {DAY_US} AS first, "
        f"next_t IS NULL OR next_t >= {day_end} AS last, "
        f"min(ifnull(next_t, :end), {day_end}) - t AS held_us FROM ({values})) GROUP BY day"
    )


def select_present(table: TypeTables) -> str:
    """One row: of each quantity of the table how many values one :key has inside [:from, :end)."""
    columns = ", ".join(f'count("{name}")' for name in table.quantities)
    return (
        f"SELECT {columns} FROM {table.readings} "  # noqa: S608 - our names
        "WHERE device = :key AND observed_us >= :from AND observed_us < :end"
    )


def select_unlike(table: TypeTables, names: Sequence[str]) -> str:
    """A row if one :key has, inside [:from, :end), a reading with some of these quantities and not all."""
    some = " OR ".join(f'("{names[0]}" IS NULL) <> ("{name}" IS NULL)' for name in names[1:])
    return (
        f"SELECT 1 FROM {table.readings} "  # noqa: S608 - our names
        f"WHERE device = :key AND observed_us >= :from AND observed_us < :end AND ({some}) LIMIT 1"
    )


def select_hours(table: TypeTables) -> str:
    """Rows of hour, then count, sum, minimum and maximum per quantity, of one :municipality inside [:from, :end)."""
    columns = ", ".join(
        f'count("{name}"), total("{name}"), min("{name}"), max("{name}")'
        if CATALOGUE[name].numeric
        else f'count("{name}"), NULL, NULL, NULL'
        for name in table.quantities
    )
    return (
        f"SELECT {bucket_of('observed_us', HOUR_US)} AS hour, {columns} "  # noqa: S608 - our names
        f"FROM devices AS d CROSS JOIN {table.readings} AS r ON r.device = d.key "
        f"WHERE municipality = :municipality AND device_type = '{table.device_type}' "
        "AND observed_us >= :from AND observed_us < :end GROUP BY hour"
    )
