"""Leases and shares of several ingest workers."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# The types as they were at this step; `state.tables` says what they are for.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INSTANT = sa.BigInteger().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("holder", TEXT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
        comment="what one of several workers has for itself for a while; an expired row is free",
    )
    op.create_table(
        "shares",
        sa.Column("municipality", TEXT, nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False, comment="whose session serves its devices from the marker on"),
        sa.Column("former", sa.Integer(), nullable=False, comment="the slot that serves them before the marker"),
        sa.Column(
            "marker", TEXT, nullable=False, comment="payload of the message at which the municipality changes hands"
        ),
        sa.Column("begun", sa.Boolean(), nullable=False, comment="the slot has come to the marker"),
        sa.Column(
            "ended",
            sa.Boolean(),
            nullable=False,
            comment="all that came to the former slot before the marker is durable",
        ),
        sa.PrimaryKeyConstraint("municipality", name=op.f("pk_shares")),
        comment="which slot serves a municipality, and which one served it before",
    )


def downgrade() -> None:
    op.drop_table("shares")
    op.drop_table("leases")
