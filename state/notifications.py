"""Subscriptions and the outbox of notifications in the state database."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, time
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, delete, func, select, update

from core.alert import AlertState, Severity
from core.device import DeviceStatus
from core.errors import ConflictError, NotFoundError
from core.notification import MAX_ERROR, DeliveryCounts, Notification, Subscription
from sql.records import from_row, to_row
from sql.transaction import insert_into, reading, writing
from state.notification_tables import alert_events, is_new, is_waiting, notification_subscriptions, notifications
from state.tables import alerts, devices

EVENTS_AT_ONCE: Final = 500
WAITING_AT_ONCE: Final = 1000
MAX_SUBSCRIPTIONS: Final = 1000
_TOLD: Final = (AlertState.FIRING, AlertState.RESOLVED)
_SEVERITIES: Final = list(Severity)
_QUIET: Final = ("quiet_from", "quiet_until")


class Notifications:
    """Every event of an alert is queued once for each subscription that wants it, and stays until it was told."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def subscriptions(self) -> list[Subscription]:
        """All, by name and id."""
        table = notification_subscriptions
        with reading(self._engine) as connection:
            rows = connection.execute(select(table).order_by(table.c.name, table.c.subscription_id))
            return [_subscription(row) for row in rows]

    def subscription(self, subscription_id: str) -> Subscription:
        """One of them.

        Raises:
            NotFoundError: there is none with this id.
        """
        table = notification_subscriptions
        with reading(self._engine) as connection:
            row = connection.execute(select(table).where(table.c.subscription_id == subscription_id)).one_or_none()
        if row is None:
            raise _unknown(subscription_id)
        return _subscription(row)

    def add(self, subscription: Subscription) -> None:
        """Keep a new one.

        Raises:
            ConflictError: there are too many.
        """
        table = notification_subscriptions
        with writing(self._engine) as connection:
            if connection.execute(select(func.count()).select_from(table)).scalar_one() >= MAX_SUBSCRIPTIONS:
                raise ConflictError(f"there are {MAX_SUBSCRIPTIONS} subscriptions already")
            connection.execute(table.insert().values(_row(subscription)))

    def change(self, subscription_id: str, merge: Callable[[Subscription], Subscription]) -> Subscription:
        """Make one what `merge` makes of it as it is kept; what waits for it goes to its new target.

        Nobody else changes it in between.

        Raises:
            NotFoundError: there is none with this id.
        """
        table = notification_subscriptions
        here = table.c.subscription_id == subscription_id
        with writing(self._engine) as connection:
            row = connection.execute(select(table).where(here).with_for_update()).one_or_none()
            if row is None:
                raise _unknown(subscription_id)
            changed = merge(_subscription(row))
            connection.execute(update(table).where(here).values(_row(changed)))
        return changed

    def reseal(self, subscription_id: str, old: str, new: str) -> None:
        """Keep a target in another form; one that was changed meanwhile stays."""
        table = notification_subscriptions
        same = (table.c.subscription_id == subscription_id, table.c.target == old)
        with writing(self._engine) as connection:
            connection.execute(update(table).where(*same).values(target=new))

    def delete(self, subscription_id: str) -> None:
        """Forget one, with all that waits for it.

        Raises:
            NotFoundError: there is none with this id.
        """
        table = notification_subscriptions
        with writing(self._engine) as connection:
            if connection.execute(delete(table).where(table.c.subscription_id == subscription_id)).rowcount == 0:
                raise _unknown(subscription_id)

    def queue(self, now: datetime) -> int:
        """Queue what happened to alerts since the last call; how many events there were, at most EVENTS_AT_ONCE.

        Nobody is told of devices in maintenance, nor of the end of an alert of whose begin they were not told.
        """
        with writing(self._engine) as connection:
            events = connection.execute(
                select(alert_events.c.event_id, alert_events.c.state, alert_events.c.at, *_OF_ALERT, devices.c.status)
                .join(alerts, alerts.c.alert_id == alert_events.c.alert_id)
                .outerjoin(devices, devices.c.device_id == alerts.c.device_id)
                .where(is_new)
                .order_by(alert_events.c.event_id)
                .limit(EVENTS_AT_ONCE)
            ).all()
            if not events:
                return 0
            told = [event for event in events if event.state in _TOLD and event.status != DeviceStatus.MAINTENANCE]
            rows = _wanted(connection, told, now)
            if rows:
                connection.execute(insert_into(connection, notifications).on_conflict_do_nothing(), rows)
            ids = [event.event_id for event in events]
            connection.execute(update(alert_events).where(alert_events.c.event_id.in_(ids)).values(queued_at=now))
        return len(events)

    def waiting(self) -> list[Notification]:
        """What is to be told, by subscription and in order; of each enabled one at most WAITING_AT_ONCE."""
        table, own = notification_subscriptions, notifications.c.subscription_id
        place = func.row_number().over(partition_by=own, order_by=notifications.c.notification_id).label("place")
        found = (
            select(notifications, place)
            .join(table, table.c.subscription_id == own)
            .where(is_waiting, table.c.enabled)
            .subquery()
        )
        query = select(found).where(found.c.place <= WAITING_AT_ONCE)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(found.c.subscription_id, found.c.notification_id))
            return [from_row(Notification, row, interrupted=row.sending) for row in rows]

    def begin(self, many: Sequence[Notification], next_at: datetime) -> bool:
        """Note, before it is made, that an attempt is made; False: another process was faster, so do not make it.

        Whoever dies during the attempt leaves it to be made again from `next_at` on.
        """
        try:
            with writing(self._engine) as connection:
                for each in many:
                    still = (
                        notifications.c.notification_id == each.notification_id,
                        notifications.c.attempts == each.attempts,
                        is_waiting,
                    )
                    values = {"attempts": each.attempts + 1, "next_at": next_at, "sending": True}
                    if connection.execute(update(notifications).where(*still).values(values)).rowcount == 0:
                        raise _TakenError
        except _TakenError:
            return False
        return True

    def sent(self, ids: Collection[int], at: datetime) -> None:
        """They were told."""
        self._change(ids, {"sending": False, "done_at": at, "error": None})

    def not_sent(self, ids: Collection[int], error: str, given_up_at: datetime | None = None) -> None:
        """The attempt failed; they are tried again unless they are given up."""
        self._change(ids, {"sending": False, "done_at": given_up_at, "error": error[:MAX_ERROR]})

    def _change(self, ids: Collection[int], values: Mapping[str, object]) -> None:
        with writing(self._engine) as connection:
            some = notifications.c.notification_id.in_(sorted(ids))
            connection.execute(update(notifications).where(some).values(values))

    def counts(self) -> dict[str, DeliveryCounts]:
        """How they fare, by subscription that has any."""
        done, error = notifications.c.done_at, notifications.c.error
        query = select(
            notifications.c.subscription_id,
            func.count().filter(done.is_(None)),
            func.count().filter(done.is_not(None), error.is_not(None)),
            func.max(done).filter(error.is_(None)),
        ).group_by(notifications.c.subscription_id)
        newest = select(func.max(notifications.c.notification_id)).where(error.is_not(None))
        errors = select(notifications.c.subscription_id, error).where(
            notifications.c.notification_id.in_(newest.group_by(notifications.c.subscription_id))
        )
        with reading(self._engine) as connection:
            last_error = {row[0]: row[1] for row in connection.execute(errors)}
            return {
                of: DeliveryCounts(waiting, failed, sent_at, last_error.get(of))
                for of, waiting, failed, sent_at in connection.execute(query)
            }

    def prune(self, before: datetime) -> int:
        """Forget what was done before an instant; how many went."""
        with writing(self._engine) as connection:
            return connection.execute(delete(notifications).where(notifications.c.done_at < before)).rowcount


class _TakenError(Exception):
    """Another process makes the attempt: nothing of ours is kept."""


_OF_ALERT: Final = (
    alerts.c.alert_id,
    alerts.c.municipality,
    alerts.c.severity,
    alerts.c.summary,
    alerts.c.summary_de,
)


def _wanted(connection: Connection, events: Sequence[Any], now: datetime) -> list[dict[str, Any]]:
    """A row of the outbox for each event and subscription that wants it."""
    everybody = [
        _subscription(row)
        for row in connection.execute(select(notification_subscriptions).where(notification_subscriptions.c.enabled))
    ]
    ids = {event.alert_id for event in events if event.state == AlertState.RESOLVED}
    told = {
        (row.subscription_id, row.alert_id)
        for row in connection.execute(
            select(notifications.c.subscription_id, notifications.c.alert_id).where(
                notifications.c.alert_id.in_(sorted(ids)), notifications.c.state == AlertState.FIRING
            )
        )
    }
    rows: list[dict[str, Any]] = []
    for event in events:
        for each in everybody:
            if event.state == AlertState.RESOLVED:
                if not each.resolved or (each.subscription_id, event.alert_id) not in told:
                    continue
            elif not _concerns(each, event):
                continue
            else:
                told.add((each.subscription_id, event.alert_id))
            row = {name: getattr(event, name) for name in ("event_id", "state", "at", *(c.name for c in _OF_ALERT))}
            rows.append(
                row
                | {
                    "subscription_id": each.subscription_id,
                    "queued_at": now,
                    "next_at": now,
                    "attempts": 0,
                    "sending": False,
                }
            )
    return rows


def _concerns(subscription: Subscription, event: Any) -> bool:
    severe = _SEVERITIES.index(event.severity) >= _SEVERITIES.index(subscription.min_severity)
    return severe and subscription.municipality in (None, event.municipality)


def _unknown(subscription_id: str) -> NotFoundError:
    return NotFoundError(f"no subscription {subscription_id!r}")


def _row(subscription: Subscription) -> dict[str, Any]:
    quiet = {name: getattr(subscription, name) for name in _QUIET}
    return to_row(subscription) | {name: None if at is None else at.isoformat("minutes") for name, at in quiet.items()}


def _subscription(row: Row[Any]) -> Subscription:
    quiet = {name: getattr(row, name) for name in _QUIET}
    kept = {name: None if at is None else time.fromisoformat(at) for name, at in quiet.items()}
    return from_row(Subscription, row, **kept)
