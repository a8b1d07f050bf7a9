"""Plans are a queue that planners take from: what a plan is to be made with, who makes it, and his last sign of life."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# The types as they were at this step; `state.tables` says what they are for.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INSTANT = sa.BigInteger().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    for column in (
        sa.Column("time_limit_s", sa.Double(), nullable=False, server_default="10",
                  comment="how long the solver may search"),
        sa.Column("seed", sa.BigInteger(), nullable=False, server_default="0", comment="of the solver"),
        sa.Column("asked_for", sa.Boolean(), nullable=False, server_default=sa.false(), comment="somebody waits for it"),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0",
                  comment="how often a planner began to make it"),
        sa.Column("claimed_by", TEXT, comment="the planner that makes it, or made it"),
        sa.Column("heartbeat_at", INSTANT, comment="that planner's last sign of life"),
    ):
        op.add_column("plans", column)
    op.create_index("ix_plans_state", "plans", ["state", "created_at"])


def downgrade() -> None:
    op.drop_index("ix_plans_state", "plans")
    for name in ("heartbeat_at", "claimed_by", "attempts", "asked_for", "seed", "time_limit_s"):
        op.drop_column("plans", name)
