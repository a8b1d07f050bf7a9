"""The planner's queue: what becomes of plans whose making does not end well."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from actions.pickups.plan import queue_plan
from api.planner import MAX_WAITING, PlanJob, Planner
from core.clock import utc_now
from core.device import Device, Municipality, Place
from core.errors import ConflictError
from core.pickup import PickupRequest, PlanState
from core.settings import Settings
from state.state import State, open_state

DAY = date(2026, 5, 4)


@pytest.fixture
def state(settings: Settings) -> Iterator[State]:
    opened = open_state(settings.state_url)
    opened.municipalities.put(Municipality(municipality="marburg", name="Marburg"))
    yield opened
    opened.close()


class TestPlanner:
    def test_a_process_that_fails_fails_its_plan(
        self, settings: Settings, state: State, wait_until: Callable[..., Any]
    ) -> None:
        broken = settings.model_copy(update={"readings_url": "sqlite:////proc/nowhere/readings.db"})
        planner = Planner(broken, state)
        planner.start()
        plan = queue_plan(state, "marburg", DAY)
        planner.submit(PlanJob(plan.plan_id, 1, 0))

        def failed() -> bool:
            return state.pickups.get_plan(plan.plan_id).state is PlanState.FAILED

        wait_until(failed, "the plan fails", 60)
        assert state.pickups.get_plan(plan.plan_id).error == "planning ended with status 1"
        planner.stop()

    def test_a_large_plan_is_searched_by_several_processes(
        self, settings: Settings, state: State, wait_until: Callable[..., Any]
    ) -> None:
        """Of 61 candidates on and 4 s the solver starts processes of its own, which not every process may."""
        state.municipalities.put(
            Municipality(municipality="marburg", name="Marburg", depot=Place("Bauhof", 50.8, 8.76))
        )
        for number in range(61):
            bin_id = f"bin-{number}"
            state.devices.add(
                Device(
                    device_id=bin_id,
                    device_type="waste_bin",
                    municipality="marburg",
                    latitude=50.8 + number / 10_000,
                    longitude=8.77,
                )
            )
            request = PickupRequest(device_id=bin_id, municipality="marburg", requested_at=utc_now(), reason="test")
            state.pickups.request(request)
        planner = Planner(settings, state)
        planner.start()
        plan = queue_plan(state, "marburg", utc_now().date())
        planner.submit(PlanJob(plan.plan_id, 4, 0))
        over = (PlanState.DONE, PlanState.FAILED)
        wait_until(lambda: state.pickups.plan_state(plan.plan_id) in over, "the plan is made", 60)
        made = state.pickups.get_plan(plan.plan_id)
        assert (made.state, made.error, made.unplanned) == (PlanState.DONE, None, ())
        planner.stop()

    def test_stopping_fails_what_is_in_hand_and_what_waits(self, settings: Settings, state: State) -> None:
        planner = Planner(settings, state)
        plans = [queue_plan(state, "marburg", DAY) for _ in range(3)]
        for plan in plans:
            planner.submit(PlanJob(plan.plan_id, 300, 0))
        planner.start()
        planner.stop()
        found = [state.pickups.get_plan(plan.plan_id) for plan in plans]
        assert [(plan.state, plan.error) for plan in found] == [(PlanState.FAILED, "the API was stopped")] * 3

    def test_too_many_are_refused(self, settings: Settings, state: State) -> None:
        planner = Planner(settings, state)  # not started: nothing leaves the queue
        waiting = queue_plan(state, "marburg", DAY)
        for _ in range(MAX_WAITING):
            planner.submit(PlanJob(waiting.plan_id, 1, 0))
        one_more = queue_plan(state, "marburg", DAY)
        with pytest.raises(ConflictError, match="50 plans wait already"):
            planner.submit(PlanJob(one_more.plan_id, 1, 0))
        assert state.pickups.get_plan(one_more.plan_id).state is PlanState.FAILED

    def test_a_finished_plan_is_not_failed_afterwards(self, settings: Settings, state: State) -> None:
        planner = Planner(settings, state)
        plan = queue_plan(state, "marburg", DAY)
        state.pickups.save_plan(replace(plan, state=PlanState.DONE))
        planner.submit(PlanJob(plan.plan_id, 1, 0))
        planner._stopping.set()
        planner.start()
        planner.stop()
        assert state.pickups.get_plan(plan.plan_id).state is PlanState.DONE
