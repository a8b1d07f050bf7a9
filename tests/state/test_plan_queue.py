"""The queue of plans: one holder each, nobody fails by waiting, the interrupted are tried once more."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from core.errors import ConflictError
from core.pickup import Plan, PlanState
from state.plan_queue import MAX_ASKED_FOR, SILENT_AFTER, PlanJob, Waiting
from state.state import State

NOW = datetime(2026, 5, 4, 2, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SILENT = NOW + SILENT_AFTER


def add(state: State, plan_id: str, *, minute: int = 0, asked_for: bool = False) -> Plan:
    plan = Plan(
        plan_id=plan_id,
        municipality="marburg",
        date=date(2026, 5, 4),
        state=PlanState.QUEUED,
        created_at=NOW + timedelta(minutes=minute),
    )
    state.plan_queue.add(plan, time_limit_s=2.5, seed=7, asked_for=asked_for)
    return plan


def state_of(state: State, plan_id: str) -> PlanState:
    return state.pickups.get_plan(plan_id).state


def test_the_oldest_is_next_and_those_that_somebody_waits_for_are_first(state: State) -> None:
    assert state.plan_queue.claim("a") is None
    for plan_id, minute, asked_for in (
        ("day-2", 1, False),
        ("day-1", 0, False),
        ("asked-2", 3, True),
        ("asked-1", 2, True),
    ):
        add(state, plan_id, minute=minute, asked_for=asked_for)
    assert state.plan_queue.waiting() == Waiting(4, NOW)
    assert [state.plan_queue.claim("a") for _ in range(5)] == [
        PlanJob("asked-1", 2.5, 7),
        PlanJob("asked-2", 2.5, 7),
        PlanJob("day-1", 2.5, 7),
        PlanJob("day-2", 2.5, 7),
        None,
    ]
    assert state.plan_queue.waiting() == Waiting(0, None)


def test_planners_that_claim_at_once_never_get_the_same_plan(state: State) -> None:
    plans = {add(state, f"p{number}").plan_id for number in range(40)}

    def take_all(holder: str) -> list[str]:
        taken = []
        while state.plan_queue.waiting().plans:
            if (job := state.plan_queue.claim(holder)) is not None:
                taken.append(job.plan_id)
        return taken

    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(take_all, [f"planner-{number}" for number in range(8)]))
    assert sorted(plan_id for each in taken for plan_id in each) == sorted(plans)
    assert all(state.plan_queue.holds(plan_id, f"planner-{n}") for n, each in enumerate(taken) for plan_id in each)


def test_a_plan_that_waits_for_a_day_has_not_failed(state: State) -> None:
    waiting = add(state, "p")
    assert state.plan_queue.take_from_silent(NOW + timedelta(days=1)) == (0, 0)
    assert state.pickups.get_plan("p") == waiting
    assert state.plan_queue.claim("a", NOW + timedelta(days=1)) is not None


def test_signs_of_life_keep_a_plan(state: State) -> None:
    add(state, "p")
    state.plan_queue.claim("a", NOW)
    assert state.plan_queue.take_from_silent(SILENT - SECOND) == (0, 0)
    assert state.plan_queue.beat("p", "a", SILENT - SECOND)
    assert state.plan_queue.take_from_silent(SILENT + SILENT_AFTER - 2 * SECOND) == (0, 0)
    assert not state.plan_queue.beat("p", "b", SILENT)
    assert state.plan_queue.take_from_silent(SILENT + SILENT_AFTER - SECOND) == (1, 0)
    assert not state.plan_queue.holds("p", "a")
    assert not state.plan_queue.beat("p", "a", SILENT)


def test_what_was_interrupted_waits_again_once(state: State) -> None:
    waiting = add(state, "p")
    state.plan_queue.claim("a", NOW)
    state.pickups.set_progress("p", 0.5)
    assert state.plan_queue.take_from_silent(SILENT) == (1, 0)
    assert state.pickups.get_plan("p") == waiting
    assert state.plan_queue.claim("b", SILENT) is not None
    assert state.plan_queue.take_from_silent(SILENT + SILENT_AFTER) == (0, 1)
    assert state.pickups.get_plan("p") == replace(
        waiting,
        state=PlanState.FAILED,
        error="planning was interrupted, there was no sign of life for 60 s: it is not tried again",
        finished_at=SILENT + SILENT_AFTER,
    )


def test_a_planner_that_wakes_up_too_late_changes_nothing(state: State) -> None:
    plan = add(state, "p")
    state.plan_queue.claim("a", NOW)
    state.plan_queue.take_from_silent(SILENT)
    state.plan_queue.claim("b", SILENT)
    made = replace(plan, state=PlanState.DONE, distance_m=1)
    state.pickups.save_plan(made, "a")
    state.plan_queue.fail("p", "a", "it ended", SILENT)
    state.plan_queue.put_back("p", "a")
    assert state_of(state, "p") is PlanState.RUNNING
    assert state.plan_queue.holds("p", "b")
    state.pickups.save_plan(made, "b")
    assert state.pickups.get_plan("p") == made
    assert not state.plan_queue.holds("p", "b"), "it is over"


def test_what_is_put_back_is_as_if_nobody_had_begun(state: State) -> None:
    waiting = add(state, "p")
    for _ in range(3):
        state.plan_queue.claim("a", NOW)
        state.pickups.set_progress("p", 0.5)
        state.plan_queue.put_back("p", "a")
    assert state.pickups.get_plan("p") == waiting
    state.plan_queue.claim("b", NOW)
    assert state.plan_queue.take_from_silent(SILENT) == (1, 0), "its first interruption"


def test_a_cancelled_plan_is_nobody_s(state: State) -> None:
    for plan_id in ("waits", "runs"):
        add(state, plan_id, asked_for=plan_id == "runs")
    state.plan_queue.claim("a", NOW)
    for plan_id in ("waits", "runs"):
        state.pickups.cancel_plan(plan_id, NOW)
    assert state.plan_queue.claim("a") is None
    assert not state.plan_queue.holds("runs", "a")
    state.plan_queue.put_back("runs", "a")
    state.pickups.set_progress("runs", 0.9)
    assert state.plan_queue.take_from_silent(SILENT) == (0, 0)
    assert [state_of(state, plan_id) for plan_id in ("waits", "runs")] == [PlanState.CANCELLED] * 2
    assert state.pickups.get_plan("runs").progress == 0


def test_what_its_own_maker_leaves_behind_is_not_tried_again(state: State) -> None:
    plan = Plan(plan_id="p", municipality="marburg", date=date(2026, 5, 4), state=PlanState.RUNNING, created_at=NOW)
    state.plan_queue.add_claimed(plan, "me", time_limit_s=1, seed=0)
    assert state.plan_queue.claim("a") is None
    assert state.plan_queue.holds("p", "me")
    state.plan_queue.beat("p", "me", NOW)
    assert state.plan_queue.take_from_silent(SILENT) == (0, 1)


def test_no_more_wait_for_people_than_are_allowed_however_many_ask_at_once(state: State) -> None:
    add(state, "day")
    for number in range(MAX_ASKED_FOR - 3):
        add(state, f"p{number}", asked_for=True)

    def ask(number: int) -> bool:
        try:
            add(state, f"q{number}", asked_for=True)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(ask, range(8))) == 3
    assert state.plan_queue.waiting().plans == MAX_ASKED_FOR + 1
    with pytest.raises(ConflictError, match="50 plans wait already; ask again when some are done"):
        add(state, "r", asked_for=True)
    add(state, "another day")
    state.plan_queue.claim("a")
    assert ask(9)


def test_an_id_is_added_once(state: State) -> None:
    add(state, "p")
    with pytest.raises(ConflictError, match="'p' exists already"):
        add(state, "p")


def test_the_database_s_clock_counts(state: State) -> None:
    add(state, "p")
    state.plan_queue.claim("a")
    assert state.plan_queue.take_from_silent() == (0, 0)
    assert state.plan_queue.take_from_silent(datetime.now(UTC) + timedelta(minutes=2)) == (1, 0)
