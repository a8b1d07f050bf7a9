"""When messages that tell no time were first received: sent again, they are the same, and so is their time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine, select

from storage.sqlite_rows import bound, run_many
from storage.tables import receipts
from storage.transaction import insert_into, writing

PACKETS_PER_QUERY: Final = 500
_COLUMNS: Final = ("session", "packet", "digest", "received_at")
_REPLACE: Final = f"INSERT OR REPLACE INTO receipts ({', '.join(_COLUMNS)}) VALUES {{rows}}"  # noqa: S608 - our columns

_Packet = tuple[str, int]
"""Session and packet identifier."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A QoS 1 message as it was delivered.

    Until it is acknowledged, its packet identifier is no other message's in its session, and a broker that sends it
    again says so (MQTT 3.1.1, sections 2.3.1, 3.3.1.1 and 4.4): `repeated`.
    """

    session: str
    packet: int
    digest: bytes
    received_at: datetime
    repeated: bool


class Receipts:
    """The last receipt under each packet identifier of each session; at most 65,535 rows a session."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def remember(self, delivered: Sequence[Receipt]) -> list[datetime]:
        """Keep receipts, in the order of delivery; gives for each when its message was first received.

        A message that comes for the first time takes the place of the one that had its identifier before. One that is
        repeated and not known (or known with another digest) never got here: this is its first receipt.
        """
        if not delivered:
            return []
        firsts: list[datetime] = []
        with writing(self._engine) as connection:
            known = dict(_known(connection, sorted({_key(each) for each in delivered if each.repeated})))
            new: dict[_Packet, tuple[bytes, datetime]] = {}
            for each in delivered:
                key = _key(each)
                before = new.get(key) or known.get(key)
                if each.repeated and before is not None and before[0] == each.digest:
                    firsts.append(before[1])
                else:
                    new[key] = each.digest, each.received_at
                    firsts.append(each.received_at)
            _replace(connection, [(*key, *new[key]) for key in sorted(new)])
        return firsts


def _replace(connection: Connection, rows: list[tuple[str, int, bytes, datetime]]) -> None:
    if connection.dialect.name == "sqlite":
        run_many(connection, _REPLACE, bound(connection, receipts.columns, rows))
    elif rows:
        insert = insert_into(connection, receipts)
        replaced = {name: insert.excluded[name] for name in _COLUMNS[2:]}
        statement = insert.on_conflict_do_update(index_elements=_COLUMNS[:2], set_=replaced)
        connection.execute(statement, [dict(zip(_COLUMNS, row, strict=True)) for row in rows])


def _key(receipt: Receipt) -> _Packet:
    return receipt.session, receipt.packet


def _known(connection: Connection, keys: list[_Packet]) -> Iterator[tuple[_Packet, tuple[bytes, datetime]]]:
    for session in sorted({session for session, _ in keys}):
        packets = [packet for of_session, packet in keys if of_session == session]
        for first in range(0, len(packets), PACKETS_PER_QUERY):
            some = receipts.c.packet.in_(packets[first : first + PACKETS_PER_QUERY])
            for row in connection.execute(select(receipts).where(receipts.c.session == session, some)):
                yield (row.session, row.packet), (row.digest, row.received_at)
