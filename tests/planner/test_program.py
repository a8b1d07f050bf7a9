"""The planner as a process: it makes what waits, is killed, is stopped, and is not alone."""

import signal
import subprocess

import psutil
import pytest

from core.clock import utc_now
from core.pickup import PlanState
from state.plan_queue import LEASE, MOST_ATTEMPTS, SILENT_AFTER
from tests.planner.conftest import FOR_MINUTES_S, ON_BOTH, Site, children, is_alive

STOPPED_WITHIN_S = 60


def test_what_waits_is_made_the_oldest_first(site: Site) -> None:
    site.bins(2)
    plans = [site.queue() for _ in range(3)]
    with site.program("planner"):
        made = [site.wait_made(plan) for plan in plans]
    assert [len(plan.routes[0].stops) for plan in made] == [2, 2, 2]
    finished = [plan.finished_at for plan in made]
    assert None not in finished
    assert finished == sorted(at for at in finished if at)


@ON_BOTH
def test_two_planners_make_each_plan_once(site: Site) -> None:
    plans = [site.queue() for _ in range(8)]
    with site.program("planner"), site.program("planner"):
        for plan in plans:
            site.wait_made(plan)
    with site.state.engine.connect() as connection:
        attempts = connection.exec_driver_sql("SELECT attempts FROM plans").scalars().all()
    assert attempts == [1] * 8


@ON_BOTH
def test_what_a_killed_planner_had_in_hand_is_the_next_one_s(site: Site) -> None:
    """Its child ends with it; another takes the plan when there was no sign of life for long enough."""
    site.bins(12)
    plan = site.queue(FOR_MINUTES_S)
    with site.program("planner") as killed:
        site.wait_for(plan, PlanState.RUNNING)
        site.wait_for_child(killed)
        everything = psutil.Process(killed.pid).children(recursive=True)
        killed.kill()
        killed.wait()
        site.wait_until(lambda: not any(map(is_alive, everything)), "all processes of the killed one are gone", 60)
    assert site.state.plan_queue.take_from_silent(utc_now() + SILENT_AFTER / 2) == (0, 0)
    assert site.state.plan_queue.take_from_silent(utc_now() + SILENT_AFTER * 2) == (1, 0)
    with site.program("planner") as another:
        site.wait_for(plan, PlanState.RUNNING)
        site.wait_for_child(another)
        another.kill()
    assert MOST_ATTEMPTS == 2
    assert site.state.plan_queue.take_from_silent(utc_now() + SILENT_AFTER * 2) == (0, 1)
    failed = site.state.pickups.get_plan(plan.plan_id)
    assert failed.state is PlanState.FAILED
    assert failed.error is not None
    assert "interrupted" in failed.error


def test_stopped_it_puts_its_plan_back_for_the_next_at_once(site: Site) -> None:
    site.bins(12)
    plan = site.queue(FOR_MINUTES_S)
    for _ in range(MOST_ATTEMPTS + 1):
        with site.program("planner") as planner:
            site.wait_for(plan, PlanState.RUNNING)
            child = site.wait_for_child(planner)
            planner.send_signal(signal.SIGTERM)
            assert planner.wait(STOPPED_WITHIN_S) == 0
        assert not is_alive(child)
        back = site.state.pickups.get_plan(plan.plan_id)
        assert (back.state, back.progress, back.error) == (PlanState.QUEUED, 0, None)
        assert [lease.live for lease in site.state.leases.all() if lease.name == LEASE] == [False]


def test_it_stops_when_its_standard_input_ends(site: Site) -> None:
    with site.program("planner", "--stop-on-eof", stdin=subprocess.DEVNULL) as planner:
        assert planner.wait(STOPPED_WITHIN_S) == 0


def test_a_plan_cancelled_while_it_waits_is_passed_over(site: Site) -> None:
    first, second = site.queue(FOR_MINUTES_S), site.queue()
    site.state.pickups.cancel_plan(first.plan_id, utc_now())
    with site.program("planner"):
        site.wait_made(second)
    assert site.state.pickups.get_plan(first.plan_id).state is PlanState.CANCELLED


def test_a_plan_cancelled_while_it_is_made_ends_its_process(site: Site) -> None:
    site.bins(12)
    long = site.queue(FOR_MINUTES_S)
    with site.program("planner") as planner:
        site.wait_for(long, PlanState.RUNNING)
        child = site.wait_for_child(planner)
        cancelled = site.state.pickups.cancel_plan(long.plan_id, utc_now())
        site.wait_until(lambda: not is_alive(child), "the process is gone", 60)
        site.wait_made(site.queue())
    assert site.state.pickups.get_plan(long.plan_id) == cancelled


def test_a_process_that_dies_fails_its_plan_and_not_the_next(site: Site) -> None:
    site.bins(12)
    plan = site.queue(FOR_MINUTES_S)
    with site.program("planner") as planner:
        site.wait_for(plan, PlanState.RUNNING)
        site.wait_for_child(planner).kill()
        assert site.wait_for(plan, PlanState.FAILED).error == "planning ended with status -9"
        site.wait_made(site.queue())


def test_a_plan_says_what_is_wrong_with_the_readings(site: Site) -> None:
    with site.program("planner"):
        site.wait_until(lambda: any(lease.live for lease in site.state.leases.all()), "the planner runs", 60)
        (site.settings.data_dir / "readings.db").write_text("no database at all, but long enough for a header" * 10)
        error = site.wait_for(site.queue(), PlanState.FAILED).error
    assert error is not None
    assert "not a database" in error


def test_a_large_plan_is_searched_by_several_processes(site: Site) -> None:
    """Of 61 candidates on and 4 s the solver starts processes of its own, which not every process may."""
    site.bins(61)
    plan = site.queue(4)
    with site.program("planner"):
        assert site.wait_made(plan).unplanned == ()


@ON_BOTH
@pytest.mark.usefixtures("plans_today")
def test_the_day_s_plan_is_made_once_by_two_planners(site: Site) -> None:
    site.bins(1, asked_for=False)
    site.levels("bin-0", days=2)
    with site.program("planner"), site.program("planner"):
        (plan,) = site.wait_until(lambda: site.state.pickups.page_plans().items, "a plan is queued", 60)
        site.wait_made(plan)
    assert [made.plan_id for made in site.state.pickups.page_plans().items] == [plan.plan_id]


def test_one_learns_and_finds_weekly_rounds_and_the_next_when_it_stops(site: Site) -> None:
    site.bins(1, asked_for=False)
    site.levels("bin-0", days=20)
    with site.program("planner") as first:
        site.wait_until(site.state.places.learned_at, "how places fill is learned", 60)
        site.wait_until(lambda: site.state.pickup_history.weekly_round("marburg"), "the round is found", 60)
        (held,) = site.state.leases.all()
        with site.program("planner") as second:
            first.send_signal(signal.SIGTERM)
            assert first.wait(STOPPED_WITHIN_S) == 0

            def is_taken_over() -> bool:
                (lease,) = site.state.leases.all()
                return lease.live and lease.holder != held.holder

            site.wait_until(is_taken_over, "the other does what is done once", 60)
            second.send_signal(signal.SIGTERM)
            assert second.wait(STOPPED_WITHIN_S) == 0


@ON_BOTH
def test_it_goes_on_when_the_state_database_works_again(site: Site) -> None:
    """A table is not there for a while."""
    with site.program("planner"):
        site.wait_until(lambda: any(lease.live for lease in site.state.leases.all()), "the planner runs", 60)
        with site.state.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE plans RENAME TO plans_away")
        site.wait_until(lambda: "beginning: state database" in site.log.read_text(), "it says what is wrong", 60)
        with site.state.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE plans_away RENAME TO plans")
        site.wait_made(site.queue())


def test_it_leaves_no_process_behind(site: Site) -> None:
    with site.program("planner") as planner:
        site.wait_made(site.queue())
        everything = psutil.Process(planner.pid).children(recursive=True)
        assert everything
        planner.send_signal(signal.SIGTERM)
        assert planner.wait(STOPPED_WITHIN_S) == 0
    site.wait_until(lambda: not any(map(is_alive, everything)), "all its processes are gone", 60)
    assert children(planner) == []
