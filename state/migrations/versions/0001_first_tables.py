"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The types as they were at this step; `state.tables` says what they are for.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INSTANT = sa.BigInteger().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")
COUNTED = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_id", TEXT, nullable=False),
        sa.Column("rule", TEXT, nullable=False),
        sa.Column("device_id", TEXT, nullable=False),
        sa.Column("device_type", TEXT, nullable=False),
        sa.Column("municipality", TEXT, nullable=False),
        sa.Column("severity", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("summary", TEXT, nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("fired_at", INSTANT, nullable=True),
        sa.Column("resolved_at", INSTANT, nullable=True),
        sa.Column("acknowledged_at", INSTANT, nullable=True),
        sa.Column("acknowledged_by", TEXT, nullable=True),
        sa.Column("comment", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_alerts")),
    )
    op.create_index("ix_alerts_device_id", "alerts", ["device_id", "started_at"], unique=False)
    op.create_index("ix_alerts_municipality", "alerts", ["municipality", "started_at", "alert_id"], unique=False)
    op.create_index("ix_alerts_started_at", "alerts", ["started_at", "alert_id"], unique=False)
    op.create_index(
        "ix_alerts_open_municipality",
        "alerts",
        ["municipality"],
        sqlite_where=sa.text("state != 'resolved'"),
        postgresql_where=sa.text("state != 'resolved'"),
    )
    op.create_index(
        "ux_alerts_open",
        "alerts",
        ["device_id", "rule"],
        unique=True,
        sqlite_where=sa.text("state != 'resolved'"),
        postgresql_where=sa.text("state != 'resolved'"),
    )
    op.create_table(
        "commands",
        sa.Column("command_id", TEXT, nullable=False),
        sa.Column("device_id", TEXT, nullable=False),
        sa.Column("device_type", TEXT, nullable=False),
        sa.Column("municipality", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("dim_level", sa.Double(), nullable=False),
        sa.Column("fade_s", sa.Double(), nullable=False),
        sa.Column("hold_s", sa.Double(), nullable=True),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.Column("issued_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("answered_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("command_id", name=op.f("pk_commands")),
    )
    op.create_index("ix_commands_issued_at", "commands", ["issued_at", "command_id"], unique=False)
    op.create_index("ix_commands_municipality", "commands", ["municipality", "issued_at", "command_id"], unique=False)
    op.create_index(
        "ix_commands_override",
        "commands",
        ["device_id", "issued_at"],
        unique=False,
        sqlite_where=sa.text("reason = 'override'"),
        postgresql_where=sa.text("reason = 'override'"),
    )
    op.create_index(
        "ix_commands_sent",
        "commands",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("state = 'sent'"),
        postgresql_where=sa.text("state = 'sent'"),
    )
    op.create_table(
        "devices",
        sa.Column("device_id", TEXT, nullable=False),
        sa.Column("device_type", TEXT, nullable=False),
        sa.Column("municipality", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("latitude", sa.Double(), nullable=True),
        sa.Column("longitude", sa.Double(), nullable=True),
        sa.Column("street", TEXT, nullable=True),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("connection", TEXT, nullable=False),
        sa.Column("last_seen_at", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("search_text", TEXT, nullable=False, comment="id, name and street, case folded"),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_devices")),
    )
    op.create_index("ix_devices_municipality", "devices", ["municipality", "device_id"], unique=False)
    op.create_index("ix_devices_status", "devices", ["status"], unique=False)
    op.create_table(
        "emptyings",
        sa.Column("device_id", TEXT, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("municipality", TEXT, nullable=False),
        sa.Column("level_before", sa.Double(), nullable=False),
        sa.Column("level_after", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "at", name=op.f("pk_emptyings")),
    )
    op.create_table(
        "municipalities",
        sa.Column("municipality", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("latitude", sa.Double(), nullable=True),
        sa.Column("longitude", sa.Double(), nullable=True),
        sa.Column("filling_threshold", sa.Double(), nullable=False),
        sa.Column("planning_hour", sa.Integer(), nullable=False),
        sa.Column("depot", sa.JSON(), nullable=True),
        sa.Column("disposal_site", sa.JSON(), nullable=True),
        sa.Column("vehicles", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", name=op.f("pk_municipalities")),
    )
    op.create_table(
        "pickup_requests",
        sa.Column("pickup_request_id", COUNTED, nullable=False),
        sa.Column("device_id", TEXT, nullable=False),
        sa.Column("municipality", TEXT, nullable=False),
        sa.Column("requested_at", INSTANT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("closed_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("pickup_request_id", name=op.f("pk_pickup_requests")),
    )
    op.create_index(
        "ux_pickup_requests_open",
        "pickup_requests",
        ["device_id"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "plans",
        sa.Column("plan_id", TEXT, nullable=False),
        sa.Column("municipality", TEXT, nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("error", TEXT, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("distance_source", TEXT, nullable=False),
        sa.Column("distance_m", sa.BigInteger(), nullable=False),
        sa.Column("duration_s", sa.BigInteger(), nullable=False),
        sa.Column("depot_name", TEXT, nullable=False),
        sa.Column("depot_latitude", sa.Double(), nullable=True),
        sa.Column("depot_longitude", sa.Double(), nullable=True),
        sa.Column("disposal_name", TEXT, nullable=False),
        sa.Column("disposal_latitude", sa.Double(), nullable=True),
        sa.Column("disposal_longitude", sa.Double(), nullable=True),
        sa.Column("routes", sa.JSON(), nullable=False, comment="the routes in order, without their stops"),
        sa.Column("unplanned", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("plan_id", name=op.f("pk_plans")),
    )
    op.create_index("ix_plans_created_at", "plans", ["created_at", "plan_id"], unique=False)
    op.create_index("ix_plans_date", "plans", ["date", "municipality", "created_at"], unique=False)
    op.create_index("ix_plans_municipality", "plans", ["municipality", "created_at", "plan_id"], unique=False)
    op.create_table(
        "rejected_messages",
        sa.Column("rejected_id", COUNTED, nullable=False),
        sa.Column("topic", TEXT, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("payload_size", sa.BigInteger(), nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("municipality", TEXT, nullable=True),
        sa.Column("device_type", TEXT, nullable=True),
        sa.Column("device_id", TEXT, nullable=True),
        sa.Column("partial", sa.Boolean(), nullable=False),
        sa.Column("replayed_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("rejected_id", name=op.f("pk_rejected_messages")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_rejected_messages_device_id", "rejected_messages", ["device_id", "rejected_id"], unique=False)
    op.create_index(
        "ix_rejected_messages_municipality", "rejected_messages", ["municipality", "rejected_id"], unique=False
    )
    op.create_table(
        "revision",
        sa.Column("revision_id", sa.Integer(), autoincrement=False, nullable=False, comment="always 1"),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("revision_id", name=op.f("pk_revision")),
        comment="one counter that grows with every change of the registry",
    )
    op.create_table(
        "rule_overrides",
        sa.Column("municipality", TEXT, nullable=False),
        sa.Column("rule", TEXT, nullable=False),
        sa.Column("override", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "rule", name=op.f("pk_rule_overrides")),
    )
    op.create_table(
        "stops",
        sa.Column("stop_id", TEXT, nullable=False),
        sa.Column("plan_id", TEXT, nullable=False),
        sa.Column("route_number", sa.Integer(), nullable=False, comment="place of its route in the plan, from 0"),
        sa.Column("place", sa.Integer(), nullable=False, comment="place of the stop in its route, from 0"),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("device_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("latitude", sa.Double(), nullable=False),
        sa.Column("longitude", sa.Double(), nullable=False),
        sa.Column("filling_level", sa.Double(), nullable=True),
        sa.Column("volume_l", sa.Double(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("arrival_s", sa.BigInteger(), nullable=False),
        sa.Column("distance_m", sa.BigInteger(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("done_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.plan_id"], name=op.f("fk_stops_plan_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("stop_id", name=op.f("pk_stops")),
    )
    op.create_index("ix_stops_plan_id", "stops", ["plan_id"], unique=False)
    op.execute("INSERT INTO revision (revision_id, value) VALUES (1, 0)")


def downgrade() -> None:
    op.drop_table("stops")
    op.drop_table("rule_overrides")
    op.drop_table("revision")
    op.drop_table("rejected_messages")
    op.drop_table("plans")
    op.drop_table("pickup_requests")
    op.drop_table("municipalities")
    op.drop_table("emptyings")
    op.drop_table("devices")
    op.drop_table("commands")
    op.drop_table("alerts")
