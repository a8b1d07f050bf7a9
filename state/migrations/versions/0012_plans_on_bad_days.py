"""Plans say of how many bins a level was known, and which vehicles they were made without."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("plans", sa.Column("levels_known", sa.Integer(),
                                     comment="of how many bins a level was known when it was made; NULL: not kept"))
    op.add_column("plans", sa.Column("out", sa.JSON(),
                                     comment="vehicles that drive no further, where it was made for that"))


def downgrade() -> None:
    op.drop_column("plans", "out")
    op.drop_column("plans", "levels_known")
