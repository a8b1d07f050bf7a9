"""Bins due, plans, routes and stops over HTTP."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import defusedxml.ElementTree
import pytest
from fastapi.testclient import TestClient

from api.resources import Resources
from core.clock import utc_now
from core.device import Place
from core.pickup import DueReason, OutOfService, Plan, PlanState, Route, Stop
from state.plan_queue import MAX_ASKED_FOR, PlanJob

DEPOT = Place("Bauhof", 50.80, 8.76)
GPX = "{http://www.topografix.com/GPX/1/1}"


def a_plan(**changes: Any) -> Plan:
    stop = Stop(
        stop_id="s1",
        sequence=1,
        device_id="bin-1",
        name="Marktplatz",
        latitude=50.81,
        longitude=8.77,
        filling_level=0.9,
        volume_l=120,
        reasons=(DueReason.ABOVE_THRESHOLD,),
        arrival_s=300,
        distance_m=1500,
    )
    route = Route(
        route_id="r1",
        vehicle="truck",
        stops=(stop, replace(stop, stop_id="s2", sequence=2, device_id="bin-2", name="Bahnhof", arrival_s=600)),
        distance_m=4000,
        duration_s=1200,
        load_l=240,
    )
    plan = Plan(
        plan_id="p1",
        municipality="marburg",
        date=date(2026, 5, 4),
        state=PlanState.DONE,
        progress=1.0,
        created_at=datetime(2026, 5, 4, 2, tzinfo=UTC),
        finished_at=datetime(2026, 5, 4, 2, 1, tzinfo=UTC),
        distance_m=4000,
        duration_s=1200,
        depot_name="Bauhof",
        depot_latitude=50.80,
        depot_longitude=8.76,
        disposal_name="Bauhof",
        disposal_latitude=50.80,
        disposal_longitude=8.76,
        routes=(route,),
        unplanned=("bin-9",),
    )
    return replace(plan, **changes)


@pytest.fixture
def plan(resources: Resources) -> Plan:
    kept = a_plan()
    resources.state.pickups.add_plan(kept)
    return kept


class TestDue:
    @pytest.fixture(autouse=True)
    def _bins(self, fill: Any) -> None:
        fill.municipality("marburg", filling_threshold=0.8)
        fill.municipality("lahntal", filling_threshold=0.5)
        now = utc_now()
        for device_id, municipality, level in (
            ("bin-1", "marburg", 0.85),
            ("bin-2", "marburg", 0.95),
            ("bin-3", "marburg", 0.1),
            ("bin-4", "lahntal", 0.6),
        ):
            fill.device(device_id, municipality=municipality)
            fill.reading(device_id, now - timedelta(minutes=5), {"filling_level": level})

    def test_lists_the_fullest_first_with_reasons(self, client: TestClient) -> None:
        items = client.get("/v1/pickups/due?municipality=marburg").json()["items"]
        assert [(item["device_id"], item["filling_level"]) for item in items] == [("bin-2", 0.95), ("bin-1", 0.85)]
        assert items[0]["reasons"] == ["above_threshold"]
        assert items[0]["threshold"] == 0.8
        assert items[0]["observed_at"].endswith("Z")
        assert "forecast" in items[0]

    def test_without_municipality_all(self, client: TestClient) -> None:
        items = client.get("/v1/pickups/due").json()["items"]
        assert [item["device_id"] for item in items] == ["bin-2", "bin-1", "bin-4"]

    def test_pages_keep_the_order(self, client: TestClient) -> None:
        first = client.get("/v1/pickups/due?limit=2").json()
        second = client.get("/v1/pickups/due", params={"limit": 2, "cursor": first["next_cursor"]}).json()
        assert [item["device_id"] for item in first["items"] + second["items"]] == ["bin-2", "bin-1", "bin-4"]
        assert second["next_cursor"] is None

    def test_counts_with_the_municipality(self, client: TestClient) -> None:
        items = client.get("/v1/municipalities").json()["items"]
        assert [(item["municipality"], item["bins_due"]) for item in items] == [("lahntal", 1), ("marburg", 2)]

    @pytest.mark.parametrize(
        "query", ["date=tomorrow", "date=20260504", "date=1999-12-31", "date=2026-02-30", "municipality=A", "day=1"]
    )
    def test_wrong_queries_are_422(self, client: TestClient, query: str) -> None:
        assert client.get(f"/v1/pickups/due?{query}").status_code == 422

    def test_an_unknown_municipality_is_404(self, client: TestClient) -> None:
        assert client.get("/v1/pickups/due?municipality=nowhere").status_code == 404


class TestMakePlan:
    @pytest.mark.usefixtures("planner")
    def test_plans_in_the_background(
        self, client: TestClient, fill: Any, wait_until: Callable[..., Any], resources: Resources
    ) -> None:
        fill.municipality("marburg", depot=DEPOT)
        now = utc_now()
        for number, level in enumerate((0.9, 0.95, 0.2)):
            fill.device(f"bin-{number}", latitude=50.81 + number / 1000)
            fill.reading(f"bin-{number}", now - timedelta(minutes=5), {"filling_level": level})
        body = {"municipality": "marburg", "time_limit_s": 1, "seed": 7}
        answer = client.post("/v1/pickups/plans", json=body)
        assert answer.status_code == 202
        plan = answer.json()
        assert (plan["state"], plan["progress"]) == ("queued", 0)
        assert plan["date"] == resources.today().isoformat()
        path = answer.headers["Location"]
        assert path == f"/v1/pickups/plans/{plan['plan_id']}"

        def finished() -> Any:
            shown = client.get(path).json()
            return shown if shown["state"] in ("done", "failed") else None

        done = wait_until(finished, "the plan is finished", 60)
        assert (done["state"], done["error"], done["progress"]) == ("done", None, 1)
        (route,) = done["routes"]
        assert sorted(stop["device_id"] for stop in route["stops"]) == ["bin-0", "bin-1"]
        assert client.get("/v1/pickups/routes?municipality=marburg").json()["items"][0]["plan_id"] == plan["plan_id"]
        assert client.get("/v1/pickups/plans").json()["items"] == [done]

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"municipality": "M"},
            {"municipality": "marburg", "date": "soon"},
            {"municipality": "marburg", "date": 20260504},
            {"municipality": "marburg", "time_limit_s": 301},
            {"municipality": "marburg", "seed": -1},
            {"municipality": "marburg", "vehicles": 3},
            {"municipality": "marburg", "municipalities": ["marburg"]},
            {"municipalities": []},
        ],
    )
    def test_wrong_input_is_422(self, client: TestClient, fill: Any, body: dict[str, Any]) -> None:
        fill.municipality("marburg")
        assert client.post("/v1/pickups/plans", json=body).status_code == 422

    def test_an_unknown_municipality_is_404(self, client: TestClient) -> None:
        assert client.post("/v1/pickups/plans", json={"municipality": "nowhere"}).status_code == 404

    def test_is_kept_with_all_that_a_planner_needs(self, client: TestClient, fill: Any, resources: Resources) -> None:
        fill.municipality("marburg")
        body = {"municipality": "marburg", "date": "2026-05-04", "time_limit_s": 1.5, "seed": 7}
        plan_id = client.post("/v1/pickups/plans", json=body).json()["plan_id"]
        assert resources.state.plan_queue.claim("a planner") == PlanJob(plan_id, 1.5, 7)

    def test_too_many_that_wait_are_409_and_nothing_is_kept_of_one_more(
        self, client: TestClient, fill: Any, plan: Plan
    ) -> None:
        fill.municipality("marburg")
        for _ in range(MAX_ASKED_FOR):
            assert client.post("/v1/pickups/plans", json={"municipality": "marburg"}).status_code == 202
        for path in ("/v1/pickups/plans", f"/v1/pickups/plans/{plan.plan_id}/replan"):
            refused = client.post(path, json={"municipality": "marburg"} if path.endswith("plans") else {})
            assert refused.status_code == 409
            assert refused.json()["detail"] == "50 plans wait already; ask again when some are done"
        listed = client.get("/v1/pickups/plans?limit=1000").json()["items"]
        assert len([each for each in listed if each["state"] == "queued"]) == MAX_ASKED_FOR == len(listed) - 1
        assert f"kreispuls_plans_waiting {MAX_ASKED_FOR}.0" in client.get("/metrics").text


class TestJointPlan:
    def test_neighbours_are_queued_together(self, client: TestClient, fill: Any) -> None:
        fill.municipality("marburg")
        fill.municipality("lahntal")
        answer = client.post("/v1/pickups/plans", json={"municipalities": ["marburg", "lahntal"]})
        assert answer.status_code == 202
        assert (answer.json()["municipality"], answer.json()["municipalities"]) == ("marburg", ["lahntal", "marburg"])
        found = client.get("/v1/pickups/plans?municipality=lahntal").json()["items"]
        assert [plan["plan_id"] for plan in found] == [answer.json()["plan_id"]]
        missing = client.post("/v1/pickups/plans", json={"municipalities": ["marburg", "nowhere"]})
        assert missing.status_code == 404

    def test_each_sees_the_routes_that_concern_it(self, client: TestClient, resources: Resources) -> None:
        (route,) = a_plan().routes
        own = replace(route, municipality="marburg")
        stops = tuple(replace(stop, stop_id=f"l-{stop.stop_id}") for stop in route.stops)
        shared = replace(
            route,
            route_id="r2",
            municipality="marburg",
            stops=(replace(stops[0], municipality="lahntal"), replace(stops[1], municipality="marburg")),
        )
        resources.state.pickups.add_plan(a_plan(routes=(own, shared), municipalities=("lahntal", "marburg")))
        shown = {"marburg": [("r1", 2), ("r2", 2)], "lahntal": [("r2", 1)]}
        for municipality, routes in shown.items():
            query = f"?municipality={municipality}&date=2026-05-04"
            items = client.get(f"/v1/pickups/routes{query}").json()["items"]
            assert [(item["route_id"], len(item["stops"])) for item in items] == routes


class TestCancelPlan:
    @pytest.mark.usefixtures("planner")
    def test_ends_the_process_of_a_running_plan(
        self, client: TestClient, fill: Any, wait_until: Callable[..., Any]
    ) -> None:
        """Planned for five minutes, it is cancelled at once, and the next in the queue begins."""
        fill.municipality("marburg", depot=DEPOT)
        for number in range(12):
            fill.device(f"bin-{number}", latitude=50.81 + number / 1000)
            fill.reading(f"bin-{number}", utc_now() - timedelta(minutes=5), {"filling_level": 0.9})
        long = client.post("/v1/pickups/plans", json={"municipality": "marburg", "time_limit_s": 300}).json()
        path = f"/v1/pickups/plans/{long['plan_id']}"
        wait_until(lambda: client.get(path).json()["state"] == "running", "it runs", 60)
        cancelled = client.post(f"{path}/cancel")
        assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
        fill.municipality("lahntal")
        short = client.post("/v1/pickups/plans", json={"municipality": "lahntal"}).json()
        wait_until(
            lambda: client.get(f"/v1/pickups/plans/{short['plan_id']}").json()["state"] == "done",
            "the next is done",
            60,
        )
        assert client.get(path).json() == cancelled.json()

    def test_what_is_over_or_missing(self, client: TestClient, plan: Plan) -> None:
        assert client.post(f"/v1/pickups/plans/{plan.plan_id}/cancel").status_code == 409
        assert client.post("/v1/pickups/plans/p9/cancel").status_code == 404


class TestReplan:
    def test_is_queued_with_what_it_replaces(
        self, client: TestClient, fill: Any, plan: Plan, resources: Resources
    ) -> None:
        fill.municipality("marburg")
        answer = client.post(f"/v1/pickups/plans/{plan.plan_id}/replan", json={"seed": 3, "time_limit_s": 2})
        assert answer.status_code == 202
        assert (answer.json()["replaces"], answer.json()["state"]) == (plan.plan_id, "queued")
        assert answer.headers["Location"] == f"/v1/pickups/plans/{answer.json()['plan_id']}"
        assert resources.state.plan_queue.claim("a planner") == PlanJob(answer.json()["plan_id"], 2, 3)

    def test_a_vehicle_that_has_broken_down_is_named(
        self, client: TestClient, fill: Any, plan: Plan, resources: Resources
    ) -> None:
        fill.municipality("marburg")
        (route,) = plan.routes
        path = f"/v1/pickups/plans/{plan.plan_id}/replan"
        out = {"vehicle": route.vehicle, "keeps_load": True}
        shown = client.post(path, json={"out": [out]}).json()
        assert shown["out"] == [out | {"municipality": "marburg", "route_id": route.route_id}]
        assert resources.state.pickups.get_plan(shown["plan_id"]).out == (
            OutOfService(vehicle=route.vehicle, municipality="marburg", route_id=route.route_id, keeps_load=True),
        )
        for wrong in ({"vehicle": "tank"}, {"vehicle": route.vehicle, "route_id": "r9"}, {"vehicle": ""}, {}):
            assert client.post(path, json={"out": [wrong]}).status_code in {400, 422}

    def test_the_body_may_be_missing(self, client: TestClient, fill: Any, plan: Plan) -> None:
        fill.municipality("marburg")
        answer = client.post(f"/v1/pickups/plans/{plan.plan_id}/replan")
        assert (answer.status_code, answer.json()["out"]) == (202, [])

    def test_what_cannot_be_planned_again(self, client: TestClient, resources: Resources) -> None:
        resources.state.pickups.add_plan(a_plan(state=PlanState.FAILED, routes=()))
        assert client.post("/v1/pickups/plans/p1/replan", json={}).status_code == 409
        assert client.post("/v1/pickups/plans/p9/replan", json={}).status_code == 404
        assert client.post("/v1/pickups/plans/p1/replan", json={"time_limit_s": 0}).status_code == 422


class TestGetPlan:
    def test_shows_it(self, client: TestClient, plan: Plan) -> None:
        shown = client.get(f"/v1/pickups/plans/{plan.plan_id}").json()
        assert (shown["state"], shown["date"], shown["unplanned"]) == ("done", "2026-05-04", ["bin-9"])
        assert [stop["stop_id"] for stop in shown["routes"][0]["stops"]] == ["s1", "s2"]

    def test_as_geojson(self, client: TestClient, plan: Plan) -> None:
        answer = client.get(f"/v1/pickups/plans/{plan.plan_id}.geojson")
        assert answer.headers["content-type"] == "application/geo+json"
        kinds = [feature["properties"]["kind"] for feature in answer.json()["features"]]
        assert kinds == ["route", "stop", "stop", "depot", "disposal_site"]

    def test_as_gpx(self, client: TestClient, plan: Plan) -> None:
        answer = client.get(f"/v1/pickups/plans/{plan.plan_id}.gpx")
        assert answer.headers["content-type"] == "application/gpx+xml"
        names = [
            point.findtext(f"{GPX}name") for point in defusedxml.ElementTree.fromstring(answer.text).iter(f"{GPX}wpt")
        ]
        assert names == ["1 Marktplatz", "2 Bahnhof"]

    def test_as_csv(self, client: TestClient, plan: Plan) -> None:
        answer = client.get(f"/v1/pickups/plans/{plan.plan_id}.csv")
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [row["device_id"] for row in rows] == ["bin-1", "bin-2"]

    @pytest.mark.parametrize("suffix", [".geojson", ".gpx", ".csv"])
    def test_an_unfinished_one_has_no_exports(self, client: TestClient, resources: Resources, suffix: str) -> None:
        resources.state.pickups.add_plan(a_plan(state=PlanState.RUNNING, routes=()))
        assert client.get(f"/v1/pickups/plans/p1{suffix}").status_code == 409

    @pytest.mark.parametrize("suffix", ["", ".geojson", ".gpx", ".csv"])
    def test_a_missing_one_is_404(self, client: TestClient, suffix: str) -> None:
        assert client.get(f"/v1/pickups/plans/p9{suffix}").status_code == 404

    def test_wrong_queries_are_422(self, client: TestClient, plan: Plan) -> None:
        assert client.get(f"/v1/pickups/plans/{plan.plan_id}?format=csv").status_code == 422
        assert client.get("/v1/pickups/plans?limit=0").status_code == 422


class TestRoutes:
    def test_gives_the_newest_plans_routes(self, client: TestClient, resources: Resources, plan: Plan) -> None:
        later = plan.created_at + timedelta(hours=1)
        stops = tuple(replace(stop, stop_id=f"{stop.stop_id}-new") for stop in plan.routes[0].stops)
        newer = replace(plan.routes[0], route_id="r2", stops=stops)
        resources.state.pickups.add_plan(a_plan(plan_id="p2", created_at=later, routes=(newer,)))
        resources.state.pickups.add_plan(a_plan(plan_id="p3", municipality="lahntal", routes=()))
        for query in ("?municipality=marburg&date=2026-05-04", "?date=2026-05-04"):
            items = client.get(f"/v1/pickups/routes{query}").json()["items"]
            assert [(item["plan_id"], item["route_id"], item["municipality"]) for item in items] == [
                ("p2", "r2", "marburg")
            ]
            assert [stop["device_id"] for stop in items[0]["stops"]] == ["bin-1", "bin-2"]
            assert items[0]["date"] == "2026-05-04"

    @pytest.mark.usefixtures("plan")
    def test_a_day_without_plan_has_none(self, client: TestClient) -> None:
        for query in ("", "?municipality=marburg", "?date=2026-05-05"):
            assert client.get(f"/v1/pickups/routes{query}").json() == {"items": [], "next_cursor": None}

    def test_wrong_queries_are_422(self, client: TestClient) -> None:
        assert client.get("/v1/pickups/routes?date=heute").status_code == 422


class TestConfirmStop:
    def test_notes_when_and_the_first_time_stays(self, client: TestClient, plan: Plan) -> None:
        first = client.post("/v1/pickups/stops/s1/done")
        assert first.status_code == 200
        assert first.json()["state"] == "done"
        assert first.json()["done_at"].endswith("Z")
        assert client.post("/v1/pickups/stops/s1/done").json() == first.json()
        shown = client.get(f"/v1/pickups/plans/{plan.plan_id}").json()["routes"][0]["stops"]
        assert [stop["state"] for stop in shown] == ["done", "planned"]

    def test_a_missing_one_is_404(self, client: TestClient) -> None:
        assert client.post("/v1/pickups/stops/s9/done").status_code == 404
