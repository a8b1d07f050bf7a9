"""When messages that tell no time were first received; whose readings were deleted on request."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# The types as they were at this step; `state.tables` says what they are for.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INSTANT = sa.BigInteger().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "receipts",
        sa.Column("session", TEXT, nullable=False),
        sa.Column(
            "packet", sa.Integer(), autoincrement=False, nullable=False,
            comment="MQTT packet identifier, 1 to 65535",
        ),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="of topic and payload"),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("session", "packet", name=op.f("pk_receipts")),
        comment="when a message that tells no time was first received, for when the broker sends it again",
    )
    op.create_table(
        "erasures",
        sa.Column("device_id", TEXT, nullable=False),
        sa.Column("erased_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_erasures")),
        comment="whose readings were deleted on request: what was received until then and waits on a spool is not stored",
    )
    op.create_index("ix_rejected_messages_received_at", "rejected_messages", ["received_at"])


def downgrade() -> None:
    op.drop_index("ix_rejected_messages_received_at", "rejected_messages")
    op.drop_table("erasures")
    op.drop_table("receipts")
