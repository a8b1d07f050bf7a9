"""What pickups were, for reports: finished plans of many days, and the weekly rounds beside them."""

from datetime import date
from typing import NamedTuple

from sqlalchemy import Engine, select

from core.pickup import Plan, PlanState
from sql.transaction import put_rows, reading, writing
from state.pickup_tables import weekly_rounds
from state.plan_rows import plans_with_stops
from state.tables import plan_partners, plans


class WeeklyRound(NamedTuple):
    """What emptying all bins once takes: metres, seconds, litres. `made_for` changes with bins, places and vehicles."""

    made_for: str
    distance_m: float
    duration_s: float
    fuel_l: float
    distance_source: str


class PickupHistory:
    """Reads what was planned; keeps each municipality's weekly round."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def finished_plans(self, municipality: str, first: date, last: date) -> list[Plan]:
        """The DONE plans that concern a municipality from a local day to another, both included, by day and age.

        Without the lines of their legs.
        """
        joint = select(plan_partners.c.plan_id).where(plan_partners.c.municipality == municipality)
        query = select(*(column for column in plans.c if column is not plans.c.legs))
        query = query.where((plans.c.municipality == municipality) | plans.c.plan_id.in_(joint))
        query = query.where(plans.c.date >= first, plans.c.date <= last, plans.c.state == PlanState.DONE)
        query = query.order_by(plans.c.date, plans.c.created_at, plans.c.plan_id)
        with reading(self._engine) as connection:
            return plans_with_stops(connection, connection.execute(query).all())

    def weekly_round(self, municipality: str) -> WeeklyRound | None:
        """The round kept for a municipality."""
        query = select(weekly_rounds).where(weekly_rounds.c.municipality == municipality)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        return WeeklyRound(row.made_for, row.distance_m, row.duration_s, row.fuel_l, row.distance_source)

    def keep_weekly_round(self, municipality: str, found: WeeklyRound) -> None:
        """Keep a municipality's round in the place of the one before."""
        with writing(self._engine) as connection:
            put_rows(connection, weekly_rounds, [{"municipality": municipality, **found._asdict()}])
