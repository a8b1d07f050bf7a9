"""The office's report over HTTP."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from actions.pickups.find_weekly_round import find_round
from actions.pickups.weekly_round import weekly_bins
from api.resources import Resources
from core.clock import utc_now
from core.device import Place
from core.pickup import DueReason, Plan, PlanState, Route, Stop
from roads.great_circle import GreatCircleRoads


@pytest.fixture
def _lohra(resources: Resources, fill: Any) -> None:
    """Two bins of today's route, one emptied, one skipped; the first was full for a while."""
    place = fill.municipality("lohra", depot=Place("Bauhof", 50.8, 8.7))
    now = utc_now()
    stops = []
    for number in (1, 2):
        device = fill.device(f"bin-{number}", municipality="lohra", latitude=50.8 + number / 100, longitude=8.7)
        stops.append(
            Stop(
                stop_id=f"s{number}",
                sequence=number,
                device_id=device.device_id,
                name="",
                latitude=50.8,
                longitude=8.7,
                filling_level=0.95,
                volume_l=240,
                reasons=(DueReason.FORECAST,),
                arrival_s=0,
                distance_m=0,
            )
        )
    fill.reading("bin-1", now - timedelta(seconds=90), {"filling_level": 1.0})
    fill.reading("bin-1", now - timedelta(seconds=54), {"filling_level": 0.0})
    route = Route(route_id="r", vehicle="truck", stops=tuple(stops), distance_m=9000, duration_s=1800, load_l=456)
    resources.state.pickups.add_plan(
        Plan(
            plan_id="p",
            municipality="lohra",
            date=resources.today(),
            state=PlanState.DONE,
            created_at=now,
            routes=(route,),
        )
    )
    before = Plan(
        plan_id="before",
        municipality="lohra",
        date=resources.today() - timedelta(days=6),
        state=PlanState.DONE,
        created_at=now - timedelta(days=6),
    )
    resources.state.pickups.add_plan(before)  # nothing was due: a week is compared
    find_round(resources.state, GreatCircleRoads(), place, weekly_bins(resources.state, "lohra"))


@pytest.mark.usefixtures("_lohra")
class TestReport:
    def test_counts_with_the_first_answer(self, client: TestClient, resources: Resources) -> None:
        before = client.get("/v1/pickups/report?municipality=lohra").json()["items"][-1]
        assert (before["routes"], before["routes_unconfirmed"], before["distance_unconfirmed_km"]) == (0, 1, 9)
        client.post("/v1/pickups/stops/s1/done")
        client.post("/v1/pickups/stops/s2/skipped", json={"reason": "not_out"})
        month, total = client.get("/v1/pickups/report").json()["items"][:2]
        assert month["month"] == resources.today().strftime("%Y-%m")
        assert total["month"] is None
        assert {name: total[name] for name in ("routes", "distance_km", "duration_h", "fuel_l", "stops_done")} == {
            "routes": 1,
            "distance_km": 9,
            "duration_h": 0.5,
            "fuel_l": 2.7,
            "stops_done": 1,
        }
        assert total["skip_reasons"] == {"blocked": 0, "not_out": 1, "broken": 0, "no_access": 0, "other": 0}
        assert total["levels_at_emptying"] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]

    def test_beside_a_weekly_round(self, client: TestClient, resources: Resources) -> None:
        """Seven days in a row are one round to bins 1.1 and 2.2 km north, times 1.35; 9 km are planned."""
        week = (resources.today() - timedelta(days=6)).isoformat()
        weekly = client.get(f"/v1/pickups/report?start={week}").json()["items"][-1]["weekly_schedule"]
        assert (weekly["estimated"], weekly["days"], weekly["rounds"]) == (True, 7, 1)
        assert weekly["distance_km"] == pytest.approx(6.005, abs=0.01)
        assert weekly["saved_km"] == pytest.approx(6.005 - 9, abs=0.01)
        today = resources.today().isoformat()
        assert client.get(f"/v1/pickups/report?start={today}").json()["items"][-1]["weekly_schedule"] is None

    def test_overflows_from_readings(self, client: TestClient, resources: Resources) -> None:
        yesterday = (resources.today() - timedelta(days=1)).isoformat()
        total = client.get(f"/v1/pickups/report?municipality=lohra&start={yesterday}").json()["items"][-1]
        assert total["overflow_bins"] == 1
        assert total["overflow_hours"] == pytest.approx(36 / 3600, abs=0.001)

    def test_as_csv(self, client: TestClient) -> None:
        answer = client.get("/v1/pickups/report", headers={"Accept": "text/csv"})
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [row["municipality"] for row in rows] == ["lohra", "lohra"]
        assert rows[0]["routes_unconfirmed"] == "1"

    def test_pages(self, client: TestClient) -> None:
        first = client.get("/v1/pickups/report?limit=1").json()
        second = client.get("/v1/pickups/report", params={"limit": 1, "cursor": first["next_cursor"]}).json()
        assert [item["month"] is None for item in first["items"] + second["items"]] == [False, True]
        assert second["next_cursor"] is None

    @pytest.mark.parametrize(
        "query", ["start=soon", "start=2026-05-02&end=2026-05-01", "start=2020-01-01&end=2026-01-01", "month=5"]
    )
    def test_wrong_queries_are_422(self, client: TestClient, query: str) -> None:
        assert client.get(f"/v1/pickups/report?{query}").status_code == 422

    def test_an_unknown_municipality_is_404(self, client: TestClient) -> None:
        assert client.get("/v1/pickups/report?municipality=nowhere").status_code == 404
