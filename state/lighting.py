"""The lighting plan in the state database: groups of lamps, municipalities' profiles, event nights."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, Row, Table, delete, func, select, update

from core.errors import ConflictError, NotFoundError
from core.lighting import EventNights, LightGroup
from sql.page import Page, fetch_page, given
from sql.records import from_row, to_row
from sql.transaction import insert_into, put_rows, reading, writing
from state.lighting_tables import event_nights, light_groups, lighting_profiles
from state.revision import bump_revision

MAX_PER_MUNICIPALITY: Final = 1000
"""Groups, profiles and events each."""


class Lighting:
    """What municipalities say about their light; every change grows the registry's revision."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def groups(self) -> list[LightGroup]:
        """Every group, by id."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(light_groups).order_by(light_groups.c.light_group_id)).all()
        return [_group(row) for row in rows]

    def page_groups(self, municipality: str | None, limit: int = 100, cursor: str | None = None) -> Page[LightGroup]:
        """Groups by id.

        Raises:
            InvalidInputError: wrong limit (1-1000) or cursor.
        """
        query = given(select(light_groups), light_groups, municipality=municipality)
        with reading(self._engine) as connection:
            page = fetch_page(connection, query, [light_groups.c.light_group_id], limit=limit, cursor=cursor)
        return Page([_group(row) for row in page.items], page.next_cursor)

    def group(self, light_group_id: str) -> LightGroup:
        """The group.

        Raises:
            NotFoundError: there is none with this id.
        """
        here = light_groups.c.light_group_id == light_group_id
        with reading(self._engine) as connection:
            row = connection.execute(select(light_groups).where(here)).one_or_none()
        if row is None:
            raise _no_group(light_group_id)
        return _group(row)

    def add_group(self, group: LightGroup) -> None:
        """Keep a new group.

        Raises:
            ConflictError: the id exists, or the municipality has 1000 groups.
        """
        with writing(self._engine) as connection:
            _check_room(connection, light_groups, group.municipality, light_groups.c.municipality == group.municipality)
            insert = insert_into(connection, light_groups).values(_group_row(group)).on_conflict_do_nothing()
            if connection.execute(insert).rowcount == 0:
                raise ConflictError(f"light group {group.light_group_id!r} exists already")
            bump_revision(connection)

    def put_group(self, group: LightGroup) -> None:
        """Replace a group as a whole.

        Raises:
            NotFoundError: there is none with its id.
        """
        here = light_groups.c.light_group_id == group.light_group_id
        with writing(self._engine) as connection:
            if connection.execute(update(light_groups).where(here).values(_group_row(group))).rowcount == 0:
                raise _no_group(group.light_group_id)
            bump_revision(connection)

    def delete_group(self, light_group_id: str) -> None:
        """Forget a group; its lamps follow what is more general.

        Raises:
            NotFoundError: there is none with this id.
        """
        here = light_groups.c.light_group_id == light_group_id
        with writing(self._engine) as connection:
            if connection.execute(delete(light_groups).where(here)).rowcount == 0:
                raise _no_group(light_group_id)
            bump_revision(connection)

    def profiles(self) -> dict[tuple[str, str], dict[str, object]]:
        """Profiles as the API took them, by municipality and name."""
        query = select(lighting_profiles).order_by(lighting_profiles.c.municipality, lighting_profiles.c.name)
        with reading(self._engine) as connection:
            return {(row.municipality, row.name): row.profile for row in connection.execute(query)}

    def put_profile(self, municipality: str, name: str, profile: Mapping[str, object]) -> None:
        """Set or replace a profile; values are what JSON can hold.

        Raises:
            ConflictError: the municipality has 1000 profiles.
        """
        row = {"municipality": municipality, "name": name, "profile": dict(profile)}
        self._put(lighting_profiles, row)

    def delete_profile(self, municipality: str, name: str) -> None:
        """Forget a profile; lamps that follow it follow what is more general.

        Raises:
            NotFoundError: the municipality has none of this name.
        """
        self._delete(lighting_profiles, municipality, name, "lighting profile")

    def events(self) -> list[EventNights]:
        """Every event, by municipality and first night."""
        order = (event_nights.c.municipality, event_nights.c.first, event_nights.c.name)
        with reading(self._engine) as connection:
            rows = connection.execute(select(event_nights).order_by(*order)).all()
        return [from_row(EventNights, row) for row in rows]

    def put_event(self, event: EventNights) -> None:
        """Set or replace an event.

        Raises:
            ConflictError: the municipality has 1000 events.
        """
        self._put(event_nights, to_row(event))

    def delete_event(self, municipality: str, name: str) -> None:
        """Forget an event.

        Raises:
            NotFoundError: the municipality has none of this name.
        """
        self._delete(event_nights, municipality, name, "event")

    def _put(self, table: Table, row: Mapping[str, object]) -> None:
        with writing(self._engine) as connection:
            others = (table.c.municipality == row["municipality"]) & (table.c.name != row["name"])
            _check_room(connection, table, str(row["municipality"]), others)
            put_rows(connection, table, [row])
            bump_revision(connection)

    def _delete(self, table: Table, municipality: str, name: str, what: str) -> None:
        here = (table.c.municipality == municipality) & (table.c.name == name)
        with writing(self._engine) as connection:
            if connection.execute(delete(table).where(here)).rowcount == 0:
                raise NotFoundError(f"no {what} {name!r} in municipality {municipality!r}")
            bump_revision(connection)


def _check_room(connection: Connection, table: Table, municipality: str, others: ColumnElement[bool]) -> None:
    if connection.execute(select(func.count()).select_from(table).where(others)).scalar_one() >= MAX_PER_MUNICIPALITY:
        raise ConflictError(f"municipality {municipality!r} has {MAX_PER_MUNICIPALITY} rows of {table.name} already")


def _no_group(light_group_id: str) -> NotFoundError:
    return NotFoundError(f"no light group {light_group_id!r}")


def _group_row(group: LightGroup) -> dict[str, object]:
    return to_row(group) | {"device_ids": sorted(group.device_ids)}


def _group(row: Row[Any]) -> LightGroup:
    return from_row(LightGroup, row, device_ids=frozenset(row.device_ids))
