"""Pages of a list: keyset paging with opaque cursors."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Column, Connection, Row, Select, tuple_

from core.clock import from_epoch_us, to_epoch_us
from core.errors import InvalidInputError
from sql.columns import Instant, Text

MAX_LIMIT: Final = 1000
_MAX_INTEGER: Final = 2**63 - 1
_MAX_CURSOR_CHARACTERS: Final = 1000

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
        last = tuple_(*_read_cursor(cursor, key), types=[column.type for column in key])
        query = query.where(tuple_(*key) < last if newest_first else tuple_(*key) > last)
    query = query.order_by(*(column.desc() if newest_first else column for column in key)).limit(limit + 1)
    rows = connection.execute(query).all()
    if len(rows) <= limit:
        return Page(list(rows))
    return Page(list(rows[:limit]), _write_cursor([getattr(rows[limit - 1], column.name) for column in key]))


def _write_cursor(values: Sequence[str | int | datetime]) -> str:
    parts = [to_epoch_us(value) if isinstance(value, datetime) else value for value in values]
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


def _read_cursor(cursor: str, key: Sequence[Column[Any]]) -> list[str | int | datetime]:
    try:
        if len(cursor) > _MAX_CURSOR_CHARACTERS:
            raise ValueError("too long")
        encoded = cursor.encode("ascii")
        parts = json.loads(base64.b64decode(encoded + b"=" * (-len(encoded) % 4), altchars=b"-_", validate=True))
        if not isinstance(parts, list):
            raise TypeError("not a list")
        return [_key_value(part, column) for part, column in zip(parts, key, strict=True)]
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error) as error:
        raise InvalidInputError("cursor: not one that this list gave") from error


def _key_value(part: object, column: Column[Any]) -> str | int | datetime:
    if isinstance(column.type, Text):
        if isinstance(part, str):
            return part
    elif type(part) is int and abs(part) <= _MAX_INTEGER:
        return from_epoch_us(part) if isinstance(column.type, Instant) else part
    raise TypeError("wrong type of key")
