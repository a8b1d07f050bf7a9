import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime

import gpxpy
import pytest

from core.errors import NotFoundError
from core.pickup import DueReason, Plan, PlanState, Route, Stop, StopState
from pickups.sheet.exports import plan_csv, plan_document, plan_geojson, plan_gpx


@pytest.fixture
def plan() -> Plan:
    """Two routes of two stops and one, one bin left out."""

    def stop(number: int, sequence: int, name: str) -> Stop:
        return Stop(
            stop_id=f"stop-{number}",
            sequence=sequence,
            device_id=f"bin-{number}",
            name=name,
            latitude=round(50.8 + number / 100, 2),
            longitude=round(8.7 + number / 100, 2),
            filling_level=0.9,
            volume_l=240.0,
            reasons=(DueReason.ABOVE_THRESHOLD, DueReason.REQUESTED),
            arrival_s=600 * sequence,
            distance_m=1000 * sequence,
        )

    stops = (stop(1, 1, "Elisabethkirche"), stop(2, 2, "Köhlersgrund & Sohn"), stop(3, 1, '=HYPERLINK("http://x")'))
    return Plan(
        plan_id="plan-1",
        municipality="marburg",
        date=date(2026, 5, 6),
        state=PlanState.DONE,
        progress=1.0,
        created_at=datetime(2026, 5, 6, 2, tzinfo=UTC),
        finished_at=datetime(2026, 5, 6, 2, 0, 1, tzinfo=UTC),
        distance_m=7000,
        duration_s=4000,
        depot_name="Bauhof",
        depot_latitude=50.80,
        depot_longitude=8.70,
        disposal_name="Deponie",
        disposal_latitude=50.90,
        disposal_longitude=8.90,
        routes=(
            Route(route_id="r1", vehicle="truck", stops=stops[:2], distance_m=4000, duration_s=2500, load_l=480.0),
            Route(route_id="r2", vehicle="van", stops=stops[2:], distance_m=3000, duration_s=1500, load_l=240.0),
        ),
        unplanned=("bin-9",),
    )


def test_geojson_has_routes_as_lines_and_stops_as_points(plan: Plan) -> None:
    document = json.loads(json.dumps(plan_geojson(plan), allow_nan=False))
    assert document["type"] == "FeatureCollection"
    by_kind: dict[str, list[dict[str, dict[str, object]]]] = {}
    for feature in document["features"]:
        assert feature["type"] == "Feature"
        by_kind.setdefault(feature["properties"]["kind"], []).append(feature)
    assert {kind: len(features) for kind, features in by_kind.items()} == {
        "route": 2,
        "stop": 3,
        "depot": 1,
        "disposal_site": 1,
    }
    assert by_kind["route"][0]["geometry"] == {
        "type": "LineString",
        "coordinates": [[8.70, 50.80], [8.71, 50.81], [8.72, 50.82], [8.90, 50.90], [8.70, 50.80]],
    }
    stop = by_kind["stop"][1]
    assert stop["geometry"] == {"type": "Point", "coordinates": [8.72, 50.82]}
    assert stop["properties"]["sequence"] == 2
    assert stop["properties"]["reasons"] == ["above_threshold", "requested"]
    assert document["unplanned"] == ["bin-9"]
    assert document["distance_source"] == "great_circle_x1.35"


def test_a_line_has_two_positions_even_if_all_is_at_one_spot(plan: Plan) -> None:
    """RFC 7946, 3.1.4: a LineString has two or more positions."""
    here = replace(plan.routes[1].stops[0], latitude=50.80, longitude=8.70)
    one_spot = replace(
        plan,
        disposal_latitude=50.80,
        disposal_longitude=8.70,
        routes=(replace(plan.routes[1], stops=(here,)),),
    )
    (line,) = [feature for feature in plan_geojson(one_spot)["features"] if feature["properties"]["kind"] == "route"]
    assert line["geometry"]["coordinates"] == [[8.70, 50.80], [8.70, 50.80]]


def test_gpx_reads_back_as_routes_with_all_points(plan: Plan) -> None:
    gpx = gpxpy.parse(plan_gpx(plan))
    assert gpx.version == "1.1"
    assert [len(route.points) for route in gpx.routes] == [5, 4]
    assert [point.name for point in gpx.routes[0].points] == [
        "Bauhof",
        "1 Elisabethkirche",
        "2 Köhlersgrund & Sohn",
        "Deponie",
        "Bauhof",
    ]
    assert [waypoint.name for waypoint in gpx.waypoints][:2] == ["1 Elisabethkirche", "2 Köhlersgrund & Sohn"]
    assert (gpx.routes[0].points[1].latitude, gpx.routes[0].points[1].longitude) == (50.81, 8.71)


def test_gpx_leaves_out_what_xml_cannot_say(plan: Plan) -> None:
    named = replace(plan, depot_name="Bau\x00hof\x1b <&>", routes=())
    assert gpxpy.parse(plan_gpx(named)).routes == []
    named = replace(named, routes=plan.routes)
    assert gpxpy.parse(plan_gpx(named)).routes[0].points[0].name == "Bauhof <&>"


def test_csv_has_a_row_a_stop_and_no_formula(plan: Plan) -> None:
    rows = list(csv.DictReader(io.StringIO(plan_csv(plan), newline="")))
    assert [(row["route"], row["vehicle"], row["sequence"], row["device_id"]) for row in rows] == [
        ("1", "truck", "1", "bin-1"),
        ("1", "truck", "2", "bin-2"),
        ("2", "van", "1", "bin-3"),
    ]
    assert rows[0]["reasons"] == "above_threshold requested"
    assert (rows[0]["latitude"], rows[0]["longitude"], rows[0]["filling_level"]) == ("50.81", "8.71", "0.9")
    assert rows[1]["name"] == "Köhlersgrund & Sohn"
    assert rows[2]["name"] == '\'=HYPERLINK("http://x")'


def test_the_document_has_everything_in_json_values(plan: Plan) -> None:
    done = replace(plan.routes[0].stops[0], state=StopState.DONE, done_at=datetime(2026, 5, 6, 7, tzinfo=UTC))
    confirmed = replace(plan, routes=(replace(plan.routes[0], stops=(done,)), plan.routes[1]))
    document = json.loads(json.dumps(plan_document(confirmed), allow_nan=False))
    assert (document["date"], document["state"], document["created_at"]) == (
        "2026-05-06",
        "done",
        "2026-05-06T02:00:00Z",
    )
    assert document["depot"] == {"name": "Bauhof", "latitude": 50.80, "longitude": 8.70}
    assert document["routes"][0]["stops"][0]["state"] == "done"
    assert document["routes"][0]["stops"][0]["done_at"] == "2026-05-06T07:00:00Z"
    assert document["routes"][1]["stops"][0]["done_at"] is None
    assert (document["notice"], document["unplanned_reasons"]) == (None, {})


def test_a_plan_that_is_not_made_yet_can_be_written(plan: Plan) -> None:
    queued = Plan(plan_id="p", municipality="m", date=plan.date, state=PlanState.QUEUED, created_at=plan.created_at)
    assert plan_geojson(queued)["features"] == []
    assert gpxpy.parse(plan_gpx(queued)).routes == []
    assert plan_csv(queued).count("\r\n") == 1
    assert plan_document(queued)["depot"] is None


def test_geojson_follows_the_roads_and_says_times_of_day(driven_plan: Callable[..., Plan]) -> None:
    features = plan_geojson(driven_plan())["features"]
    assert "OpenStreetMap" in plan_geojson(driven_plan())["attribution"]
    assert "attribution" not in plan_geojson(driven_plan(distance_source="great_circle_x1.35"))
    by_kind = {feature["properties"]["kind"]: feature for feature in features}
    way = by_kind["route"]["geometry"]["coordinates"]
    assert way[:4] == [[8.70, 50.80], [8.71, 50.80], [8.71, 50.81], [8.72, 50.81]]
    assert (by_kind["route"]["properties"]["start_time"], by_kind["route"]["properties"]["end_time"]) == (
        "06:05",
        "08:35",
    )
    assert by_kind["stop"]["properties"]["time"] == "06:35"
    assert by_kind["stop"]["properties"]["street"] == "Köhlersgrund 7"
    assert by_kind["unloading"]["geometry"]["coordinates"] == [8.9, 50.9]
    assert (by_kind["unloading"]["properties"]["time"], by_kind["unloading"]["properties"]["name"]) == (
        "06:55",
        "Deponie",
    )
    assert by_kind["break"]["geometry"]["coordinates"] == [8.71, 50.81]  # where the stop before it is
    assert by_kind["break"]["properties"]["time"] == "06:16"


def test_gpx_has_a_track_along_the_roads_and_unloadings_in_order(driven_plan: Callable[..., Plan]) -> None:
    gpx = gpxpy.parse(plan_gpx(driven_plan()))
    (track,) = gpx.tracks
    assert track.name == "1 Müllwagen"
    assert [(point.latitude, point.longitude) for point in track.segments[0].points[:3]] == [
        (50.80, 8.70),
        (50.80, 8.71),
        (50.81, 8.71),
    ]
    assert [point.name for point in gpx.routes[0].points] == [
        "Bauhof",
        "1 Platz 1",
        "2 Platz 2",
        "Deponie",
        "3 Platz 3",
        "Bauhof",
    ]
    assert gpx.waypoints[0].description == "06:15, Köhlersgrund 7, residual, Schlüssel beim Hausmeister"


def test_without_known_roads_there_is_no_track(plan: Plan, driven_plan: Callable[..., Plan]) -> None:
    assert gpxpy.parse(plan_gpx(plan)).tracks == []
    assert gpxpy.parse(plan_gpx(driven_plan(distance_source="great_circle_x1.35"))).tracks == []


def test_csv_says_what_a_driver_and_the_office_need(driven_plan: Callable[..., Plan]) -> None:
    made = driven_plan()
    skipped = replace(made.routes[0].stops[0], state=StopState.SKIPPED, skip_reason="blocked")
    done = replace(made.routes[0].stops[1], state=StopState.DONE, done_at=datetime(2026, 5, 6, 7, tzinfo=UTC))
    made = replace(made, routes=(replace(made.routes[0], stops=(skipped, done)),))
    first, second = csv.DictReader(io.StringIO(plan_csv(made), newline=""))
    assert (first["time"], first["street"], first["waste_kind"], first["remark"]) == (
        "06:15",
        "Köhlersgrund 7",
        "residual",
        "Schlüssel beim Hausmeister",
    )
    assert (first["state"], first["skip_reason"], first["done_at"]) == ("skipped", "blocked", "")
    assert (second["state"], second["skip_reason"], second["done_at"]) == ("done", "", "2026-05-06T07:00:00Z")
    shown = [each["properties"] for each in plan_geojson(made)["features"] if each["properties"]["kind"] == "stop"]
    assert [stop["skip_reason"] for stop in shown] == ["blocked", None]


@pytest.mark.parametrize("export", [plan_geojson, plan_gpx, plan_csv])
def test_one_route_alone_keeps_its_number(plan: Plan, export: Callable[..., object]) -> None:
    text = str(export(plan, "r2"))
    assert "bin-3" in text or "HYPERLINK" in text
    assert "Elisabethkirche" not in text
    assert next(csv.DictReader(io.StringIO(plan_csv(plan, "r2"), newline="")))["route"] == "2"
    with pytest.raises(NotFoundError, match="plan plan-1 has no route 'r9'"):
        export(plan, "r9")
