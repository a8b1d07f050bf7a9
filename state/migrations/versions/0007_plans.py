"""Disposal sites of municipalities, joint plans, and what plans and stops say since routes follow roads."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# The types as they were at this step; `state.tables` says what they are for.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    places = sa.table("municipalities", sa.column("municipality"), sa.column("disposal_site", sa.JSON(none_as_null=True)),
                      sa.column("disposal_sites", sa.JSON(none_as_null=True)))
    op.add_column("municipalities", sa.Column("disposal_sites", sa.JSON()))
    for slug, site in op.get_bind().execute(sa.select(places.c.municipality, places.c.disposal_site)).all():
        sites = [site] if site else []
        op.execute(places.update().where(places.c.municipality == slug).values(disposal_sites=sites))
    op.drop_column("municipalities", "disposal_site")
    op.add_column(
        "municipalities",
        sa.Column("planning", sa.JSON(), comment="how bins are chosen, and with whom; missing keys: the default"),
    )
    op.add_column("plans", sa.Column("unplanned_reasons", sa.JSON()))
    op.add_column("plans", sa.Column("notice", TEXT, comment="what planning had to do without"))
    op.add_column("plans", sa.Column("replaces", TEXT, comment="the plan of the day that it was made from"))
    op.add_column(
        "plans", sa.Column("legs", sa.JSON(), comment="the lines of each route's legs, apart because they are long")
    )
    op.create_table(
        "plan_partners",
        sa.Column("plan_id", TEXT, nullable=False),
        sa.Column("municipality", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["plans.plan_id"], name=op.f("fk_plan_partners_plan_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("plan_id", "municipality", name=op.f("pk_plan_partners")),
        comment="the municipalities planned together in one plan, that of its row among them",
    )
    op.create_index("ix_plan_partners_municipality", "plan_partners", ["municipality"])
    op.add_column("stops", sa.Column("skip_reason", TEXT))
    op.add_column(
        "stops", sa.Column("details", sa.JSON(), comment="what else a driver sees; missing keys: the default")
    )


def downgrade() -> None:
    op.drop_column("stops", "details")
    op.drop_column("stops", "skip_reason")
    op.drop_table("plan_partners")
    for name in ("legs", "replaces", "notice", "unplanned_reasons"):
        op.drop_column("plans", name)
    op.drop_column("municipalities", "planning")
    op.add_column("municipalities", sa.Column("disposal_site", sa.JSON()))
    places = sa.table("municipalities", sa.column("municipality"), sa.column("disposal_site", sa.JSON(none_as_null=True)),
                      sa.column("disposal_sites", sa.JSON(none_as_null=True)))
    for slug, sites in op.get_bind().execute(sa.select(places.c.municipality, places.c.disposal_sites)).all():
        if sites and isinstance(sites, list):  # whatever is there must not keep a restore from clearing it
            site = {name: sites[0][name] for name in ("name", "latitude", "longitude")}
            op.execute(places.update().where(places.c.municipality == slug).values(disposal_site=site))
    op.drop_column("municipalities", "disposal_sites")
