"""Many rows into SQLite with few statements, so that other threads of the process get their turn.

`executemany` gives the interpreter lock away and takes it back with each row, so quickly that a thread which waits for
the lock starves until the last row: the thread that lights lamps did, for milliseconds (benchmarks/latency.py). One
statement of many rows works without the lock from beginning to end.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final

from sqlalchemy import Column, Connection

ROWS_AT_ONCE: Final = (64, 8, 1)
"""Rows per statement, the largest that is not more than what is left: few statements to keep prepared."""


def in_chunks(rows: Sequence[Sequence[Any]]) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """The rows in order, some at a time: how many, and their values in one sequence."""
    start = 0
    for size in ROWS_AT_ONCE:
        while len(rows) - start >= size:
            yield size, tuple(chain.from_iterable(rows[start : start + size]))
            start += size


def places(columns: int, rows: int) -> str:
    """What follows VALUES for so many rows of so many columns."""
    row = f"({', '.join('?' * columns)})"
    return ", ".join([row] * rows)


def run_many(connection: Connection, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run a statement over rows of values as the driver takes them; `{rows}` in it is where they follow VALUES."""
    for count, values in in_chunks(rows):
        connection.exec_driver_sql(statement.format(rows=places(len(rows[0]), count)), values)


def bound(
    connection: Connection, columns: Iterable[Column[Any]], rows: Sequence[Sequence[Any]]
) -> list[tuple[Any, ...]]:
    """Rows with their values as the driver takes them."""
    processors = [column.type.bind_processor(connection.dialect) for column in columns]
    given = zip(processors, zip(*rows, strict=True), strict=bool(rows))
    return list(zip(*(values if process is None else map(process, values) for process, values in given), strict=True))
