"""What drivers say of their stops, and the files they drive by, over HTTP."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import gpxpy
import pypdfium2
import pytest
from fastapi.testclient import TestClient

from api.resources import Resources
from core.clock import format_rfc3339, utc_now
from core.pickup import DueReason, PickupRequest, Plan, PlanState, Route, Stop


def stop(stop_id: str, sequence: int) -> Stop:
    return Stop(
        stop_id=stop_id,
        sequence=sequence,
        device_id=f"bin-{sequence}",
        name=f"Place {sequence}",
        latitude=50.80 + sequence / 100,
        longitude=8.77,
        filling_level=0.9,
        volume_l=120,
        reasons=(DueReason.ABOVE_THRESHOLD,),
        arrival_s=300 * sequence,
        distance_m=1000 * sequence,
    )


def route(route_id: str, *stops: Stop) -> Route:
    return Route(route_id=route_id, vehicle="truck", stops=stops, distance_m=4000, duration_s=1200, load_l=240)


@pytest.fixture
def plan(resources: Resources, fill: Any) -> Plan:
    """Today's plan of two routes."""
    fill.municipality("marburg")
    kept = Plan(
        plan_id="p1",
        municipality="marburg",
        date=resources.today(),
        state=PlanState.DONE,
        created_at=utc_now(),
        depot_name="Bauhof",
        depot_latitude=50.8,
        depot_longitude=8.76,
        routes=(route("r1", stop("s1", 1), stop("s2", 2)), route("r2", stop("s3", 3))),
    )
    resources.state.pickups.add_plan(kept)
    return kept


@pytest.mark.usefixtures("plan")
class TestDone:
    def test_a_driver_who_was_offline_says_when(self, client: TestClient, resources: Resources) -> None:
        midnight = datetime.combine(resources.today(), datetime.min.time(), resources.settings.zone)
        at = format_rfc3339(midnight + timedelta(seconds=1))
        answer = client.post("/v1/pickups/stops/s1/done", json={"at": at})
        assert (answer.status_code, answer.json()["done_at"]) == (200, at)

    @pytest.mark.parametrize(
        ("ahead", "sentence"),
        [
            (timedelta(minutes=6), "at: lies in the future"),
            (timedelta(days=-1), "the day of the stop's plan"),
        ],
    )
    def test_not_in_the_future_and_not_of_another_day(
        self, client: TestClient, ahead: timedelta, sentence: str
    ) -> None:
        answer = client.post("/v1/pickups/stops/s1/done", json={"at": format_rfc3339(utc_now() + ahead)})
        assert answer.status_code == 422
        assert sentence in answer.json()["detail"]

    def test_a_phone_that_goes_a_little_fast_is_believed(self, client: TestClient) -> None:
        before = utc_now()
        answer = client.post("/v1/pickups/stops/s1/done", json={"at": format_rfc3339(before + timedelta(seconds=20))})
        if answer.status_code == 422:  # these twenty seconds are those before midnight
            assert "the day of the stop's plan" in answer.json()["detail"]
        else:
            assert before <= datetime.fromisoformat(answer.json()["done_at"]) <= utc_now()

    @pytest.mark.parametrize("body", [{"at": "today"}, {"at": 5}, {"driver": "x"}, []])
    def test_wrong_input_is_422(self, client: TestClient, body: Any) -> None:
        assert client.post("/v1/pickups/stops/s1/done", json=body).status_code == 422

    def test_a_missing_one_is_404(self, client: TestClient) -> None:
        at = format_rfc3339(utc_now())
        assert client.post("/v1/pickups/stops/s9/done", json={"at": at}).status_code == 404


@pytest.mark.usefixtures("plan")
class TestSkipped:
    def test_says_why_and_the_last_reason_counts(self, client: TestClient) -> None:
        first = client.post("/v1/pickups/stops/s1/skipped", json={"reason": "blocked"})
        assert (first.status_code, first.json()["state"], first.json()["skip_reason"]) == (200, "skipped", "blocked")
        assert first.json()["done_at"] is None
        assert client.post("/v1/pickups/stops/s1/skipped", json={"reason": "blocked"}).json() == first.json()
        body = {"reason": "other", "text": "Baustelle  bis\u00a0Freitag"}
        assert (
            client.post("/v1/pickups/stops/s1/skipped", json=body).json()["skip_reason"]
            == "other: Baustelle bis Freitag"
        )

    def test_the_bin_stays_due(self, client: TestClient, resources: Resources, fill: Any) -> None:
        fill.device("bin-1")
        fill.reading("bin-1", utc_now() - timedelta(minutes=5), {"filling_level": 0.95})
        request = PickupRequest(
            device_id="bin-1", municipality="marburg", requested_at=datetime(2026, 5, 4, tzinfo=UTC), reason="smells"
        )
        resources.state.pickups.request(request)
        client.post("/v1/pickups/stops/s1/skipped", json={"reason": "no_access"})
        (due,) = client.get("/v1/pickups/due").json()["items"]
        assert (due["device_id"], due["reasons"]) == ("bin-1", ["above_threshold", "requested"])
        client.post("/v1/pickups/stops/s1/done")
        assert client.get("/v1/pickups/due").json()["items"] == []

    def test_done_wins(self, client: TestClient) -> None:
        done = client.post("/v1/pickups/stops/s1/done").json()
        assert client.post("/v1/pickups/stops/s1/skipped", json={"reason": "blocked"}).json() == done
        client.post("/v1/pickups/stops/s2/skipped", json={"reason": "blocked"})
        later = client.post("/v1/pickups/stops/s2/done").json()
        assert (later["state"], later["skip_reason"]) == ("done", None)

    def test_both_are_seen_on_map_and_list(self, client: TestClient) -> None:
        client.post("/v1/pickups/stops/s1/skipped", json={"reason": "broken", "text": "lid"})
        client.post("/v1/pickups/stops/s2/done")
        features = client.get("/v1/pickups/plans/p1.geojson").json()["features"]
        stops = [feature["properties"] for feature in features if feature["properties"]["kind"] == "stop"]
        assert [(one["state"], one["skip_reason"]) for one in stops] == [
            ("skipped", "broken: lid"),
            ("done", None),
            ("planned", None),
        ]
        rows = list(csv.DictReader(io.StringIO(client.get("/v1/pickups/plans/p1.csv").text)))
        assert [(row["state"], row["skip_reason"], bool(row["done_at"])) for row in rows] == [
            ("skipped", "broken: lid", False),
            ("done", "", True),
            ("planned", "", False),
        ]

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"reason": "lazy"},
            {"reason": "other"},
            {"reason": "other", "text": "  "},
            {"reason": "blocked", "text": "x" * 201},
            {"reason": "blocked", "text": "a\nb"},
            {"reason": "blocked", "driver": "somebody"},
        ],
    )
    def test_wrong_input_is_422(self, client: TestClient, body: dict[str, str]) -> None:
        assert client.post("/v1/pickups/stops/s1/skipped", json=body).status_code == 422

    def test_a_missing_one_is_404(self, client: TestClient) -> None:
        assert client.post("/v1/pickups/stops/s9/skipped", json={"reason": "blocked"}).status_code == 404


@pytest.mark.usefixtures("plan")
class TestFiles:
    def test_the_sheet_in_both_languages(self, client: TestClient) -> None:
        german = client.get("/v1/pickups/plans/p1.pdf")
        assert german.headers["content-type"] == "application/pdf"
        assert german.headers["content-disposition"].startswith('inline; filename="marburg-')
        pages = [page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(german.content)]
        assert ["Tour 1" in page for page in pages] == [True, False]
        assert "Marburg" in pages[0]
        english = client.get("/v1/pickups/plans/p1.pdf?lang=en&route=r2")
        (page,) = [page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(english.content)]
        assert "Route 2" in page

    def test_one_route_alone(self, client: TestClient) -> None:
        features = client.get("/v1/pickups/plans/p1.geojson?route=r2").json()["features"]
        assert [each["properties"].get("stop_id") for each in features if each["properties"]["kind"] == "stop"] == [
            "s3"
        ]
        gpx = gpxpy.parse(client.get("/v1/pickups/plans/p1.gpx?route=r2").text)
        assert [waypoint.name for waypoint in gpx.waypoints] == ["3 Place 3"]
        assert len(client.get("/v1/pickups/plans/p1.csv?route=r2").text.splitlines()) == 2

    @pytest.mark.parametrize("suffix", [".geojson", ".gpx", ".csv", ".pdf"])
    def test_an_unknown_route_is_404(self, client: TestClient, suffix: str) -> None:
        answer = client.get(f"/v1/pickups/plans/p1{suffix}?route=r9")
        assert (answer.status_code, answer.json()["detail"]) == (404, "plan p1 has no route 'r9'")

    def test_wrong_queries_are_422(self, client: TestClient) -> None:
        assert client.get("/v1/pickups/plans/p1.pdf?lang=fr").status_code == 422
        assert client.get("/v1/pickups/plans/p9.pdf").status_code == 404
