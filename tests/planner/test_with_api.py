"""APIs that only queue, and planners that only plan, as the processes that they are."""

import json
from contextlib import ExitStack
from typing import Any
from urllib.request import Request, urlopen

from core.pickup import PlanState
from tests.planner.conftest import FOR_MINUTES_S, ON_BOTH, Site, Wait, is_alive


def call(port: int, path: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = Request(f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"})
    with urlopen(request, timeout=30) as answer:
        return json.load(answer)


def is_up(port: int) -> bool:
    try:
        return bool(call(port, "/healthz"))
    except OSError:
        return False


@ON_BOTH
def test_two_apis_queue_for_one_planner_and_either_may_cancel(
    site: Site, wait_until: Wait, free_ports: list[int]
) -> None:
    site.bins(12)
    with ExitStack() as programs:
        for port in free_ports:
            programs.enter_context(site.program("api", KREISPULS_API_PORT=str(port)))
        planner = programs.enter_context(site.program("planner"))
        for port in free_ports:
            wait_until(lambda port=port: is_up(port), "the API answers", 60)
        body = {"municipality": "marburg", "time_limit_s": FOR_MINUTES_S}
        long, waiting = (call(port, "/v1/pickups/plans", body) for port in free_ports)
        wait_until(
            lambda: call(free_ports[1], f"/v1/pickups/plans/{long['plan_id']}")["state"] == "running", "it runs", 60
        )
        child = site.wait_for_child(planner)
        for plan, port in ((long, free_ports[1]), (waiting, free_ports[0])):
            assert call(port, f"/v1/pickups/plans/{plan['plan_id']}/cancel", {})["state"] == "cancelled"
        wait_until(lambda: not is_alive(child), "the process is gone", 60)
        short = [call(port, "/v1/pickups/plans", body | {"time_limit_s": 0.2}) for port in free_ports]
        for plan in short:
            path = f"/v1/pickups/plans/{plan['plan_id']}"
            wait_until(lambda path=path: call(free_ports[0], path)["state"] == "done", "the next are made", 60)
    states = [site.state.pickups.get_plan(plan["plan_id"]).state for plan in (long, waiting)]
    assert states == [PlanState.CANCELLED] * 2


def test_a_stopped_api_takes_no_plan_with_it(site: Site, wait_until: Wait, free_ports: list[int]) -> None:
    port = free_ports[0]
    with site.program("api", KREISPULS_API_PORT=str(port)) as api:
        wait_until(lambda: is_up(port), "the API answers", 60)
        plan = call(port, "/v1/pickups/plans", {"municipality": "marburg"})
        api.terminate()
        assert api.wait(60) == 0
    assert site.state.pickups.get_plan(plan["plan_id"]).state is PlanState.QUEUED
    with site.program("planner"):
        site.wait_made(site.state.pickups.get_plan(plan["plan_id"]))
