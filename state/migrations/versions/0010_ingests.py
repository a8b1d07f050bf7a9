"""Ingests with fixed lists of municipalities in place of workers that share them out.

Leases of slots stay: their names say which sessions of workers may still hold messages (`kreispuls drain`).
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# The types as they were at this step; `state.tables` says what they are for.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.drop_table("shares")
    op.execute("DELETE FROM leases WHERE name NOT LIKE 'slot/%'")
    op.create_table(
        "ingests",
        sa.Column("session", TEXT, nullable=False, comment="its name at the broker"),
        sa.Column("municipalities", sa.JSON(), comment="whose lights and rules it runs; NULL: those on no other list"),
        sa.Column("subscribed", sa.JSON(), nullable=False, comment="municipalities that the session may hear"),
        sa.PrimaryKeyConstraint("session", name=op.f("pk_ingests")),
        comment="which session at the broker runs the lights and rules of whom",
    )


def downgrade() -> None:
    op.drop_table("ingests")
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
