"""What was learned of places; how emptyings are known, and those that only drivers know."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# The types as they were at this step; `state.tables` says what they are for.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INSTANT = sa.BigInteger().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")
JSON = sa.JSON()


def upgrade() -> None:
    op.create_table(
        "place_models",
        sa.Column("municipality", TEXT, nullable=False),
        sa.Column("is_kind", sa.Boolean(), nullable=False, comment="of a kind of places, else of one place"),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("learned_at", INSTANT, nullable=False),
        sa.Column("model", JSON, nullable=False),
        sa.PrimaryKeyConstraint("municipality", "is_kind", "name", name=op.f("pk_place_models")),
        comment="what was learned of how places fill",
    )
    with op.batch_alter_table("emptyings") as table:
        table.add_column(sa.Column("place_id", TEXT, comment="NULL: the device's own id"))
        table.add_column(sa.Column("not_before", INSTANT, comment="the last reading that does not show it"))
        table.add_column(sa.Column("partial", sa.Boolean(), nullable=False, server_default=sa.false()))
        table.add_column(sa.Column("source", TEXT, nullable=False, server_default="detected"))
        table.alter_column("level_before", existing_type=sa.Double(), nullable=True)
        table.alter_column("level_after", existing_type=sa.Double(), nullable=True)
    op.create_index("ix_emptyings_place_id", "emptyings", ["place_id", "at"])


def downgrade() -> None:
    op.drop_index("ix_emptyings_place_id", "emptyings")
    op.execute("DELETE FROM emptyings WHERE level_before IS NULL OR level_after IS NULL")
    with op.batch_alter_table("emptyings") as table:
        for name in ("place_id", "not_before", "partial", "source"):
            table.drop_column(name)
        table.alter_column("level_before", existing_type=sa.Double(), nullable=False)
        table.alter_column("level_after", existing_type=sa.Double(), nullable=False)
    op.drop_table("place_models")
