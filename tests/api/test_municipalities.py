"""Municipalities over HTTP."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from core.device import DeviceStatus


class TestListMunicipalities:
    def test_counts_devices_and_open_alerts(self, client: TestClient, fill: Any) -> None:
        fill.municipality("lahntal")
        fill.municipality("marburg")
        fill.device("bin-1")
        fill.device("lamp-1", "streetlight")
        fill.device("lamp-2", "streetlight", status=DeviceStatus.DISCOVERED)
        fill.alert("a1")
        lahntal, marburg = client.get("/v1/municipalities").json()["items"]
        assert (lahntal["municipality"], lahntal["devices"], lahntal["alerts"]) == ("lahntal", 0, 0)
        assert marburg["devices_by_type"] == {"streetlight": 2, "waste_bin": 1}
        assert (marburg["name"], marburg["devices"], marburg["alerts"], marburg["bins_due"]) == ("Marburg", 3, 1, 0)

    def test_pages(self, client: TestClient, fill: Any) -> None:
        for slug in ("a", "b", "c"):
            fill.municipality(slug)
        first = client.get("/v1/municipalities?limit=2").json()
        second = client.get("/v1/municipalities", params={"cursor": first["next_cursor"]}).json()
        assert [item["municipality"] for item in second["items"]] == ["c"]

    @pytest.mark.parametrize("query", ["limit=0", "cursor=x", "name=Marburg"])
    def test_wrong_queries_are_422(self, client: TestClient, query: str) -> None:
        assert client.get(f"/v1/municipalities?{query}").status_code == 422


class TestChangeMunicipality:
    def test_changes_what_is_given(self, client: TestClient, fill: Any) -> None:
        fill.municipality("marburg", planning_hour=5)
        change = {
            "filling_threshold": 0.7,
            "depot": {"name": "Bauhof", "latitude": 50.8, "longitude": 8.7},
            "vehicles": [{"name": "truck", "count": 2, "capacity_l": 9000, "shift_s": 25200}],
        }
        answer = client.patch("/v1/municipalities/marburg", json=change)
        assert answer.status_code == 200
        shown = client.get("/v1/municipalities/marburg").json()
        assert shown == answer.json()
        assert {name: shown[name] for name in change if name != "vehicles"} == {
            name: value for name, value in change.items() if name != "vehicles"
        }
        (truck,) = shown["vehicles"]
        assert truck.items() >= change["vehicles"][0].items()  # type: ignore[index]
        assert (truck["capacity_kg"], truck["shift_start_s"], truck["cost_per_km"]) == (None, 21_600, 0.8)
        assert (shown["planning_hour"], shown["name"]) == (5, "Marburg")
        assert client.patch("/v1/municipalities/marburg", json={"depot": None}).json()["depot"] is None

    def test_disposal_sites_and_how_bins_are_chosen(self, client: TestClient, fill: Any) -> None:
        fill.municipality("marburg")
        fill.municipality("lahntal")
        site = {
            "name": "Glashof",
            "latitude": 50.8,
            "longitude": 8.7,
            "unloading_s": 600,
            "waste_kinds": ["glass"],
            "open_from_s": 25200,
            "open_until_s": 61200,
        }
        change = {
            "disposal_sites": [site],
            "collection_days": [4, 1, 4],
            "required_probability": 0.9,
            "overflow_cost": 20.0,
            "replanning_hours": [9, 12],
            "planned_with": ["lahntal", "marburg"],
        }
        shown = client.patch("/v1/municipalities/marburg", json=change).json()
        assert shown.items() >= (change | {"collection_days": [1, 4], "planned_with": ["lahntal"]}).items()
        assert client.get("/v1/municipalities/marburg").json() == shown
        missing = client.patch("/v1/municipalities/marburg", json={"planned_with": ["atlantis"]})
        assert (missing.status_code, "atlantis" in missing.text) == (404, True)

    @pytest.mark.parametrize(
        "change",
        [
            {"filling_threshold": 1.2},
            {"filling_threshold": None},
            {"planning_hour": 24},
            {"depot": {"name": "x"}},
            {"vehicles": [{"name": "truck", "count": 1, "capacity_l": 0, "shift_s": 1}]},
            {"disposal_sites": None},
            {"disposal_sites": [{"name": "x", "latitude": 1, "longitude": 1, "open_from_s": 9, "open_until_s": 8}]},
            {"collection_days": [0]},
            {"collection_days": []},
            {"replanning_hours": [24]},
            {"municipality": "other"},
        ],
    )
    def test_wrong_input_is_422(self, client: TestClient, fill: Any, change: dict[str, Any]) -> None:
        before = fill.municipality("marburg")
        assert client.patch("/v1/municipalities/marburg", json=change).status_code == 422
        assert fill.resources.state.municipalities.get("marburg") == before

    def test_a_missing_one_is_404(self, client: TestClient) -> None:
        assert client.patch("/v1/municipalities/nowhere", json={}).status_code == 404
        assert client.get("/v1/municipalities/nowhere").status_code == 404
