"""Places in the state database: what was learned of how they fill."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, delete, func, insert, select

from core.pickup import StopState
from sql.page import given
from sql.transaction import reading, writing
from state.tables import devices, place_models, stops


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModels:
    """Models of municipalities as JSON: by place, and by municipality and kind."""

    places: Mapping[str, Mapping[str, Any]]
    kinds: Mapping[tuple[str, str], Mapping[str, Any]]


class Places:
    """Models of places, and what drivers confirmed there."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def replace_models(
        self,
        municipality: str,
        learned_at: datetime,
        *,
        places: Mapping[str, Mapping[str, Any]],
        kinds: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Keep what was learned of a municipality's places and kinds of places instead of all before."""
        rows = [
            {
                "municipality": municipality,
                "is_kind": is_kind,
                "name": name,
                "learned_at": learned_at,
                "model": dict(model),
            }
            for is_kind, models in ((False, places), (True, kinds))
            for name, model in models.items()
        ]
        with writing(self._engine) as connection:
            connection.execute(delete(place_models).where(place_models.c.municipality == municipality))
            if rows:
                connection.execute(insert(place_models), rows)

    def models(self, municipality: str | None = None) -> StoredModels:
        """What was learned, of one municipality or of all."""
        query = given(select(place_models), place_models, municipality=municipality)
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return StoredModels(
            places={row.name: row.model for row in rows if not row.is_kind},
            kinds={(row.municipality, row.name): row.model for row in rows if row.is_kind},
        )

    def learned_at(self) -> dict[str, datetime]:
        """When each municipality was last learned."""
        query = select(place_models.c.municipality, func.max(place_models.c.learned_at).label("learned_at"))
        with reading(self._engine) as connection:
            rows = connection.execute(query.group_by(place_models.c.municipality)).all()
        return {row.municipality: row.learned_at for row in rows}

    def confirmed(self, municipality: str, start: datetime, end: datetime) -> dict[str, list[datetime]]:
        """When drivers confirmed stops at the municipality's bins, `start <= instant <= end`, by device."""
        of_municipality = select(devices.c.device_id).where(devices.c.municipality == municipality)
        query = select(stops.c.device_id, stops.c.done_at).distinct()
        query = query.where(stops.c.state == StopState.DONE, stops.c.done_at.between(start, end))
        found: dict[str, list[datetime]] = {}
        with reading(self._engine) as connection:
            for row in connection.execute(query.where(stops.c.device_id.in_(of_municipality))):
                found.setdefault(row.device_id, []).append(row.done_at)
        return found
