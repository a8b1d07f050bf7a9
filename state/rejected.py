"""Rejected messages in the state database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine, bindparam, delete, func, insert, select, update

from core.errors import NotFoundError
from core.rejected import KEPT_PAYLOAD_BYTES, RejectedMessage
from sql.page import Page, fetch_page, given
from sql.records import from_row, to_row
from sql.transaction import reading, writing
from state.tables import rejected_messages

_MAX_ID: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class RejectedFilter:
    """Which rejected messages; conditions narrow together, None means any."""

    municipality: str | None = None
    device_type: str | None = None
    device_id: str | None = None


class RejectedMessages:
    """Messages that could not be used, in the order they were kept."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, messages: Sequence[RejectedMessage]) -> None:
        """Keep all, or none; of each payload the first KEPT_PAYLOAD_BYTES; the ids are given here."""
        if not messages:
            return
        with writing(self._engine) as connection:
            connection.execute(insert(rejected_messages), [_row(message) for message in messages])

    def add_missing(self, messages: Sequence[RejectedMessage]) -> int:
        """Keep those that are not kept yet (topic, time of receipt and reason are the same); how many that were."""
        if not messages:
            return 0
        same = [rejected_messages.c[name] == bindparam(f"of_{name}") for name in ("topic", "received_at", "reason")]
        known = select(rejected_messages.c.rejected_id).where(*same).limit(1)
        with writing(self._engine) as connection:
            missing = [
                row
                for row in map(_row, messages)
                if connection.execute(known, {f"of_{name}": value for name, value in row.items()}).first() is None
            ]
            if missing:
                connection.execute(insert(rejected_messages), missing)
        return len(missing)

    def get(self, rejected_id: int) -> RejectedMessage:
        """The message.

        Raises:
            NotFoundError: there is none with this id (any more).
        """
        if 0 < rejected_id <= _MAX_ID:
            with reading(self._engine) as connection:
                query = select(rejected_messages).where(rejected_messages.c.rejected_id == rejected_id)
                row = connection.execute(query).one_or_none()
            if row is not None:
                return from_row(RejectedMessage, row)
        raise _unknown(rejected_id)

    def page(
        self, rejected_filter: RejectedFilter, limit: int = 100, cursor: str | None = None
    ) -> Page[RejectedMessage]:
        """Messages, newest first.

        Raises:
            InvalidInputError: wrong limit (1-1000) or cursor.
        """
        query = given(select(rejected_messages), rejected_messages, **to_row(rejected_filter))
        key = [rejected_messages.c.rejected_id]
        with reading(self._engine) as connection:
            rows = fetch_page(connection, query, key, limit=limit, cursor=cursor, newest_first=True)
        return Page([from_row(RejectedMessage, row) for row in rows.items], rows.next_cursor)

    def mark_replayed(self, rejected_id: int, at: datetime) -> None:
        """Note that the message was played again.

        Raises:
            NotFoundError: there is none with this id (any more).
        """
        if not 0 < rejected_id <= _MAX_ID:
            raise _unknown(rejected_id)
        statement = update(rejected_messages).where(rejected_messages.c.rejected_id == rejected_id)
        with writing(self._engine) as connection:
            if connection.execute(statement.values(replayed_at=at)).rowcount == 0:
                raise _unknown(rejected_id)

    def prune(self, keep: int) -> int:
        """Delete all but the newest `keep`; returns how many went."""
        ids = rejected_messages.c.rejected_id
        newest_to_go = select(ids).order_by(ids.desc()).offset(keep).limit(1).scalar_subquery()
        with writing(self._engine) as connection:
            return connection.execute(delete(rejected_messages).where(ids <= newest_to_go)).rowcount

    def count(self) -> int:
        """How many are kept."""
        with reading(self._engine) as connection:
            return connection.execute(select(func.count()).select_from(rejected_messages)).scalar_one()


def _unknown(rejected_id: int) -> NotFoundError:
    return NotFoundError(f"no rejected message {rejected_id}")


def _row(message: RejectedMessage) -> dict[str, Any]:
    row = to_row(message) | {"payload": message.payload[:KEPT_PAYLOAD_BYTES]}
    del row["rejected_id"]
    return row
