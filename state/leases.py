"""Leases: what one of several processes has for itself for a while."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Engine, delete, or_, select, update

from sql.transaction import database_now, insert_into, reading, writing
from state.tables import leases

LEASE_FOR: Final = timedelta(seconds=6)
"""How long a lease is good without renewal unless told otherwise: what a killed process held is free after this."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds a name; `live` is false once it has expired."""

    name: str
    holder: str
    live: bool


class Leases:
    """Names that one holder has at a time. The clock is the database server's; with SQLite this machine's."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def now(self) -> datetime:
        """The present instant by the clock of leases."""
        with reading(self._engine) as connection:
            return database_now(connection)

    def acquire(self, name: str, holder: str, now: datetime | None = None, hold: timedelta = LEASE_FOR) -> bool:
        """Take a name that nobody has, whose lease has expired or that is ours; whether we have it now."""
        with writing(self._engine) as connection:
            now = now or database_now(connection)
            row = {"name": name, "holder": holder, "expires_at": now + hold}
            insert = insert_into(connection, leases).values(row)
            free = or_(leases.c.holder == holder, leases.c.expires_at <= now)
            taken = insert.on_conflict_do_update(index_elements=["name"], set_=row, where=free)
            return bool(connection.execute(taken).rowcount)

    def renew(
        self, names: Iterable[str], holder: str, now: datetime | None = None, hold: timedelta = LEASE_FOR
    ) -> frozenset[str]:
        """Prolong our leases; the names among them that are still ours. One that somebody took stays theirs."""
        with writing(self._engine) as connection:
            now = now or database_now(connection)
            ours = leases.c.name.in_(list(names)) & (leases.c.holder == holder)
            connection.execute(update(leases).where(ours).values(expires_at=now + hold))
            return frozenset(connection.scalars(select(leases.c.name).where(ours)))

    def release(self, names: Iterable[str], holder: str) -> None:
        """Give our leases back at once; their rows stay, free for anybody."""
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        ours = leases.c.name.in_(list(names)) & (leases.c.holder == holder)
        with writing(self._engine) as connection:
            connection.execute(update(leases).where(ours).values(expires_at=epoch))

    def forget(self, names: Iterable[str]) -> None:
        """Forget names altogether, whoever holds them."""
        with writing(self._engine) as connection:
            connection.execute(delete(leases).where(leases.c.name.in_(list(names))))

    def all(self, now: datetime | None = None) -> list[Lease]:
        """Every name that was ever taken, by name."""
        with reading(self._engine) as connection:
            now = now or database_now(connection)
            rows = connection.execute(select(leases).order_by(leases.c.name))
            return [Lease(row.name, row.holder, row.expires_at > now) for row in rows]
