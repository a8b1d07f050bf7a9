"""Municipalities in the state database."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final, TypeVar

from sqlalchemy import Engine, Row, Select, select, update

from core.device import DisposalSite, Municipality, Place, Vehicle
from core.errors import NotFoundError
from sql.records import from_row
from sql.transaction import insert_into, put_rows, reading, writing
from state.revision import bump_revision
from state.tables import municipalities

_WithKinds = TypeVar("_WithKinds", DisposalSite, Vehicle)


class Municipalities:
    """The tenants; every change grows the registry's revision."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self) -> list[Municipality]:
        """Every municipality, by slug."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(municipalities).order_by(municipalities.c.municipality)).all()
        return [_municipality(row) for row in rows]

    def get(self, slug: str) -> Municipality:
        """The municipality.

        Raises:
            NotFoundError: there is none with this slug.
        """
        municipality = self.find(slug)
        if municipality is None:
            raise _unknown(slug)
        return municipality

    def find(self, slug: str) -> Municipality | None:
        """The municipality, or None."""
        with reading(self._engine) as connection:
            row = connection.execute(_of_slug(slug)).one_or_none()
        return None if row is None else _municipality(row)

    def put(self, municipality: Municipality) -> None:
        """Insert or replace."""
        self.put_many([municipality])

    def put_many(self, many: Sequence[Municipality]) -> None:
        """Insert or replace all, or none."""
        if not many:
            return
        rows = sorted((_row(each) for each in many), key=lambda row: str(row["municipality"]))
        with writing(self._engine) as connection:
            put_rows(connection, municipalities, rows)
            bump_revision(connection)

    def change(self, slug: str, merge: Callable[[Municipality], Municipality]) -> Municipality:
        """Make a municipality what `merge` makes of it as it is kept; nobody else changes it in between.

        Raises:
            NotFoundError: there is none with this slug.
        """
        with writing(self._engine) as connection:
            row = connection.execute(_of_slug(slug).with_for_update()).one_or_none()
            if row is None:
                raise _unknown(slug)
            changed = merge(_municipality(row))
            connection.execute(
                update(municipalities).where(municipalities.c.municipality == slug).values(_row(changed))
            )
            bump_revision(connection)
        return changed

    def ensure(self, slug: str) -> None:
        """Make the municipality with its slug as name and everything else by default, unless it is known."""
        if self.find(slug) is not None:
            return
        row = _row(Municipality(municipality=slug, name=slug))
        with writing(self._engine) as connection:
            insert = insert_into(connection, municipalities).values(row).on_conflict_do_nothing()
            if connection.execute(insert).rowcount:
                bump_revision(connection)


def _of_slug(slug: str) -> Select[Any]:
    return select(municipalities).where(municipalities.c.municipality == slug)


def _unknown(slug: str) -> NotFoundError:
    return NotFoundError(f"no municipality {slug!r}")


_PLANNING: Final = (
    "collection_days",
    "collects_on_holidays",
    "required_probability",
    "required_level",
    "least_level",
    "overflow_cost",
    "replanning_hours",
    "planned_with",
)


def _row(municipality: Municipality) -> dict[str, Any]:
    row = asdict(municipality)
    return row | {"planning": {name: row.pop(name) for name in _PLANNING}}


def _municipality(row: Row[Any]) -> Municipality:
    kept: dict[str, Any] = row.planning or {}
    planning: dict[str, Any] = {name: tuple(each) if isinstance(each, list) else each for name, each in kept.items()}
    return from_row(
        Municipality,
        row,
        depot=Place(**row.depot) if row.depot else None,
        disposal_sites=tuple(_with_kinds(DisposalSite, site) for site in row.disposal_sites or ()),
        vehicles=tuple(_with_kinds(Vehicle, vehicle) for vehicle in row.vehicles),
        **planning,
    )


def _with_kinds(kind: type[_WithKinds], raw: dict[str, Any]) -> _WithKinds:
    return kind(**(raw | {"waste_kinds": tuple(raw.get("waste_kinds", ()))}))
