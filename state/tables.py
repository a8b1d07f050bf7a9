"""Tables of the state database (SQLAlchemy metadata); migrations make them, a test holds the two together."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    false,
    literal_column,
)

from core.alert import AlertState, Severity
from core.command import CommandState, Reason
from core.device import Connection, DeviceStatus
from core.pickup import EmptyingSource, PlanState, StopState
from sql.columns import Choice, Instant, Json, Text, only_where
from sql.metadata import COUNTED
from sql.metadata import metadata as metadata  # noqa: PLC0414 - given on
from state import (
    lighting_tables,  # noqa: F401 - so that the metadata knows them
    notification_tables,  # noqa: F401 - so that the metadata knows them
    pickup_tables,  # noqa: F401 - so that the metadata knows them
)

revision: Final = Table(
    "revision",
    metadata,
    Column("revision_id", Integer, primary_key=True, autoincrement=False, comment="always 1"),
    Column("value", BigInteger, nullable=False),
    comment="one counter that grows with every change of the registry",
)

municipalities: Final = Table(
    "municipalities",
    metadata,
    Column("municipality", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("latitude", Double),
    Column("longitude", Double),
    Column("filling_threshold", Double, nullable=False),
    Column("planning_hour", Integer, nullable=False),
    Column("depot", Json),
    Column("disposal_sites", Json),
    Column("vehicles", Json, nullable=False),
    Column("planning", Json, comment="how bins are chosen, and with whom; missing keys: the default"),
)

devices: Final = Table(
    "devices",
    metadata,
    Column("device_id", Text, primary_key=True),
    Column("device_type", Text, nullable=False),
    Column("municipality", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("latitude", Double),
    Column("longitude", Double),
    Column("street", Text),
    Column("status", Choice(DeviceStatus), nullable=False),
    Column("attributes", Json, nullable=False),
    Column("connection", Choice(Connection), nullable=False),
    Column("last_seen_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("search_text", Text, nullable=False, comment="id, name and street, case folded"),
    Index("ix_devices_municipality", "municipality", "device_id"),
    Index("ix_devices_status", "status"),
)

alerts: Final = Table(
    "alerts",
    metadata,
    Column("alert_id", Text, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("device_id", Text, nullable=False),
    Column("device_type", Text, nullable=False),
    Column("municipality", Text, nullable=False),
    Column("severity", Choice(Severity), nullable=False),
    Column("state", Choice(AlertState), nullable=False),
    Column("summary", Text, nullable=False),
    Column("value", Double),
    Column("started_at", Instant, nullable=False),
    Column("fired_at", Instant),
    Column("resolved_at", Instant),
    Column("acknowledged_at", Instant),
    Column("acknowledged_by", Text),
    Column("comment", Text),
    Column("summary_de", Text, comment="the summary in German"),
    Column("circuit", Text, comment="the circuit that the alert is about as a whole"),
)
is_open: Final = alerts.c.state != literal_column("'resolved'")  # in the text: a parameter would not match the index
Index("ux_alerts_open", alerts.c.device_id, alerts.c.rule, unique=True, **only_where(is_open))
Index("ix_alerts_open_municipality", alerts.c.municipality, **only_where(is_open))
Index("ix_alerts_started_at", alerts.c.started_at, alerts.c.alert_id)
Index("ix_alerts_municipality", alerts.c.municipality, alerts.c.started_at, alerts.c.alert_id)
Index("ix_alerts_device_id", alerts.c.device_id, alerts.c.started_at)

commands: Final = Table(
    "commands",
    metadata,
    Column("command_id", Text, primary_key=True),
    Column("device_id", Text, nullable=False),
    Column("device_type", Text, nullable=False),
    Column("municipality", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("dim_level", Double, nullable=False),
    Column("fade_s", Double, nullable=False),
    Column("hold_s", Double),
    Column("reason", Choice(Reason), nullable=False),
    Column("state", Choice(CommandState), nullable=False),
    Column("detail", Text, nullable=False),
    Column("issued_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("answered_at", Instant),
)
is_sent: Final = commands.c.state == literal_column("'sent'")
is_override: Final = commands.c.reason == literal_column("'override'")
is_withdrawn: Final = (commands.c.state == literal_column("'expired'")) & (commands.c.detail != literal_column("''"))
"""It never reached the broker, and who sent it was told so."""
Index("ix_commands_issued_at", commands.c.issued_at, commands.c.command_id)
Index("ix_commands_municipality", commands.c.municipality, commands.c.issued_at, commands.c.command_id)
Index("ix_commands_sent", commands.c.expires_at, **only_where(is_sent))
Index("ix_commands_override", commands.c.device_id, commands.c.issued_at, **only_where(is_override))

rejected_messages: Final = Table(
    "rejected_messages",
    metadata,
    Column("rejected_id", COUNTED, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("payload_size", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("municipality", Text),
    Column("device_type", Text),
    Column("device_id", Text),
    Column("partial", Boolean, nullable=False),
    Column("replayed_at", Instant),
    Index("ix_rejected_messages_municipality", "municipality", "rejected_id"),
    Index("ix_rejected_messages_device_id", "device_id", "rejected_id"),
    Index("ix_rejected_messages_received_at", "received_at"),
    sqlite_autoincrement=True,  # an id that was pruned never comes back
)

rule_overrides: Final = Table(
    "rule_overrides",
    metadata,
    Column("municipality", Text, primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("override", Json, nullable=False),
)

pickup_requests: Final = Table(
    "pickup_requests",
    metadata,
    Column("pickup_request_id", COUNTED, primary_key=True),
    Column("device_id", Text, nullable=False),
    Column("municipality", Text, nullable=False),
    Column("requested_at", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("closed_at", Instant),
)
is_unanswered: Final = pickup_requests.c.closed_at.is_(None)
Index("ux_pickup_requests_open", pickup_requests.c.device_id, unique=True, **only_where(is_unanswered))

emptyings: Final = Table(
    "emptyings",
    metadata,
    Column("device_id", Text, primary_key=True),
    Column("at", Instant, primary_key=True),
    Column("municipality", Text, nullable=False),
    Column("level_before", Double),
    Column("level_after", Double),
    Column("place_id", Text, comment="NULL: the device's own id"),
    Column("not_before", Instant, comment="the last reading that does not show it"),
    Column("partial", Boolean, nullable=False, server_default=false()),
    Column("source", Choice(EmptyingSource), nullable=False, server_default="detected"),
    Index("ix_emptyings_place_id", "place_id", "at"),
)

place_models: Final = Table(
    "place_models",
    metadata,
    Column("municipality", Text, primary_key=True),
    Column("is_kind", Boolean, primary_key=True, comment="of a kind of places, else of one place"),
    Column("name", Text, primary_key=True),
    Column("learned_at", Instant, nullable=False),
    Column("model", Json, nullable=False),
    comment="what was learned of how places fill",
)

plans: Final = Table(
    "plans",
    metadata,
    Column("plan_id", Text, primary_key=True),
    Column("municipality", Text, nullable=False),
    Column("date", Date, nullable=False),
    Column("state", Choice(PlanState), nullable=False),
    Column("progress", Double, nullable=False),
    Column("error", Text),
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("distance_source", Text, nullable=False),
    Column("distance_m", BigInteger, nullable=False),
    Column("duration_s", BigInteger, nullable=False),
    Column("depot_name", Text, nullable=False),
    Column("depot_latitude", Double),
    Column("depot_longitude", Double),
    Column("disposal_name", Text, nullable=False),
    Column("disposal_latitude", Double),
    Column("disposal_longitude", Double),
    Column("routes", Json, nullable=False, comment="the routes in order, without their stops"),
    Column("unplanned", Json, nullable=False),
    Column("unplanned_reasons", Json),
    Column("notice", Text, comment="what planning had to do without"),
    Column("replaces", Text, comment="the plan of the day that it was made from"),
    Column("levels_known", Integer, comment="of how many bins a level was known when it was made; NULL: not kept"),
    Column("out", Json, comment="vehicles that drive no further, where it was made for that"),
    Column("legs", Json, comment="the lines of each route's legs, apart because they are long"),
    Column("time_limit_s", Double, nullable=False, server_default="10", comment="how long the solver may search"),
    Column("seed", BigInteger, nullable=False, server_default="0", comment="of the solver"),
    Column("asked_for", Boolean, nullable=False, server_default=false(), comment="somebody waits for it"),
    Column("attempts", Integer, nullable=False, server_default="0", comment="how often a planner began to make it"),
    Column("claimed_by", Text, comment="the planner that makes it, or made it"),
    Column("heartbeat_at", Instant, comment="that planner's last sign of life"),
)
Index("ix_plans_date", plans.c.date, plans.c.municipality, plans.c.created_at)
Index("ix_plans_created_at", plans.c.created_at, plans.c.plan_id)
Index("ix_plans_state", plans.c.state, plans.c.created_at)
Index("ix_plans_municipality", plans.c.municipality, plans.c.created_at, plans.c.plan_id)

plan_partners: Final = Table(
    "plan_partners",
    metadata,
    Column("plan_id", Text, ForeignKey("plans.plan_id", ondelete="CASCADE"), primary_key=True),
    Column("municipality", Text, primary_key=True),
    Index("ix_plan_partners_municipality", "municipality"),
    comment="the municipalities planned together in one plan, that of its row among them",
)

leases: Final = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("expires_at", Instant, nullable=False),
    comment="what one of several workers has for itself for a while; an expired row is free",
)

ingests: Final = Table(
    "ingests",
    metadata,
    Column("session", Text, primary_key=True, comment="its name at the broker"),
    Column("municipalities", Json, comment="whose lights and rules it runs; NULL: those on no other list"),
    Column("subscribed", Json, nullable=False, comment="municipalities that the session may hear"),
    comment="which session at the broker runs the lights and rules of whom",
)

receipts: Final = Table(
    "receipts",
    metadata,
    Column("session", Text, primary_key=True),
    Column("packet", Integer, primary_key=True, autoincrement=False, comment="MQTT packet identifier, 1 to 65535"),
    Column("digest", LargeBinary, nullable=False, comment="of topic and payload"),
    Column("received_at", Instant, nullable=False),
    comment="when a message that tells no time was first received, for when the broker sends it again",
)

erasures: Final = Table(
    "erasures",
    metadata,
    Column("device_id", Text, primary_key=True),
    Column("erased_at", Instant, nullable=False),
    comment="whose readings were deleted on request: what was received until then and waits on a spool is not stored",
)

stops: Final = Table(
    "stops",
    metadata,
    Column("stop_id", Text, primary_key=True),
    Column("plan_id", Text, ForeignKey("plans.plan_id", ondelete="CASCADE"), nullable=False),
    Column("route_number", Integer, nullable=False, comment="place of its route in the plan, from 0"),
    Column("place", Integer, nullable=False, comment="place of the stop in its route, from 0"),
    Column("sequence", Integer, nullable=False),
    Column("device_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("latitude", Double, nullable=False),
    Column("longitude", Double, nullable=False),
    Column("filling_level", Double),
    Column("volume_l", Double, nullable=False),
    Column("reasons", Json, nullable=False),
    Column("arrival_s", BigInteger, nullable=False),
    Column("distance_m", BigInteger, nullable=False),
    Column("state", Choice(StopState), nullable=False),
    Column("done_at", Instant),
    Column("skip_reason", Text),
    Column("details", Json, comment="what else a driver sees; missing keys: the default"),
    Index("ix_stops_plan_id", "plan_id"),
)
