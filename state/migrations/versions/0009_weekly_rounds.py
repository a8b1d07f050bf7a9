"""Weekly rounds, which the report compares pickups with."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# The types as they were at this step; `state.pickup_tables` says what they are for.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "weekly_rounds",
        sa.Column("municipality", TEXT, nullable=False),
        sa.Column(
            "made_for", TEXT, nullable=False, comment="changes with the bins, places and vehicles it was found for"
        ),
        sa.Column("distance_m", sa.Double(), nullable=False),
        sa.Column("duration_s", sa.Double(), nullable=False),
        sa.Column("fuel_l", sa.Double(), nullable=False),
        sa.Column("distance_source", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("municipality", name=op.f("pk_weekly_rounds")),
        comment="what emptying all bins of a municipality once takes, estimated",
    )


def downgrade() -> None:
    op.drop_table("weekly_rounds")
