"""The registry's revision: one counter that tells programs when to reload devices, municipalities and rules."""

from sqlalchemy import Connection, select, update

from state.tables import revision


def bump_revision(connection: Connection) -> None:
    """Count a change in the transaction that makes it, so that who sees the number sees the change."""
    connection.execute(update(revision).values(value=revision.c.value + 1))


def read_revision(connection: Connection) -> int:
    """The number of changes so far; only ever grows."""
    return int(connection.execute(select(revision.c.value)).scalar_one())
