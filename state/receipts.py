"""When messages that tell no time were first received: sent again, they are the same, and so is their time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine, select, text

from sql.sqlite_rows import bound, run_many
from sql.transaction import writing
from state.tables import receipts

PACKETS_PER_QUERY: Final = 500
_COLUMNS: Final = ("session", "packet", "digest", "received_at")
_UPSERT: Final = (  # an update leaves the index as it is: half the time of INSERT OR REPLACE
    f"INSERT INTO receipts ({', '.join(_COLUMNS)}) {{rows}} ON CONFLICT (session, packet) "
    "DO UPDATE SET digest = excluded.digest, received_at = excluded.received_at"
)
_ON_SQLITE: Final = _UPSERT.format(rows="VALUES {rows}")
_ON_POSTGRESQL: Final = text(
    _UPSERT.format(
        rows="SELECT * FROM unnest(CAST(:session AS text[]), CAST(:packet AS integer[]), CAST(:digest AS bytea[]), "
        "CAST(:received_at AS timestamptz[]))"
    )
)

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
            again = {(each.session, each.packet) for each in delivered if each.repeated}
            known = {(each.session, each.packet): each for each in _known(connection, sorted(again))}
            new: dict[_Packet, Receipt] = {}
            for each in delivered:
                key = (each.session, each.packet)
                before = (new.get(key) or known.get(key)) if each.repeated else None
                if before is not None and before.digest == each.digest:
                    firsts.append(before.received_at)
                else:
                    new[key] = each
                    firsts.append(each.received_at)
            _replace(connection, [(*key, new[key].digest, new[key].received_at) for key in sorted(new)])
        return firsts


def _replace(connection: Connection, rows: list[tuple[str, int, bytes, datetime]]) -> None:
    if connection.dialect.name == "sqlite":
        run_many(connection, _ON_SQLITE, bound(connection, receipts.columns, rows))
    elif rows:
        columns = map(list, zip(*rows, strict=True))
        connection.execute(_ON_POSTGRESQL, dict(zip(_COLUMNS, columns, strict=True)))


def _known(connection: Connection, keys: list[_Packet]) -> Iterator[Receipt]:
    for session in sorted({session for session, _ in keys}):
        packets = [packet for of_session, packet in keys if of_session == session]
        for first in range(0, len(packets), PACKETS_PER_QUERY):
            some = receipts.c.packet.in_(packets[first : first + PACKETS_PER_QUERY])
            for row in connection.execute(select(receipts).where(receipts.c.session == session, some)):
                yield Receipt(session, row.packet, row.digest, row.received_at, repeated=False)
