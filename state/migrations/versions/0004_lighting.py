"""Groups of lamps, municipalities' lighting profiles, event nights."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# The types as they were at this step; `state.lighting_tables` says what they are for.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "light_groups",
        sa.Column("light_group_id", TEXT, nullable=False),
        sa.Column("municipality", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("lighting_profile", TEXT),
        sa.Column("device_ids", sa.JSON(), nullable=False),
        sa.Column("street", TEXT),
        sa.Column("circuit", TEXT),
        sa.PrimaryKeyConstraint("light_group_id", name=op.f("pk_light_groups")),
    )
    op.create_index("ix_light_groups_municipality", "light_groups", ["municipality", "light_group_id"])
    op.create_table(
        "lighting_profiles",
        sa.Column("municipality", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("profile", sa.JSON(), nullable=False, comment="as the API takes it"),
        sa.PrimaryKeyConstraint("municipality", "name", name=op.f("pk_lighting_profiles")),
    )
    op.create_table(
        "event_nights",
        sa.Column("municipality", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("first", sa.Date(), nullable=False, comment="local date on which its first night begins"),
        sa.Column("last", sa.Date(), nullable=False, comment="and its last one"),
        sa.PrimaryKeyConstraint("municipality", "name", name=op.f("pk_event_nights")),
        comment="nights with full light",
    )


def downgrade() -> None:
    op.drop_table("event_nights")
    op.drop_table("lighting_profiles")
    op.drop_index("ix_light_groups_municipality", "light_groups")
    op.drop_table("light_groups")
