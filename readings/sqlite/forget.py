"""Forgetting one quantity in the SQLite file: values, newest value, rollups."""

from collections.abc import Collection, Mapping

from readings.contract import DAY_US
from readings.sqlite.file import SqliteFile
from readings.sqlite.rollup_marks import forget_days, forget_hours
from readings.sqlite.statements import TypeTables

KEYS_PER_TRANSACTION = 50


def forget_quantity(  # noqa: PLR0917 - as in `ReadingStore.forget`
    file: SqliteFile,
    tables: Mapping[str, TypeTables],
    name: str,
    before_us: int,
    municipality: str | None,
    spared: Collection[str],
) -> None:
    """Delete in short transactions, so that writers get in between.

    Which days hold values is known without a scan of the history: those rolled up, those stale, and those after the
    rollups' reach.
    """
    devices = [
        (key, tables[device_type], of_municipality)
        for key, device_type, of_municipality in file.select("SELECT key, device_type, municipality FROM devices", {})
        if device_type in tables and of_municipality not in spared and municipality in (None, of_municipality)
    ]
    for first in range(0, len(devices), KEYS_PER_TRANSACTION):
        with file.transaction() as connection:
            rolled_us = connection.execute("SELECT rolled_us FROM rollup_state").fetchone()[0] // DAY_US * DAY_US
            for key, table, _ in devices[first : first + KEYS_PER_TRANSACTION]:
                where = "device = :key AND day < :until"
                days = connection.execute(
                    f'SELECT day FROM "daily_{name}" WHERE {where} UNION SELECT day FROM stale_days WHERE {where}',  # noqa: S608
                    {"key": key, "until": min(rolled_us // DAY_US, -(-before_us // DAY_US))},
                ).fetchall()
                spans = [(day * DAY_US, min((day + 1) * DAY_US, before_us)) for (day,) in days]
                if rolled_us < before_us:
                    spans.append((rolled_us, before_us))
                changed = 0
                for from_us, end_us in spans:
                    span = {"key": key, "from": from_us, "end": end_us}
                    changed += connection.execute(_delete_rows(table, name), span).rowcount
                    changed += connection.execute(_clear(table, name), span).rowcount
                connection.execute(
                    f'UPDATE {table.latest} SET "{name}" = NULL, "{name}@" = NULL '  # noqa: S608 - our names
                    f'WHERE device = :key AND "{name}@" < :before',
                    {"key": key, "before": before_us},
                )
                forget_days(connection, key, before_us, [name], changed=changed > 0)
    municipalities = sorted({of_municipality for _, _, of_municipality in devices})
    with file.transaction() as connection:
        for each in municipalities:
            forget_hours(connection, before_us, [name], [each])


def _delete_rows(table: TypeTables, name: str) -> str:
    """Readings that say nothing else."""
    others = "".join(f' AND "{other}" IS NULL' for other in table.quantities if other != name)
    return (
        f"DELETE FROM {table.readings} "  # noqa: S608 - our names
        f'WHERE device = :key AND observed_us >= :from AND observed_us < :end AND "{name}" IS NOT NULL{others}'
    )


def _clear(table: TypeTables, name: str) -> str:
    return (
        f'UPDATE {table.readings} SET "{name}" = NULL '  # noqa: S608 - our names
        f'WHERE device = :key AND observed_us >= :from AND observed_us < :end AND "{name}" IS NOT NULL'
    )
