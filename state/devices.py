"""Devices in the state database: the registry."""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine, Select, bindparam, delete, func, or_, select, update

from core.clock import utc_now
from core.device import Connection, Device, DeviceStatus
from core.errors import ConflictError, InvalidInputError, NotFoundError
from sql.columns import Instant
from sql.page import Page, fetch_page, given
from sql.records import from_row, to_row
from sql.sqlite_rows import bound, run_many
from sql.transaction import insert_into, put_rows, reading, writing
from state.revision import bump_revision, read_revision
from state.tables import devices

_KEPT_ON_REPLACE: Final = ("device_id", "connection", "last_seen_at", "created_at")
_MAX_SEARCH_CHARACTERS: Final = 1000


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """Which devices; conditions narrow together, None means any.

    `bbox` is west, south, east, north in degrees (west > east: across the antimeridian); `q` is a part of id, name or
    street in any case.
    """

    municipality: str | None = None
    device_type: str | None = None
    status: DeviceStatus | None = None
    bbox: tuple[float, float, float, float] | None = None
    q: str | None = None


_EVERY_DEVICE: Final = DeviceFilter()

_SEEN: Final = (
    "UPDATE devices SET last_seen_at = seen.column2 FROM (VALUES {rows}) AS seen "
    "WHERE devices.device_id = seen.column1 AND (devices.last_seen_at IS NULL OR devices.last_seen_at < seen.column2)"
)


class Devices:
    """The registry of devices; changes that programs must know of grow the revision, what devices say does not."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, device_id: str) -> Device:
        """The device.

        Raises:
            NotFoundError: there is none with this id.
        """
        device = self.find(device_id)
        if device is None:
            raise _unknown(device_id)
        return device

    def find(self, device_id: str) -> Device | None:
        """The device, or None."""
        with reading(self._engine) as connection:
            row = connection.execute(_of_id(device_id)).one_or_none()
        return None if row is None else from_row(Device, row)

    def page(self, device_filter: DeviceFilter, limit: int = 100, cursor: str | None = None) -> Page[Device]:
        """Devices by id.

        Raises:
            InvalidInputError: wrong limit (1-1000), cursor or filter.
        """
        query = _narrowed(select(devices), device_filter)
        with reading(self._engine) as connection:
            rows = fetch_page(connection, query, [devices.c.device_id], limit=limit, cursor=cursor)
        return Page([from_row(Device, row) for row in rows.items], rows.next_cursor)

    def all(self, device_filter: DeviceFilter = _EVERY_DEVICE) -> list[Device]:
        """Every device that passes, by id."""
        query = _narrowed(select(devices), device_filter).order_by(devices.c.device_id)
        with reading(self._engine) as connection:
            return [from_row(Device, row) for row in connection.execute(query)]

    def positions(self, device_type: str) -> list[tuple[str, float, float]]:
        """Municipality, latitude and longitude of each device of a type that has a position."""
        query = select(devices.c.municipality, devices.c.latitude, devices.c.longitude)
        query = query.where(devices.c.device_type == device_type, devices.c.latitude.is_not(None))
        with reading(self._engine) as connection:
            return [(row.municipality, row.latitude, row.longitude) for row in connection.execute(query)]

    def add(self, device: Device) -> Device:
        """Register a device; returns it as kept (`created_at` is now unless given).

        Raises:
            ConflictError: the id exists.
        """
        with writing(self._engine) as connection:
            insert = insert_into(connection, devices).values(_row(_created(device))).on_conflict_do_nothing()
            if connection.execute(insert).rowcount == 0:
                raise ConflictError(f"device {device.device_id!r} exists already")
            bump_revision(connection)
            return from_row(Device, connection.execute(_of_id(device.device_id)).one())

    def put_many(self, many: Sequence[Device]) -> None:
        """Insert or replace all, or none; `last_seen_at`, `connection` and `created_at` of existing ones stay."""
        if not many:
            return
        rows = sorted((_row(_created(device)) for device in many), key=_by_id)  # one order for all: no deadlocks
        with writing(self._engine) as connection:
            put_rows(connection, devices, rows, kept=_KEPT_ON_REPLACE)
            bump_revision(connection)

    def change(self, device_id: str, merge: Callable[[Device], Device]) -> Device:
        """Make a device what `merge` makes of it as it is kept; nobody else changes it in between.

        Its id and what it says of itself stay. Returns the device as it is then; where `merge` raises, nothing changes.

        Raises:
            NotFoundError: there is no such device.
        """
        with writing(self._engine) as connection:
            row = connection.execute(_of_id(device_id).with_for_update()).one_or_none()
            if row is None:
                raise _unknown(device_id)
            merged = _row(merge(from_row(Device, row)))
            changed = {name: value for name, value in merged.items() if name not in _KEPT_ON_REPLACE}
            connection.execute(update(devices).where(devices.c.device_id == device_id).values(changed))
            bump_revision(connection)
            return from_row(Device, connection.execute(_of_id(device_id)).one())

    def delete(self, device_id: str) -> None:
        """Forget a device; its alerts, commands and plans stay as history.

        Raises:
            NotFoundError: there is no such device.
        """
        with writing(self._engine) as connection:
            if connection.execute(delete(devices).where(devices.c.device_id == device_id)).rowcount == 0:
                raise _unknown(device_id)
            bump_revision(connection)

    def discover(self, device: Device, max_discovered: int) -> Device | None:
        """Register a device that spoke, as given, if its id is unknown; gives it as it is known now (or was before).

        None: its status is DISCOVERED and `max_discovered` such devices are listed already.
        """
        with reading(self._engine) as connection:  # a flood of unknown ids must not take the write lock
            if row := connection.execute(_of_id(device.device_id)).one_or_none():
                return from_row(Device, row)
            if device.status is DeviceStatus.DISCOVERED:
                discovered = select(func.count()).where(devices.c.status == DeviceStatus.DISCOVERED)
                if connection.execute(discovered).scalar_one() >= max_discovered:
                    return None
        with writing(self._engine) as connection:
            insert = insert_into(connection, devices).values(_row(_created(device))).on_conflict_do_nothing()
            if connection.execute(insert).rowcount:
                bump_revision(connection)
            return from_row(Device, connection.execute(_of_id(device.device_id)).one())

    def seen(self, last_seen: Mapping[str, datetime]) -> None:
        """Note when devices were last heard of; never moves back; unknown ids are passed over."""
        if not last_seen:
            return
        rows = sorted(last_seen.items())
        seen_at = bindparam("seen_at", type_=Instant())
        with writing(self._engine) as connection:
            if connection.dialect.name == "sqlite":
                columns = (devices.c.device_id, devices.c.last_seen_at)
                run_many(connection, _SEEN, bound(connection, columns, rows))
                return
            statement = (
                update(devices)
                .where(devices.c.device_id == bindparam("id"))
                .where(or_(devices.c.last_seen_at.is_(None), devices.c.last_seen_at < seen_at))
                .values(last_seen_at=seen_at)
            )
            connection.execute(statement, [{"id": each, "seen_at": at} for each, at in rows])

    def connected(self, connections: Mapping[str, Connection]) -> None:
        """Note what devices' status messages said; unknown ids are passed over."""
        if not connections:
            return
        statement = update(devices).where(devices.c.device_id == bindparam("id")).values(connection=bindparam("said"))
        with writing(self._engine) as connection:
            connection.execute(statement, [{"id": each, "said": said} for each, said in sorted(connections.items())])

    def count_by_status(self) -> dict[tuple[str, str, DeviceStatus], int]:
        """How many devices per municipality, device type and status."""
        keys = (devices.c.municipality, devices.c.device_type, devices.c.status)
        with reading(self._engine) as connection:
            rows = connection.execute(select(*keys, func.count()).group_by(*keys)).all()
        return {(municipality, kind, status): count for municipality, kind, status, count in rows}

    def revision(self) -> int:
        """A number that grows with every change of devices, municipalities and rule overrides."""
        with reading(self._engine) as connection:
            return read_revision(connection)


def _of_id(device_id: str) -> Select[Any]:
    return select(devices).where(devices.c.device_id == device_id)


def _unknown(device_id: str) -> NotFoundError:
    return NotFoundError(f"no device {device_id!r}")


def _created(device: Device) -> Device:
    return device if device.created_at else replace(device, created_at=utc_now())


def _by_id(row: Mapping[str, Any]) -> str:
    return str(row["device_id"])


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _narrowed(query: Select[Any], wanted: DeviceFilter) -> Select[Any]:
    equal = {name: getattr(wanted, name) for name in ("municipality", "device_type", "status")}
    query = given(query, devices, **equal)
    if wanted.bbox is not None:
        west, south, east, north = wanted.bbox
        after_west, before_east = devices.c.longitude >= west, devices.c.longitude <= east
        query = query.where(devices.c.latitude.between(south, north))
        query = query.where(after_west & before_east if west <= east else after_west | before_east)
    if wanted.q is not None:
        needle = _folded(wanted.q)
        if len(needle) > _MAX_SEARCH_CHARACTERS:
            raise InvalidInputError(f"q: at most {_MAX_SEARCH_CHARACTERS} characters")
        query = query.where(devices.c.search_text.contains(needle, autoescape=True))
    return query


def _row(device: Device) -> dict[str, Any]:
    searched = _folded("\n".join((device.device_id, device.name, device.street or "")))
    return to_row(device) | {"attributes": dict(device.attributes), "search_text": searched}
