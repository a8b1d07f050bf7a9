"""Opaque cursors: the sort key of a page's last item as a text that goes into an address as it is."""

import base64
import binascii
import json
from datetime import datetime
from typing import Any, Final

from core.clock import from_epoch_us, to_epoch_us
from core.errors import InvalidInputError

MAX_CURSOR: Final = 1024
"""Characters."""
_MAX_INTEGER: Final = 2**63 - 1
"""Databases keep no larger one."""

Kind = type[str] | type[int] | type[datetime]


def encode_cursor(*parts: str | int | datetime) -> str:
    """A cursor that holds these parts; instants are kept to the microsecond."""
    plain = [to_epoch_us(part) if isinstance(part, datetime) else part for part in parts]
    return base64.urlsafe_b64encode(json.dumps(plain, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: Kind) -> tuple[Any, ...]:
    """The parts in a cursor, each of its kind; instants are aware UTC.

    Raises:
        InvalidInputError: `encode_cursor` made it of no such parts.
    """
    try:
        if len(cursor) > MAX_CURSOR:
            raise ValueError("too long")
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(parts, list):
            raise TypeError("not a list")
        return tuple(_part(part, kind) for part, kind in zip(parts, kinds, strict=True))
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error) as error:
        raise InvalidInputError("cursor: expected the next_cursor of the page before") from error


def _part(part: object, kind: Kind) -> str | int | datetime:
    if kind is str:
        if isinstance(part, str):
            return part
    elif type(part) is int and abs(part) <= _MAX_INTEGER:
        return from_epoch_us(part) if kind is datetime else part
    raise TypeError("another kind")
