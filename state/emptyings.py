"""Emptyings of bins in the state database: as they are seen, and as learning puts them right."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Engine, and_, delete, func, insert, or_, select

from core.pickup import Emptying
from sql.page import given
from sql.records import from_row, to_row
from sql.transaction import insert_into, reading, writing
from state.tables import emptyings


class SeenEmptying(NamedTuple):
    """A sensor saw that a bin was emptied; level 0-1 before."""

    device_id: str
    at: datetime
    level_before: float


class Emptyings:
    """When bins were emptied, by device and instant; `place_id` is known once their place was learned."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, device_id: str, municipality: str, at: datetime, level_before: float, level_after: float) -> None:
        """Keep that a bin was emptied (levels 0-1); the same device and instant again changes nothing."""
        row = {
            "device_id": device_id,
            "municipality": municipality,
            "at": at,
            "level_before": level_before,
            "level_after": level_after,
        }
        with writing(self._engine) as connection:
            connection.execute(insert_into(connection, emptyings).values(row).on_conflict_do_nothing())

    def replace(
        self,
        municipality: str,
        place: str,
        device_id: str,
        found: Iterable[Emptying],
        *,
        start: datetime,
        end: datetime,
    ) -> None:
        """Keep what is known of a device's emptyings within `start < at <= end` instead of what was kept before."""
        rows = {
            emptying.at: to_row(emptying) | {"device_id": device_id, "place_id": place, "municipality": municipality}
            for emptying in found
            if start < emptying.at <= end
        }
        here = and_(emptyings.c.device_id == device_id, emptyings.c.at > start, emptyings.c.at <= end)
        with writing(self._engine) as connection:
            connection.execute(delete(emptyings).where(here))
            if rows:
                connection.execute(insert(emptyings), list(rows.values()))

    def last(self, municipality: str | None = None) -> dict[str, datetime]:
        """When each bin was last emptied, as far as known."""
        query = select(emptyings.c.device_id, func.max(emptyings.c.at).label("last_at"))
        query = given(query, emptyings, municipality=municipality)
        with reading(self._engine) as connection:
            rows = connection.execute(query.group_by(emptyings.c.device_id)).all()
        return {row.device_id: row.last_at for row in rows}

    def seen(self, municipality: str, start: datetime, end: datetime) -> list[SeenEmptying]:
        """The emptyings of a municipality that sensors saw, `start <= at < end`, ascending; without partial ones."""
        query = select(emptyings.c.device_id, emptyings.c.at, emptyings.c.level_before)
        query = query.where(emptyings.c.municipality == municipality, emptyings.c.partial.is_(False))
        query = query.where(emptyings.c.level_before.is_not(None))  # None: only a driver's word, which the stop has
        query = query.where(emptyings.c.at >= start, emptyings.c.at < end)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(emptyings.c.at, emptyings.c.device_id)).all()
        return [SeenEmptying(row.device_id, row.at, row.level_before) for row in rows]

    def of_place(self, place: str, device_ids: Sequence[str], *, limit: int = 100) -> list[Emptying]:
        """The last emptyings of a place and of its devices, newest first, at most `limit`."""
        here = or_(emptyings.c.place_id == place, emptyings.c.device_id.in_(device_ids))
        query = select(emptyings).where(here).order_by(emptyings.c.at.desc()).limit(limit)
        with reading(self._engine) as connection:
            return [from_row(Emptying, row) for row in connection.execute(query)]
