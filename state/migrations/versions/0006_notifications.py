"""History of alerts, subscriptions to notifications, and what waits to be told."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# The types as they were at this step; `state.tables` says what they are for.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INSTANT = sa.BigInteger().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")
COUNTED = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("alerts", sa.Column("summary_de", TEXT, comment="the summary in German"))
    op.create_table(
        "alert_events",
        sa.Column("event_id", COUNTED, nullable=False),
        sa.Column("alert_id", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("by", TEXT),
        sa.Column("comment", TEXT),
        sa.Column("queued_at", INSTANT, comment="when the notifications about it were queued"),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_alert_events")),
        comment="what happened to alerts",
    )
    op.create_index("ux_alert_events", "alert_events", ["alert_id", "state", "at"], unique=True)
    new = sa.text("queued_at IS NULL")
    op.create_index("ix_alert_events_new", "alert_events", ["event_id"], sqlite_where=new, postgresql_where=new)
    # What happened before, as far as the alerts themselves know it; nobody is told of it any more.
    for state, at, by, comment in (
        ("firing", "fired_at", "NULL", "NULL"),
        ("acknowledged", "acknowledged_at", "acknowledged_by", "comment"),
        ("resolved", "resolved_at", "NULL", "NULL"),
    ):
        op.execute(
            f'INSERT INTO alert_events (alert_id, state, at, "by", comment, queued_at) '
            f"SELECT alert_id, '{state}', {at}, {by}, {comment}, {at} FROM alerts WHERE {at} IS NOT NULL"
        )
    op.create_table(
        "notification_subscriptions",
        sa.Column("subscription_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("target", TEXT, nullable=False, comment="a secret"),
        sa.Column("municipality", TEXT),
        sa.Column("min_severity", TEXT, nullable=False),
        sa.Column("language", TEXT, nullable=False),
        sa.Column("quiet_from", TEXT, comment="local time, HH:MM"),
        sa.Column("quiet_until", TEXT),
        sa.Column("group_s", sa.Integer(), nullable=False),
        sa.Column("resolved", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("subscription_id", name=op.f("pk_notification_subscriptions")),
    )
    op.create_table(
        "notifications",
        sa.Column("notification_id", COUNTED, nullable=False),
        sa.Column("subscription_id", TEXT, nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("alert_id", TEXT, nullable=False),
        sa.Column("municipality", TEXT, nullable=False),
        sa.Column("severity", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("summary", TEXT, nullable=False),
        sa.Column("summary_de", TEXT),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("queued_at", INSTANT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", INSTANT, nullable=False, comment="not tried before"),
        sa.Column("sending", sa.Boolean(), nullable=False, comment="an attempt was begun and has not ended"),
        sa.Column("done_at", INSTANT, comment="sent, or given up"),
        sa.Column("error", TEXT, comment="why the last attempt failed; of one that is done: given up"),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["notification_subscriptions.subscription_id"],
            name=op.f("fk_notifications_subscription_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("notification_id", name=op.f("pk_notifications")),
        comment="what somebody is to be told, until it is",
    )
    op.create_index("ux_notifications", "notifications", ["subscription_id", "event_id"], unique=True)
    op.create_index("ix_notifications_alert_id", "notifications", ["alert_id", "subscription_id"])
    op.create_index("ix_notifications_done_at", "notifications", ["done_at"])
    waiting = sa.text("done_at IS NULL")
    op.create_index(
        "ix_notifications_waiting",
        "notifications",
        ["subscription_id", "notification_id"], sqlite_where=waiting, postgresql_where=waiting
    )


def downgrade() -> None:
    op.drop_table("notifications")
    op.drop_table("notification_subscriptions")
    op.drop_table("alert_events")
    op.drop_column("alerts", "summary_de")
