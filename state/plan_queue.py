"""The queue of plans to be made is the table of plans: any number of programs add to it, any number take from it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Engine, func, or_, select, update

from core.errors import ConflictError
from core.pickup import Plan, PlanState
from sql.transaction import database_now, reading, writing
from state.plan_rows import insert_plan
from state.tables import plans

MAX_ASKED_FOR: Final = 50
"""Plans that people asked for and that may wait; more are refused."""
BEAT_S: Final = 5.0
"""Whoever makes a plan gives a sign of life every so many seconds."""
SILENT_AFTER: Final = timedelta(seconds=60)
"""Without one for so long he has ended. Twelve beats: a slow disk or a database away for a moment ends nobody."""
MOST_ATTEMPTS: Final = 2
"""A plan that was interrupted so often is given up: it may be the plan that ends its planners, for want of memory."""
LEASE: Final = "planner"
"""Name of the lease of the planner that does what the platform needs once."""
_ADDING: Final = 0x706C_616E_7175_6575
"""Key of PostgreSQL's advisory lock: `planqueu` in ASCII."""
_UNCLAIMED: Final[dict[str, Any]] = {
    "state": PlanState.QUEUED,
    "progress": 0.0,
    "claimed_by": None,
    "heartbeat_at": None,
}


@dataclass(frozen=True, slots=True)
class PlanJob:
    """A plan to be made, how long the solver may search, and its seed."""

    plan_id: str
    time_limit_s: float
    seed: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many plans wait to be made, and since when the oldest does; None: none waits."""

    plans: int
    since: datetime | None


def is_made_by(holder: str) -> ColumnElement[bool]:
    """Of a row of `plans`: this planner claimed it, and nobody cancelled it or took it away since."""
    return (plans.c.state == PlanState.RUNNING) & (plans.c.claimed_by == holder)


class PlanQueue:
    """Plans that wait, and those in somebody's hands; a holder's name must be his alone.

    A plan that waits never fails, however long it does. The clock of signs of life is the database server's; with
    SQLite this machine's.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, plan: Plan, *, time_limit_s: float, seed: int, asked_for: bool) -> None:
        """Keep a new plan that waits; those that somebody `asked_for` are made before the others.

        Raises:
            ConflictError: the id exists, or too many that were asked for wait already.
        """
        with writing(self._engine) as connection:
            if asked_for:
                if (
                    connection.dialect.name == "postgresql"
                ):  # two that count at once see the same; SQLite has one writer
                    connection.execute(select(func.pg_advisory_xact_lock(_ADDING)))
                before = select(func.count()).where(plans.c.state == PlanState.QUEUED, plans.c.asked_for)
                if connection.execute(before).scalar_one() >= MAX_ASKED_FOR:
                    raise ConflictError(f"{MAX_ASKED_FOR} plans wait already; ask again when some are done")
            insert_plan(connection, plan, time_limit_s=time_limit_s, seed=seed, asked_for=asked_for)

    def add_claimed(self, plan: Plan, holder: str, *, time_limit_s: float, seed: int) -> None:
        """Keep a new plan (state running) that its holder makes at once; interrupted, it is not tried again.

        Raises:
            ConflictError: the id exists.
        """
        with writing(self._engine) as connection:
            claim = {"claimed_by": holder, "heartbeat_at": database_now(connection), "attempts": MOST_ATTEMPTS}
            insert_plan(connection, plan, time_limit_s=time_limit_s, seed=seed, **claim)

    def claim(self, holder: str, now: datetime | None = None) -> PlanJob | None:
        """Take the plan that is next; nobody else has it then. None: no plan waits."""
        following = select(plans.c.plan_id).where(plans.c.state == PlanState.QUEUED)
        following = following.order_by(plans.c.asked_for.desc(), plans.c.created_at, plans.c.plan_id).limit(1)
        # PostgreSQL passes over a row that another planner is just taking; SQLite has one writer at a time.
        this = plans.c.plan_id == following.with_for_update(skip_locked=True).scalar_subquery()
        with writing(self._engine) as connection:
            taken = (
                update(plans)
                .where(this)
                .values(
                    state=PlanState.RUNNING,
                    claimed_by=holder,
                    heartbeat_at=now or database_now(connection),
                    attempts=plans.c.attempts + 1,
                )
            )
            row = connection.execute(taken.returning(plans.c.plan_id, plans.c.time_limit_s, plans.c.seed)).one_or_none()
            return None if row is None else PlanJob(row.plan_id, row.time_limit_s, row.seed)

    def holds(self, plan_id: str, holder: str) -> bool:
        """Whether the plan is still the holder's to make: not over, not cancelled, not taken away."""
        with reading(self._engine) as connection:
            mine = select(plans.c.plan_id).where(plans.c.plan_id == plan_id, is_made_by(holder))
            return connection.execute(mine).one_or_none() is not None

    def beat(self, plan_id: str, holder: str, now: datetime | None = None) -> bool:
        """Give a sign of life; the answer is that of `holds`."""
        with writing(self._engine) as connection:
            mine = update(plans).where(plans.c.plan_id == plan_id, is_made_by(holder))
            return connection.execute(mine.values(heartbeat_at=now or database_now(connection))).rowcount > 0

    def put_back(self, plan_id: str, holder: str) -> None:
        """Let the next planner make it, as if nobody had begun; one that is not the holder's stays as it is."""
        with writing(self._engine) as connection:
            mine = update(plans).where(plans.c.plan_id == plan_id, is_made_by(holder))
            connection.execute(mine.values(**_UNCLAIMED, attempts=plans.c.attempts - 1))

    def fail(self, plan_id: str, holder: str, reason: str, at: datetime) -> None:
        """Mark a plan failed; one that is not the holder's (any more) stays as it is."""
        with writing(self._engine) as connection:
            mine = update(plans).where(plans.c.plan_id == plan_id, is_made_by(holder))
            connection.execute(mine.values(state=PlanState.FAILED, error=reason, finished_at=at))

    def take_from_silent(self, now: datetime | None = None) -> tuple[int, int]:
        """Take plans from holders without a sign of life for `SILENT_AFTER`: how many wait again, how many failed.

        The second time a plan fails, since it may be what ends its planners.
        """
        with writing(self._engine) as connection:
            now = now or database_now(connection)
            silent = or_(plans.c.heartbeat_at.is_(None), plans.c.heartbeat_at <= now - SILENT_AFTER)
            interrupted = update(plans).where(plans.c.state == PlanState.RUNNING, silent)
            again = interrupted.where(plans.c.attempts < MOST_ATTEMPTS).values(_UNCLAIMED)
            seconds = round(SILENT_AFTER.total_seconds())
            reason = f"planning was interrupted, there was no sign of life for {seconds} s: it is not tried again"
            given_up = interrupted.values(state=PlanState.FAILED, error=reason, finished_at=now)
            return connection.execute(again).rowcount, connection.execute(given_up).rowcount

    def waiting(self) -> Waiting:
        """The plans that wait."""
        with reading(self._engine) as connection:
            found = select(func.count(), func.min(plans.c.created_at)).where(plans.c.state == PlanState.QUEUED)
            return Waiting(*connection.execute(found).one())
