"""Pages of a list: keyset paging with opaque cursors."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Column, Connection, Row, Select, Table, tuple_

from core.cursor import Kind, decode_cursor, encode_cursor
from core.errors import InvalidInputError
from sql.columns import Instant, Text

MAX_LIMIT: Final = 1000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list in its order; `next_cursor` asks for those after them, None: there are no more."""

    items: list[T]
    next_cursor: str | None = None


def check_limit(limit: int) -> None:
    """Refuse a limit outside 1 to MAX_LIMIT.

    Raises:
        InvalidInputError: it is outside.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInputError(f"limit: expected 1 to {MAX_LIMIT}, got {limit}")


def given(query: Select[Any], table: Table, **wanted: object) -> Select[Any]:
    """Of the rows of a query those with these values in columns of a table; None: whatever is there."""
    return query.where(*(table.c[name] == value for name, value in wanted.items() if value is not None))


def fetch_page(
    connection: Connection,
    query: Select[Any],
    key: Sequence[Column[Any]],
    *,
    limit: int,
    cursor: str | None,
    newest_first: bool = False,
) -> Page[Row[Any]]:
    """The rows of a query after the cursor, ordered by `key`: selected columns that are unique together.

    Rows added or deleted meanwhile never repeat or hide others.

    Raises:
        InvalidInputError: limit outside 1 to MAX_LIMIT, or a cursor that is none of this list.
    """
    check_limit(limit)
    if cursor is not None:
        last = tuple_(*decode_cursor(cursor, *map(_kind, key)), types=[column.type for column in key])
        query = query.where(tuple_(*key) < last if newest_first else tuple_(*key) > last)
    query = query.order_by(*(column.desc() if newest_first else column for column in key)).limit(limit + 1)
    rows = connection.execute(query).all()
    if len(rows) <= limit:
        return Page(list(rows))
    return Page(list(rows[:limit]), encode_cursor(*(getattr(rows[limit - 1], column.name) for column in key)))


def _kind(column: Column[Any]) -> Kind:
    return str if isinstance(column.type, Text) else datetime if isinstance(column.type, Instant) else int
