"""Column types that make SQLite and PostgreSQL keep and order the same: text, instants, JSON."""

import json
import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import JSON, TIMESTAMP, BigInteger, ColumnElement, Dialect, TypeDecorator
from sqlalchemy import Text as SqlText
from sqlalchemy.types import TypeEngine

from core.clock import from_epoch_us, to_epoch_us

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


class Text(TypeDecorator[str]):
    """Text ordered by code point, as Python orders it, whatever the locale of the database.

    Devices send what they like: NUL characters, which PostgreSQL refuses, and lone surrogates, which no database can
    encode, are kept and compared as U+FFFD. This is the one place that does so.
    """

    impl = SqlText
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The `C` collation where PostgreSQL would use the locale's; SQLite compares bytes of UTF-8 anyway."""
        return SqlText(collation="C") if dialect.name == "postgresql" else SqlText()

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Make the text storable."""
        del dialect
        if value is None or (value.isascii() and "\0" not in value):
            return value
        return str(_UNSTORABLE.sub("\ufffd", value))


class Choice(Text):
    """Text that is one of the values of an enumeration."""

    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__()
        self.kind = kind

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        """The member itself."""
        del dialect
        return None if value is None else self.kind(value)


def only_where(condition: ColumnElement[bool]) -> dict[str, Any]:
    """For an index: of the rows that meet a condition alone."""
    return {"sqlite_where": condition, "postgresql_where": condition}


class Instant(TypeDecorator[datetime]):
    """An aware instant, exact to the microsecond: TIMESTAMPTZ on PostgreSQL, epoch microseconds on SQLite."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The database's own type where it has one with a zone."""
        return TIMESTAMP(timezone=True) if dialect.name == "postgresql" else BigInteger()

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse a naive instant, which would be read in whatever zone the server is in."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant without time zone cannot be kept")
        return value if dialect.name == "postgresql" else to_epoch_us(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Give the instant, always aware UTC."""
        if value is None:
            return None
        return value.astimezone(UTC) if dialect.name == "postgresql" else from_epoch_us(value)


class Json(TypeDecorator[Any]):
    """What JSON can hold; None is SQL's NULL."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Refuse NaN and infinity, which are no JSON: PostgreSQL would, SQLite would not."""
        del dialect
        json.dumps(value, allow_nan=False)
        return value
