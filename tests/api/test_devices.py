"""The registry over HTTP."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from fastapi.testclient import TestClient

from api.resources import Resources
from core.device import DeviceStatus

LAMP = {
    "device_id": "lamp-1",
    "device_type": "streetlight",
    "municipality": "marburg",
    "name": "Beltershäuser Straße 1",
    "latitude": 50.79,
    "longitude": 8.78,
    "street": "Beltershäuser Straße",
    "attributes": {"pole": "A1", "power_w": 42.5, "led": True},
}
AT = datetime(2026, 5, 4, 12, tzinfo=UTC)


class TestAddDevice:
    def test_registers_it_and_says_where_it_is(self, client: TestClient) -> None:
        answer = client.post("/v1/devices", json=LAMP)
        assert answer.status_code == 201
        assert answer.headers["Location"] == "/v1/devices/lamp-1"
        shown = client.get(answer.headers["Location"]).json()
        assert shown == answer.json()
        assert {name: shown[name] for name in LAMP} == LAMP
        assert shown["status"] == "active"
        assert shown["connection"] == "unknown"
        assert shown["last_seen_at"] is None
        assert shown["created_at"].endswith("Z")

    def test_makes_its_municipality(self, client: TestClient) -> None:
        client.post("/v1/devices", json=LAMP)
        assert [item["municipality"] for item in client.get("/v1/municipalities").json()["items"]] == ["marburg"]

    def test_an_id_that_exists_is_409(self, client: TestClient) -> None:
        client.post("/v1/devices", json=LAMP)
        answer = client.post("/v1/devices", json=LAMP | {"name": "another"})
        assert answer.status_code == 409
        assert "lamp-1" in answer.json()["detail"]
        assert client.get("/v1/devices/lamp-1").json()["name"] == LAMP["name"]

    @pytest.mark.parametrize(
        ("change", "location"),
        [
            ({"device_id": "a/b"}, "body.device_id"),
            ({"device_id": ""}, "body.device_id"),
            ({"device_id": "x" * 65}, "body.device_id"),
            ({"device_type": "toaster"}, "body.device_type"),
            ({"municipality": "Marburg"}, "body.municipality"),
            ({"latitude": 91}, "body.latitude"),
            ({"longitude": None}, "body"),
            ({"status": "broken"}, "body.status"),
            ({"name": "a\x00b"}, "body.name"),
            ({"colour": "green"}, "body.colour"),
            ({"attributes": {"list": [1]}}, "body.attributes.list"),
            ({"attributes": {f"a{number}": 1 for number in range(65)}}, "body.attributes"),
        ],
    )
    def test_wrong_input_is_422_and_named(self, client: TestClient, change: dict[str, Any], location: str) -> None:
        answer = client.post("/v1/devices", json=LAMP | change)
        assert answer.status_code == 422
        assert any(error["location"].startswith(location) for error in answer.json()["errors"])
        assert client.get("/v1/devices").json()["items"] == []


class TestListDevices:
    def test_filters_narrow_together(self, client: TestClient, fill: Any) -> None:
        fill.device("bin-1")
        fill.device("bin-2", municipality="lahntal")
        fill.device("lamp-1", "streetlight", street="Beltershäuser Straße", latitude=50.79)
        fill.device("lamp-2", "streetlight", status=DeviceStatus.MAINTENANCE)

        def ids(query: str) -> list[str]:
            answer = client.get(f"/v1/devices?{query}")
            assert answer.status_code == 200
            return [item["device_id"] for item in answer.json()["items"]]

        assert ids("") == ["bin-1", "bin-2", "lamp-1", "lamp-2"]
        assert ids("municipality=lahntal") == ["bin-2"]
        assert ids("device_type=streetlight") == ["lamp-1", "lamp-2"]
        assert ids("device_type=streetlight&status=maintenance") == ["lamp-2"]
        assert ids("bbox=8.7,50.78,8.8,50.80") == ["lamp-1"]
        assert ids("q=BELTERSHÄUSER") == ["lamp-1"]
        assert ids("municipality=nowhere") == []

    def test_pages_join_to_the_whole(self, client: TestClient, fill: Any) -> None:
        for number in range(5):
            fill.device(f"bin-{number}")
        first = client.get("/v1/devices?limit=2").json()
        second = client.get("/v1/devices", params={"limit": 2, "cursor": first["next_cursor"]}).json()
        third = client.get("/v1/devices", params={"limit": 2, "cursor": second["next_cursor"]}).json()
        pages = [[item["device_id"] for item in page["items"]] for page in (first, second, third)]
        assert pages == [["bin-0", "bin-1"], ["bin-2", "bin-3"], ["bin-4"]]
        assert third["next_cursor"] is None

    @pytest.mark.parametrize(
        "query",
        [
            "limit=0",
            "limit=1001",
            "limit=ten",
            "cursor=%21",
            "cursor=WzFd",
            "bbox=1,2,3",
            "bbox=8,51,9,50",
            "bbox=8,50,9,nan",
            "bbox=8,50,900,51",
            "device_type=toaster",
            "status=broken",
            "municipality=",
            "q=a%00b",
            "colour=green",
            "limit=1&limit=2",
        ],
    )
    def test_wrong_queries_are_422(self, client: TestClient, query: str) -> None:
        answer = client.get(f"/v1/devices?{query}")
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"


class TestGetDevice:
    def test_a_missing_one_is_404(self, client: TestClient) -> None:
        answer = client.get("/v1/devices/lamp-7")
        assert answer.status_code == 404
        assert answer.json()["title"] == "Not Found"
        assert "lamp-7" in answer.json()["detail"]

    def test_an_impossible_id_is_422(self, client: TestClient) -> None:
        assert client.get("/v1/devices/b%C3%A4r").status_code == 422


class TestChangeDevice:
    def test_merges_attributes_and_null_removes_one(self, client: TestClient) -> None:
        client.post("/v1/devices", json=LAMP)
        answer = client.patch("/v1/devices/lamp-1", json={"attributes": {"pole": None, "power_w": 30, "zone": "B"}})
        assert answer.status_code == 200
        assert answer.json()["attributes"] == {"power_w": 30, "led": True, "zone": "B"}
        assert answer.json()["name"] == LAMP["name"]
        assert client.get("/v1/devices/lamp-1").json() == answer.json()

    def test_adopts_a_discovered_device(self, client: TestClient, fill: Any) -> None:
        fill.device("lamp-9", "streetlight", status=DeviceStatus.DISCOVERED)
        assert client.patch("/v1/devices/lamp-9", json={"status": "active"}).json()["status"] == "active"

    def test_null_takes_a_street_away_and_empty_changes_nothing(self, client: TestClient) -> None:
        client.post("/v1/devices", json=LAMP)
        assert client.patch("/v1/devices/lamp-1", json={"street": None}).json()["street"] is None
        assert client.patch("/v1/devices/lamp-1", json={}).json()["name"] == LAMP["name"]

    @pytest.mark.parametrize(
        "change",
        [{"latitude": None}, {"status": None}, {"name": None}, {"device_type": "waste_bin"}, {"longitude": 181}, []],
    )
    def test_wrong_input_is_422(self, client: TestClient, change: Any) -> None:
        client.post("/v1/devices", json=LAMP)
        assert client.patch("/v1/devices/lamp-1", json=change).status_code == 422

    def test_a_missing_one_is_404(self, client: TestClient) -> None:
        assert client.patch("/v1/devices/lamp-7", json={"name": "x"}).status_code == 404


class TestDeleteDevice:
    def test_leaves_its_readings_unless_asked(self, client: TestClient, fill: Any, resources: Resources) -> None:
        for device_id in ("bin-1", "bin-2"):
            fill.device(device_id)
            fill.reading(device_id, AT, {"filling_level": 0.5})
        assert client.delete("/v1/devices/bin-1").status_code == 204
        assert client.delete("/v1/devices/bin-2?readings=true").status_code == 204
        assert client.get("/v1/devices").json()["items"] == []
        kept = resources.readings.latest(device_ids=["bin-1", "bin-2"])
        assert [observation.device_id for observation in kept] == ["bin-1"]
        assert resources.state.erasures.all().keys() == {"bin-2"}, "what ingest has spooled of it must not come back"

    def test_a_missing_one_is_404(self, client: TestClient) -> None:
        assert client.delete("/v1/devices/lamp-7?readings=true").status_code == 404


class TestImportDevices:
    CSV = "device_id,device_type,municipality,latitude,longitude,height_m\nbin-1,waste_bin,marburg,50.8,8.7,1.1\n"

    def test_takes_csv(self, client: TestClient) -> None:
        answer = client.post("/v1/devices/import", content=self.CSV, headers={"Content-Type": "text/csv"})
        assert (answer.status_code, answer.json()) == (200, {"imported": 1})
        shown = client.get("/v1/devices/bin-1").json()
        assert (shown["latitude"], shown["attributes"]) == (50.8, {"height_m": 1.1})
        assert client.get("/v1/municipalities").json()["items"][0]["municipality"] == "marburg"

    @pytest.mark.parametrize("media_type", ["application/geo+json", "application/json"])
    def test_takes_geojson(self, client: TestClient, media_type: str) -> None:
        collection = {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "geometry": {"type": "Point", "coordinates": [8.7, 50.8]},
                    "properties": {"device_id": "bin-1", "device_type": "waste_bin", "municipality": "marburg"},
                }
            ],
        }
        answer = client.post("/v1/devices/import", json=collection, headers={"Content-Type": media_type})
        assert answer.json() == {"imported": 1}
        assert client.get("/v1/devices/bin-1").json()["longitude"] == 8.7

    def test_names_every_bad_row_and_keeps_none(self, client: TestClient) -> None:
        bad = self.CSV + "b/2,waste_bin,marburg,50.8,8.7,1\nbin-3,toaster,marburg,50.8,8.7,1\n"
        answer = client.post("/v1/devices/import", content=bad, headers={"Content-Type": "text/csv"})
        assert answer.status_code == 422
        errors = answer.json()["errors"]
        assert [error["location"] for error in errors] == ["line 3", "line 4"]
        assert "toaster" in errors[1]["detail"]
        assert client.get("/v1/devices").json()["items"] == []

    @pytest.mark.parametrize(
        ("content", "media_type", "status"),
        [
            (b"\xff\xfe", "text/csv", 422),
            (b"", "text/csv", 422),
            (b"[1]", "application/geo+json", 422),
            (b"{}", "application/xml", 415),
            (b"x" * (10 * 1024 * 1024 + 1), "text/csv", 413),
        ],
    )
    def test_what_cannot_be_read_is_a_problem(
        self, client: TestClient, content: bytes, media_type: str, status: int
    ) -> None:
        answer = client.post("/v1/devices/import", content=content, headers={"Content-Type": media_type})
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"

    def test_takes_more_than_other_bodies(self, client: TestClient) -> None:
        rows = "".join(f"bin-{number},waste_bin,marburg,50.8,8.7,{'9' * 400}\n" for number in range(3000))
        content = self.CSV.splitlines()[0].replace("height_m", "note") + "\n" + rows
        assert len(content) > 1024 * 1024
        answer = client.post("/v1/devices/import", content=content, headers={"Content-Type": "text/csv"})
        assert answer.json() == {"imported": 3000}


class TestDevicesGeojson:
    def test_shows_position_and_newest_values(self, client: TestClient, fill: Any) -> None:
        fill.device("bin-1", attributes={"height_m": 1.1})
        fill.device("bin-2", latitude=None, longitude=None)
        fill.reading("bin-1", AT, {"filling_level": 0.5})
        answer = client.get("/v1/devices.geojson?device_type=waste_bin")
        assert answer.headers["content-type"] == "application/geo+json"
        collection = answer.json()
        assert collection["type"] == "FeatureCollection"
        assert collection["next_cursor"] is None
        first, second = collection["features"]
        assert first["type"] == "Feature"
        assert first["geometry"] == {"type": "Point", "coordinates": [8.77, 50.81]}
        assert first["properties"]["device_id"] == "bin-1"
        assert first["properties"]["filling_level"] == 0.5
        assert first["properties"]["observed_at"] == "2026-05-04T12:00:00Z"
        assert first["properties"]["attributes"] == {"height_m": 1.1}
        assert second["geometry"] is None
        assert second["properties"]["observed_at"] is None

    def test_goes_on_over_chunks_of_a_thousand(self, client: TestClient, resources: Resources, fill: Any) -> None:
        template = fill.device("bin-0000")
        resources.state.devices.put_many([replace(template, device_id=f"bin-{number:04}") for number in range(2101)])
        features = client.get("/v1/devices.geojson").json()["features"]
        assert [feature["id"] for feature in features] == [f"bin-{number:04}" for number in range(2101)]

        part = client.get("/v1/devices.geojson?limit=1500").json()
        rest = client.get("/v1/devices.geojson", params={"cursor": part["next_cursor"]}).json()
        assert (len(part["features"]), len(rest["features"])) == (1500, 601)

    def test_nothing_is_an_empty_collection(self, client: TestClient) -> None:
        answer = client.get("/v1/devices.geojson?municipality=nowhere")
        assert answer.json() == {"type": "FeatureCollection", "features": [], "next_cursor": None}

    @pytest.mark.parametrize("query", ["limit=50001", "bbox=x", "cursor=x", "page=2"])
    def test_wrong_queries_are_422(self, client: TestClient, query: str) -> None:
        assert client.get(f"/v1/devices.geojson?{query}").status_code == 422


class TestAttributesOfLamps:
    WRONG: ClassVar = {"lighting_class": "P4", "lighting_class_reduced": "P3"}

    def test_a_class_that_is_no_reduction_is_422_and_named(self, client: TestClient) -> None:
        answer = client.post("/v1/devices", json={**LAMP, "attributes": self.WRONG})
        assert answer.status_code == 422
        assert "lighting_class_reduced 'P3'" in answer.json()["detail"]
        client.post("/v1/devices", json=LAMP)
        assert client.patch("/v1/devices/lamp-1", json={"attributes": self.WRONG}).status_code == 422
        good = {"lighting_class": "P4", "lighting_class_reduced": "P6"}
        assert client.patch("/v1/devices/lamp-1", json={"attributes": good}).status_code == 200
