"""Queues plans for the planner: what is to be planned is kept, and nothing is planned here."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final
from uuid import uuid4

from actions.pickups.out_of_service import named
from core.errors import ConflictError
from core.pickup import OutOfService, Plan, PlanState
from state.state import State

DEFAULT_TIME_LIMIT_S: Final = 10.0
"""How long the solver searches unless told otherwise."""


def new_plan(state: State, municipalities: str | Sequence[str], day: date, now: datetime) -> Plan:
    """A plan to be made, not kept yet, of one municipality or of several together, the first of which leads.

    Raises:
        NotFoundError: there is no such municipality.
    """
    together = list(dict.fromkeys([municipalities] if isinstance(municipalities, str) else municipalities))
    for municipality in together:
        state.municipalities.get(municipality)
    return Plan(
        plan_id=str(uuid4()),
        municipality=together[0],
        municipalities=tuple(sorted(together)) if len(together) > 1 else (),
        date=day,
        state=PlanState.QUEUED,
        created_at=now,
    )


def queue_plan(
    state: State,
    municipalities: str | Sequence[str],
    day: date,
    now: datetime,
    *,
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
    seed: int = 0,
    asked_for: bool = False,
) -> Plan:
    """Queue a plan as `new_plan` has it; one that somebody `asked_for` is made before those of the day.

    Raises:
        NotFoundError: there is no such municipality.
        ConflictError: too many that were asked for wait already.
    """
    plan = new_plan(state, municipalities, day, now)
    state.plan_queue.add(plan, time_limit_s=time_limit_s, seed=seed, asked_for=asked_for)
    return plan


def queue_replan(
    state: State,
    plan_id: str,
    now: datetime,
    *,
    out: Sequence[OutOfService] = (),
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
    seed: int = 0,
    asked_for: bool = False,
) -> Plan:
    """Queue a plan to be made from one that drivers are at; `asked_for` as with `queue_plan`.

    `out`: vehicles that drive no further on that day. Those of the plan that is replaced stay out.

    Raises:
        NotFoundError: there is no such plan.
        ConflictError: it is not done, or not in force any more; or too many that were asked for wait already.
        InvalidInputError: a vehicle that is out is not on the plan, or not named clearly.
    """
    old = state.pickups.get_plan(plan_id)
    if old.state is not PlanState.DONE:
        raise ConflictError(f"plan {plan_id} is {old.state.value}, not done: there is nothing to plan again")
    newest = state.pickups.plan_in_force(old.municipality, old.date)
    if newest is not None and newest.plan_id != plan_id:
        raise ConflictError(f"plan {plan_id} is not in force any more: plan {newest.plan_id} is")
    together = [state.municipalities.get(each) for each in old.municipalities or (old.municipality,)]
    plan = Plan(
        plan_id=str(uuid4()),
        municipality=old.municipality,
        municipalities=old.municipalities,
        date=old.date,
        state=PlanState.QUEUED,
        created_at=now,
        replaces=plan_id,
        out=tuple(dict.fromkeys((*old.out, *(named(old, together, each) for each in out)))),
    )
    state.plan_queue.add(plan, time_limit_s=time_limit_s, seed=seed, asked_for=asked_for)
    return plan
