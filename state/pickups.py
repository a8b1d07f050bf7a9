"""Pickups in the state database: requests, plans and the confirmation of their stops."""

from datetime import date, datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, Engine, delete, exists, func, insert, or_, select, update

from core.errors import ConflictError, NotFoundError
from core.pickup import PickupRequest, Plan, PlanState, Stop, StopState
from sql.page import Page, fetch_page, given
from sql.records import from_row, to_row
from sql.transaction import insert_into, reading, writing
from state.plan_queue import is_made_by
from state.plan_rows import insert_plan, plan_row, plans_with_stops, stop_of_row, stop_rows
from state.tables import is_unanswered, pickup_requests, plan_partners, plans, stops

_may_be_in_force: Final = (plans.c.state == PlanState.DONE) & or_(
    plans.c.levels_known.is_(None), plans.c.levels_known > 0, exists().where(stops.c.plan_id == plans.c.plan_id)
)


class Pickups:
    """Who asked for a pickup, and the plans to do it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def request(self, request: PickupRequest) -> None:
        """Keep a request, unless one is open for this device."""
        with writing(self._engine) as connection:
            new = insert_into(connection, pickup_requests).values(to_row(request))
            connection.execute(new.on_conflict_do_nothing())

    def open_requests(self, municipality: str | None = None) -> list[PickupRequest]:
        """Requests that are not closed, oldest first."""
        query = given(select(pickup_requests).where(is_unanswered), pickup_requests, municipality=municipality)
        query = query.order_by(pickup_requests.c.requested_at, pickup_requests.c.pickup_request_id)
        with reading(self._engine) as connection:
            return [from_row(PickupRequest, row) for row in connection.execute(query)]

    def close_request(self, device_id: str, at: datetime) -> None:
        """Close the open request of a device, if there is one."""
        with writing(self._engine) as connection:
            _close_request(connection, device_id, at)

    def add_plan(self, plan: Plan) -> None:
        """Keep a new plan.

        Raises:
            ConflictError: the id exists.
        """
        with writing(self._engine) as connection:
            insert_plan(connection, plan)

    def get_plan(self, plan_id: str) -> Plan:
        """The plan with its routes and stops.

        Raises:
            NotFoundError: there is none with this id.
        """
        with reading(self._engine) as connection:
            rows = connection.execute(select(plans).where(plans.c.plan_id == plan_id)).all()
            if not rows:
                raise _unknown(plan_id)
            return plans_with_stops(connection, rows)[0]

    def save_plan(self, plan: Plan, made_by: str | None = None) -> None:
        """Replace a plan as a whole, with routes and stops; its municipalities stay those it was added with.

        What drivers confirmed meanwhile on the plan that it replaces is taken over. A cancelled plan stays cancelled;
        one that `made_by` is not making (any more, see `PlanQueue`) stays as it is.

        Raises:
            NotFoundError: there is none with this id.
        """
        here = plans.c.plan_id == plan.plan_id
        with writing(self._engine) as connection:
            may = plans.c.state != PlanState.CANCELLED if made_by is None else is_made_by(made_by)
            if connection.execute(update(plans).where(here, may).values(plan_row(plan))).rowcount == 0:
                _must_exist(connection, plan.plan_id)
                return
            connection.execute(delete(stops).where(stops.c.plan_id == plan.plan_id))
            if rows := stop_rows(plan):
                connection.execute(insert(stops), rows)
            if plan.replaces is not None:
                _take_over(connection, plan.replaces, plan.plan_id)

    def cancel_plan(self, plan_id: str, at: datetime) -> Plan:
        """Cancel a plan that is queued or running; one that is cancelled already stays so.

        Raises:
            NotFoundError: there is none with this id.
            ConflictError: it is done or failed.
        """
        unfinished = plans.c.state.in_([PlanState.QUEUED, PlanState.RUNNING])
        cancelled = update(plans).where(plans.c.plan_id == plan_id, unfinished)
        with writing(self._engine) as connection:
            connection.execute(cancelled.values(state=PlanState.CANCELLED, finished_at=at))
        plan = self.get_plan(plan_id)
        if plan.state is not PlanState.CANCELLED:
            raise ConflictError(f"plan {plan_id} is {plan.state.value}: there is nothing to cancel")
        return plan

    def set_progress(self, plan_id: str, progress: float) -> None:
        """Note how far (0-1) the planning of a plan is; one that is not being made (any more) stays as it is.

        Raises:
            NotFoundError: there is none with this id.
        """
        running = update(plans).where(plans.c.plan_id == plan_id, plans.c.state == PlanState.RUNNING)
        with writing(self._engine) as connection:
            if connection.execute(running.values(progress=progress)).rowcount == 0:
                _must_exist(connection, plan_id)

    def plan_in_force(self, municipality: str, day: date) -> Plan | None:
        """The newest finished (DONE) plan of a municipality for a day, its own or a joint one.

        One that was made before any level was known, and so has no stop, is not in force.
        """
        query = select(plans).where(_concerns(municipality), plans.c.date == day, _may_be_in_force)
        query = query.order_by(plans.c.created_at.desc(), plans.c.plan_id.desc()).limit(1)
        with reading(self._engine) as connection:
            return next(iter(plans_with_stops(connection, connection.execute(query).all())), None)

    def plans_in_force(self, day: date) -> list[Plan]:
        """The plan in force of every municipality that has one for a day, by municipality; a joint one once."""
        whose = func.coalesce(plan_partners.c.municipality, plans.c.municipality)
        newest_first = (plans.c.created_at.desc(), plans.c.plan_id.desc())
        rank = func.row_number().over(partition_by=whose, order_by=newest_first).label("rank")
        ranked = select(plans.c.plan_id, rank).outerjoin(plan_partners, plan_partners.c.plan_id == plans.c.plan_id)
        done = ranked.where(plans.c.date == day, _may_be_in_force).subquery()
        in_force = select(done.c.plan_id).where(done.c.rank == 1)
        query = select(plans).where(plans.c.plan_id.in_(in_force)).order_by(plans.c.municipality, plans.c.plan_id)
        with reading(self._engine) as connection:
            return plans_with_stops(connection, connection.execute(query).all())

    def page_plans(self, municipality: str | None = None, limit: int = 100, cursor: str | None = None) -> Page[Plan]:
        """Plans in every state, newest first; without the lines of their legs.

        Raises:
            InvalidInputError: wrong limit (1-1000) or cursor.
        """
        query = select(*(column for column in plans.c if column is not plans.c.legs))
        if municipality is not None:
            query = query.where(_concerns(municipality))
        key = [plans.c.created_at, plans.c.plan_id]
        with reading(self._engine) as connection:
            rows = fetch_page(connection, query, key, limit=limit, cursor=cursor, newest_first=True)
            return Page(plans_with_stops(connection, rows.items), rows.next_cursor)

    def stop_done(self, stop_id: str, at: datetime) -> Stop:
        """Confirm a stop and close its bin's pickup request; again: changes nothing, the first confirmation counts.

        Plans that replace the stop's learn of it too: a driver may not have the new route yet.

        Raises:
            NotFoundError: there is no such stop.
        """
        here = stops.c.stop_id == stop_id
        confirmed = update(stops).where(here, stops.c.state != StopState.DONE).values(skip_reason=None)
        with writing(self._engine) as connection:
            is_first = connection.execute(confirmed.values(state=StopState.DONE, done_at=at)).rowcount > 0
            row = connection.execute(select(stops).where(here)).one_or_none()
            if row is None:
                raise _no_stop(stop_id)
            if is_first:
                _close_request(connection, row.device_id, at)
                for newer in _replacing(connection, row.plan_id):
                    _take_over(connection, row.plan_id, newer)
        return stop_of_row(row)

    def stop_skipped(self, stop_id: str, reason: str) -> Stop:
        """Keep why a bin was not emptied: it stays due, its pickup request open; a stop that is done stays so.

        Again with another reason: the last one counts. Plans that replace the stop's learn of it too.

        Raises:
            NotFoundError: there is no such stop.
        """
        here = stops.c.stop_id == stop_id
        skipped = update(stops).where(here, stops.c.state != StopState.DONE)
        with writing(self._engine) as connection:
            connection.execute(skipped.values(state=StopState.SKIPPED, skip_reason=reason))
            row = connection.execute(select(stops).where(here)).one_or_none()
            if row is None:
                raise _no_stop(stop_id)
            for newer in _replacing(connection, row.plan_id):
                _take_over(connection, row.plan_id, newer)
        return stop_of_row(row)

    def day_of_stop(self, stop_id: str) -> date:
        """The local day on which a stop is planned.

        Raises:
            NotFoundError: there is no such stop.
        """
        query = select(plans.c.date).join(stops, stops.c.plan_id == plans.c.plan_id).where(stops.c.stop_id == stop_id)
        with reading(self._engine) as connection:
            day: date | None = connection.execute(query).scalar_one_or_none()
        if day is None:
            raise _no_stop(stop_id)
        return day


def _no_stop(stop_id: str) -> NotFoundError:
    return NotFoundError(f"no stop {stop_id!r}")


def _unknown(plan_id: str) -> NotFoundError:
    return NotFoundError(f"no plan {plan_id!r}")


def _must_exist(connection: Connection, plan_id: str) -> None:
    if connection.execute(select(plans.c.plan_id).where(plans.c.plan_id == plan_id)).one_or_none() is None:
        raise _unknown(plan_id)


def _concerns(municipality: str) -> ColumnElement[bool]:
    joint = select(plan_partners.c.plan_id).where(plan_partners.c.municipality == municipality)
    return or_(plans.c.municipality == municipality, plans.c.plan_id.in_(joint))


def _replacing(connection: Connection, plan_id: str) -> list[str]:
    """The plans that replace a plan, and those that replace them."""
    found: list[str] = []
    latest = [plan_id]
    while latest:
        latest = list(connection.execute(select(plans.c.plan_id).where(plans.c.replaces.in_(latest))).scalars())
        found += latest
    return found


def _take_over(connection: Connection, old: str, new: str) -> None:
    """Tell the stops of a new plan what drivers said of their bins on the old one; what was said of its own stays."""
    told = select(stops).where(stops.c.plan_id == old, stops.c.state != StopState.PLANNED)
    for row in connection.execute(told).all():
        same = update(stops).where(stops.c.plan_id == new, stops.c.device_id == row.device_id)
        said = {"state": row.state, "done_at": row.done_at, "skip_reason": row.skip_reason}
        news = [StopState.PLANNED, StopState.SKIPPED] if row.state is StopState.DONE else [StopState.PLANNED]
        connection.execute(same.where(stops.c.state.in_(news)).values(said))


def _close_request(connection: Connection, device_id: str, at: datetime) -> None:
    of_device = update(pickup_requests).where(pickup_requests.c.device_id == device_id)
    connection.execute(of_device.where(is_unanswered).values(closed_at=at))
