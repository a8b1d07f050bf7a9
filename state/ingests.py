"""Ingests: which session at the broker runs the lights and rules of whom; a row outlives its ingest."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Engine, delete, select

from sql.transaction import put_rows, reading, writing
from state.revision import bump_revision
from state.tables import ingests


@dataclass(frozen=True, slots=True)
class IngestRow:
    """One ingest by the name of its session.

    `municipalities` None: all that are on no other ingest's list. `subscribed`: whose devices the session may hear at
    the broker, more than are on the list while one of them moves to another ingest.
    """

    session: str
    municipalities: frozenset[str] | None
    subscribed: frozenset[str] = frozenset()


class Ingests:
    """Who runs the lights and rules of whom. A change counts as one of the registry: all ingests see it at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self) -> list[IngestRow]:
        """Every ingest that has ever run and was not drained, by session."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(ingests).order_by(ingests.c.session))
            return [
                IngestRow(
                    row.session,
                    None if row.municipalities is None else frozenset(row.municipalities),
                    frozenset(row.subscribed),
                )
                for row in rows
            ]

    def put(self, ingest: IngestRow) -> None:
        """Keep the ingest of a session, in place of what was known of it."""
        row = {
            "session": ingest.session,
            "municipalities": _names(ingest.municipalities),
            "subscribed": _names(ingest.subscribed),
        }
        with writing(self._engine) as connection:
            put_rows(connection, ingests, [row])
            bump_revision(connection)

    def remove(self, session: str) -> None:
        """Forget the ingest of a session: its municipalities are on no list any more."""
        with writing(self._engine) as connection:
            connection.execute(delete(ingests).where(ingests.c.session == session))
            bump_revision(connection)


def _names(names: Collection[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)
