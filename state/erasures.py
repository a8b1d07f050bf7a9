"""Whose readings were deleted on request, so that what waits on a spool does not bring them back."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine, delete, select

from sql.transaction import insert_into, reading, writing
from state.tables import erasures

KEPT_FOR: Final = timedelta(days=366)
"""No spool is older: then a device's name is forgotten here too."""


class Erasures:
    """When all readings of a device were last deleted on request."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def note(self, device_id: str, at: datetime) -> None:
        """From now on nothing is stored of the device that was received until `at`."""
        row = {"device_id": device_id, "erased_at": at}
        with writing(self._engine) as connection:
            connection.execute(delete(erasures).where(erasures.c.erased_at < at - KEPT_FOR))
            insert = insert_into(connection, erasures).values(row)
            connection.execute(insert.on_conflict_do_update(index_elements=["device_id"], set_=row))

    def all(self) -> dict[str, datetime]:
        """Instant by device id."""
        with reading(self._engine) as connection:
            return {row.device_id: row.erased_at for row in connection.execute(select(erasures))}
