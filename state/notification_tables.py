"""Tables of what happened to alerts, and of who is told (SQLAlchemy metadata)."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table

from core.alert import AlertState, Severity
from core.notification import Language
from sql.columns import Choice, Instant, Text, only_where
from sql.metadata import COUNTED, metadata

alert_events: Final = Table(
    "alert_events",
    metadata,
    Column("event_id", COUNTED, primary_key=True),
    Column("alert_id", Text, nullable=False),
    Column("state", Choice(AlertState), nullable=False),
    Column("at", Instant, nullable=False),
    Column("by", Text),
    Column("comment", Text),
    Column("queued_at", Instant, comment="when the notifications about it were queued"),
    Index("ux_alert_events", "alert_id", "state", "at", unique=True),
    comment="what happened to alerts",
)
is_new: Final = alert_events.c.queued_at.is_(None)
Index("ix_alert_events_new", alert_events.c.event_id, **only_where(is_new))

notification_subscriptions: Final = Table(
    "notification_subscriptions",
    metadata,
    Column("subscription_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("target", Text, nullable=False, comment="a secret"),
    Column("municipality", Text),
    Column("min_severity", Choice(Severity), nullable=False),
    Column("language", Choice(Language), nullable=False),
    Column("quiet_from", Text, comment="local time, HH:MM"),
    Column("quiet_until", Text),
    Column("group_s", Integer, nullable=False),
    Column("resolved", Boolean, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
)

notifications: Final = Table(
    "notifications",
    metadata,
    Column("notification_id", COUNTED, primary_key=True),
    Column(
        "subscription_id",
        Text,
        ForeignKey("notification_subscriptions.subscription_id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("event_id", BigInteger, nullable=False),
    Column("alert_id", Text, nullable=False),
    Column("municipality", Text, nullable=False),
    Column("severity", Choice(Severity), nullable=False),
    Column("state", Choice(AlertState), nullable=False),
    Column("summary", Text, nullable=False),
    Column("summary_de", Text),
    Column("at", Instant, nullable=False),
    Column("queued_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Instant, nullable=False, comment="not tried before"),
    Column("sending", Boolean, nullable=False, comment="an attempt was begun and has not ended"),
    Column("done_at", Instant, comment="sent, or given up"),
    Column("error", Text, comment="why the last attempt failed; of one that is done: given up"),
    Index("ux_notifications", "subscription_id", "event_id", unique=True),
    Index("ix_notifications_alert_id", "alert_id", "subscription_id"),
    Index("ix_notifications_done_at", "done_at"),
    comment="what somebody is to be told, until it is",
)
is_waiting: Final = notifications.c.done_at.is_(None)
Index(
    "ix_notifications_waiting",
    notifications.c.subscription_id,
    notifications.c.notification_id,
    **only_where(is_waiting),
)
