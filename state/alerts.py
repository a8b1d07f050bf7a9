"""Alerts in the state database: the open ones and their history."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Engine,
    Select,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal_column,
    not_,
    or_,
    select,
    update,
)

from core.alert import Alert, AlertEvent, AlertState, Severity
from core.device import DeviceStatus
from core.errors import ConflictError, NotFoundError
from sql.page import Page, fetch_page, given
from sql.records import from_row, to_row
from sql.transaction import insert_into, reading, writing
from state.notification_tables import alert_events
from state.tables import alerts, devices, is_open

ALERTS_AT_ONCE: Final = 500
_COLUMNS: Final = tuple(field.name for field in fields(Alert))
_OF_ACKNOWLEDGEMENT: Final = ("acknowledged_at", "acknowledged_by", "comment")
_NEW: Final = {name: bindparam(f"new_{name}", type_=alerts.c[name].type) for name in _COLUMNS}


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts; conditions narrow together, None means any."""

    state: AlertState | None = None
    severity: Severity | None = None
    municipality: str | None = None
    device_id: str | None = None
    rule: str | None = None
    since: datetime | None = None
    """The alert started then or later."""
    until: datetime | None = None
    """The alert started before then."""
    muted: bool | None = None
    """Whether the device is in maintenance."""


class Alerts:
    """Alerts; at most one per device and rule is open (pending, firing or acknowledged)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, alert_id: str) -> Alert:
        """The alert.

        Raises:
            NotFoundError: there is none with this id.
        """
        with reading(self._engine) as connection:
            row = connection.execute(select(alerts).where(alerts.c.alert_id == alert_id)).one_or_none()
        if row is None:
            raise _unknown(alert_id)
        return from_row(Alert, row)

    def page(self, alert_filter: AlertFilter, limit: int = 100, cursor: str | None = None) -> Page[Alert]:
        """Alerts, newest `started_at` first.

        Raises:
            InvalidInputError: wrong limit (1-1000) or cursor.
        """
        query = _narrowed(alert_filter)
        key = [alerts.c.started_at, alerts.c.alert_id]
        with reading(self._engine) as connection:
            rows = fetch_page(connection, query, key, limit=limit, cursor=cursor, newest_first=True)
        return Page([from_row(Alert, row) for row in rows.items], rows.next_cursor)

    def open_alerts(self) -> list[Alert]:
        """All that are pending, firing or acknowledged, by device and rule."""
        with reading(self._engine) as connection:
            query = select(alerts).where(is_open).order_by(alerts.c.device_id, alerts.c.rule)
            return [from_row(Alert, row) for row in connection.execute(query)]

    def during(
        self, rules: Collection[str], start: datetime, end: datetime, municipality: str | None = None
    ) -> list[Alert]:
        """Alerts of some rules that have fired and were open at some time between two instants, the oldest first."""
        query = select(alerts).where(
            alerts.c.rule.in_(rules),
            alerts.c.fired_at.is_not(None),
            alerts.c.started_at < end,
            or_(alerts.c.resolved_at.is_(None), alerts.c.resolved_at > start),
        )
        query = given(query, alerts, municipality=municipality).order_by(alerts.c.started_at, alerts.c.alert_id)
        with reading(self._engine) as connection:
            return [from_row(Alert, row) for row in connection.execute(query)]

    def save(self, many: Sequence[Alert]) -> None:
        """Insert or replace by id, all or none; safe to repeat.

        What an operator acknowledged stays acknowledged, with who and why, until it is saved as resolved. Where another
        alert of the same device and rule is open, that one stays and the one given is passed over. Of one id given
        several times the last counts.
        """
        if not many:
            return
        last_of_each = {alert.alert_id: alert for alert in many}.values()
        rows = [{f"new_{name}": value for name, value in to_row(alert).items()} for alert in last_of_each]
        with writing(self._engine) as connection:
            # First all changes, which may resolve what stands in the way, then what is new.
            connection.execute(_CHANGE, rows)
            connection.execute(insert_into(connection, alerts).values(_NEW).on_conflict_do_nothing(), rows)
            _note_events(connection, [alert.alert_id for alert in last_of_each])

    def history(self, alert_id: str) -> list[AlertEvent]:
        """What happened to an alert, in order of time: its states, and every acknowledgement.

        Raises:
            NotFoundError: there is no such alert.
        """
        self.get(alert_id)
        query = select(alert_events).where(alert_events.c.alert_id == alert_id)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(alert_events.c.at, alert_events.c.event_id))
            return [from_row(AlertEvent, row) for row in rows]

    def muted(self, alert_ids: Collection[str]) -> set[str]:
        """Those of these alerts whose device is in maintenance."""
        query = select(alerts.c.alert_id).where(alerts.c.alert_id.in_(sorted(alert_ids)), _IS_MUTED)
        with reading(self._engine) as connection:
            return set(connection.scalars(query))

    def acknowledge(self, alert_id: str, *, comment: str, by: str | None, at: datetime) -> Alert:
        """An operator has seen it; again: the later comment replaces the earlier. Returns the alert.

        Raises:
            NotFoundError: there is no such alert.
            ConflictError: it is resolved.
        """
        changes = {"state": AlertState.ACKNOWLEDGED, "acknowledged_at": at, "acknowledged_by": by, "comment": comment}
        here = alerts.c.alert_id == alert_id
        with writing(self._engine) as connection:
            changed = connection.execute(update(alerts).where(here).where(is_open).values(changes)).rowcount
            row = connection.execute(select(alerts).where(here)).one_or_none()
            if changed:
                event = {"alert_id": alert_id, "state": AlertState.ACKNOWLEDGED, "at": at, "by": by, "comment": comment}
                connection.execute(insert_into(connection, alert_events).values(event).on_conflict_do_nothing())
        if row is None:
            raise _unknown(alert_id)
        if not changed:
            raise ConflictError(f"alert {alert_id!r} is resolved already")
        return from_row(Alert, row)

    def count_open(self) -> dict[str, int]:
        """How many are open, per municipality that has any."""
        municipality = alerts.c.municipality
        with reading(self._engine) as connection:
            rows = connection.execute(select(municipality, func.count()).where(is_open).group_by(municipality)).all()
        return {slug: count for slug, count in rows}  # noqa: C416 - a row is no tuple to mypy


_IS_MUTED: Final = exists().where(
    devices.c.device_id == alerts.c.device_id, devices.c.status == DeviceStatus.MAINTENANCE
)


def _narrowed(wanted: AlertFilter) -> Select[Any]:
    equal = {name: getattr(wanted, name) for name in ("state", "severity", "municipality", "device_id", "rule")}
    query = given(select(alerts), alerts, **equal)
    if wanted.since is not None:
        query = query.where(alerts.c.started_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(alerts.c.started_at < wanted.until)
    if wanted.muted is not None:
        query = query.where(_IS_MUTED if wanted.muted else not_(_IS_MUTED))
    return query


def _note_events(connection: Connection, alert_ids: Sequence[str]) -> None:
    """Keep what these alerts, as they are kept now, say of their states; what is known already stays."""
    events: list[dict[str, Any]] = []
    for first in range(0, len(alert_ids), ALERTS_AT_ONCE):
        some = alerts.c.alert_id.in_(alert_ids[first : first + ALERTS_AT_ONCE])
        for row in connection.execute(select(alerts).where(some)):
            reached = {AlertState.FIRING: row.fired_at, AlertState.RESOLVED: row.resolved_at}
            if row.fired_at != row.started_at and (row.fired_at or row.state == AlertState.PENDING):
                reached = {AlertState.PENDING: row.started_at} | reached
            events += [
                {"alert_id": row.alert_id, "state": state, "at": at} for state, at in reached.items() if at is not None
            ]
    if events:
        connection.execute(insert_into(connection, alert_events).on_conflict_do_nothing(), events)


def _unknown(alert_id: str) -> NotFoundError:
    return NotFoundError(f"no alert {alert_id!r}")


def _change() -> Update:
    """UPDATE of a known alert, unless it would be the second open one of its device and rule."""
    other = alerts.alias("other")
    stands_in_the_way = exists().where(
        other.c.device_id == _NEW["device_id"],
        other.c.rule == _NEW["rule"],
        other.c.alert_id != _NEW["alert_id"],
        other.c.state != literal_column("'resolved'"),
    )
    resolves = _NEW["state"] == AlertState.RESOLVED
    acknowledged = alerts.c.state == AlertState.ACKNOWLEDGED
    changes: dict[str, Any] = {name: _NEW[name] for name in _COLUMNS if name != "alert_id"}
    changes["state"] = case((and_(acknowledged, not_(resolves)), alerts.c.state), else_=_NEW["state"])
    for name in _OF_ACKNOWLEDGEMENT:
        changes[name] = func.coalesce(_NEW[name], alerts.c[name])
    return (
        update(alerts)
        .where(alerts.c.alert_id == _NEW["alert_id"])
        .where(or_(resolves, not_(stands_in_the_way)))
        .values(changes)
    )


_CHANGE: Final = _change()
