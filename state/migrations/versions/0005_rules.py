"""Alerts about a whole circuit."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# The types as they were at this step; `state.tables` says what they are for.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column(
        "alerts", sa.Column("circuit", TEXT, comment="the circuit that the alert is about as a whole")
    )


def downgrade() -> None:
    op.drop_column("alerts", "circuit")
