"""Marking what of the rollups of the SQLite backend is no longer right, in the transaction that makes it so."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from core.reading import Reading
from readings.calls import MIN_US
from readings.contract import DAY_US, HOUR_US
from readings.sqlite.rollup_statements import MARK_DAY, MARK_HOUR, find_days
from readings.sqlite.statements import TypeTables

HOURS_PER_DAY: Final = 24

_Identity = tuple[str, str, str]


def mark_late(
    connection: sqlite3.Connection,
    batch: Sequence[tuple[_Identity, int, Reading]],
    keys: Mapping[_Identity, int],
) -> None:
    """In the transaction of a write: what lies before the rollups' reach makes its day and hour stale.

    What is not late costs one comparison per reading.
    """
    marking_us: int = connection.execute("SELECT marking_us FROM rollup_state").fetchone()[0]
    if marking_us == MIN_US:
        return
    late = [(identity, observed_us) for identity, observed_us, _ in batch if observed_us < marking_us]
    if not late:
        return
    connection.executemany(MARK_DAY, {(keys[identity], at // DAY_US) for identity, at in late})
    connection.executemany(MARK_HOUR, {(identity[2], identity[1], at // HOUR_US) for identity, at in late})


def forget_days(
    connection: sqlite3.Connection, key: int, before_us: int, names: Iterable[str], *, changed: bool
) -> None:
    """In the transaction that deletes values of a device before an instant: their days go, the cut day gets stale."""
    day = before_us // DAY_US
    for name in names:
        connection.execute(f'DELETE FROM "daily_{name}" WHERE device = ? AND day < ?', (key, day))  # noqa: S608
    # What is being computed from values that are deleted now must not be taken.
    connection.execute("UPDATE stale_days SET stamp = random() WHERE device = ? AND day <= ?", (key, day))
    if changed and before_us % DAY_US:
        connection.execute(MARK_DAY, (key, day))


def mark_hours_before(connection: sqlite3.Connection, table: TypeTables, key: int, before_us: int) -> None:
    """In the transaction that deletes a device's values, before it does: the hours of its municipality get stale."""
    (municipality,) = connection.execute("SELECT municipality FROM devices WHERE key = ?", (key,)).fetchone()
    found = connection.execute(find_days(table), {"keys": f"[{key}]", "from": MIN_US, "end": before_us})
    days = {(municipality, day) for _, day in found}
    connection.executemany(MARK_HOUR, hours_of(table.device_type, days, MIN_US, before_us))


def forget_hours(
    connection: sqlite3.Connection, before_us: int, names: Iterable[str], municipalities: Sequence[str] | None
) -> None:
    """After the values of whole municipalities (None: all) before an instant were deleted: their hours go too."""
    hour = before_us // HOUR_US
    some = "" if municipalities is None else f"AND municipality IN ({', '.join('?' * len(municipalities))})"
    which = tuple(municipalities or ())
    for name in names:
        connection.execute(f'DELETE FROM "hourly_{name}" WHERE hour < ? {some}', (hour, *which))  # noqa: S608
    connection.execute(f"UPDATE stale_hours SET stamp = random() WHERE hour <= ? {some}", (hour, *which))  # noqa: S608
    if before_us % HOUR_US:
        connection.execute(
            "REPLACE INTO stale_hours SELECT municipality, device_type, ?, random() "  # noqa: S608
            f"FROM (SELECT DISTINCT municipality, device_type FROM devices WHERE 1 {some})",
            (hour, *which),
        )


def hours_of(
    device_type: str, days_of: Iterable[tuple[str, int]], from_us: int, end_us: int
) -> list[tuple[str, str, int]]:
    """Keys of the hours of these municipalities' days that lie at least in part inside a span."""
    first, last = from_us // HOUR_US, (end_us - 1) // HOUR_US
    return [
        (municipality, device_type, hour)
        for municipality, day in sorted(days_of)
        for hour in range(max(first, day * HOURS_PER_DAY), min(last, day * HOURS_PER_DAY + HOURS_PER_DAY - 1) + 1)
    ]
