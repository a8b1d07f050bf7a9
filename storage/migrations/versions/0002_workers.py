"""Leases and shares of several ingest workers."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# The types as they were at this step; `storage.tables` says what they are for.
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
        sa.Column(
            "slot", sa.Integer(), nullable=False, comment="whose session at the broker is subscribed to its devices"
        ),
        sa.PrimaryKeyConstraint("municipality", name=op.f("pk_shares")),
        comment="which slot serves a municipality",
    )


def downgrade() -> None:
    op.drop_table("shares")
    op.drop_table("leases")
