"""Rules and their overrides over HTTP."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

PATH = "/v1/municipalities/marburg/rules/bin_full"


def rule(client: TestClient, name: str, query: str = "", device_type: str = "waste_bin") -> dict[str, Any]:
    items = client.get(f"/v1/rules{query}").json()["items"]
    (found,) = [item for item in items if (item["name"], item["device_type"]) == (name, device_type)]
    return dict(found)


class TestListRules:
    def test_gives_what_ships(self, client: TestClient) -> None:
        shown = rule(client, "bin_full")
        assert shown["parameters"] == {"above": 0.8, "hysteresis": 0.1}
        assert (shown["enabled"], shown["severity"], shown["overridden"]) == (True, "warning", False)
        assert shown["municipality"] is None
        assert shown["quantity"] == "filling_level"
        assert shown["actions"] == ["request_pickup"]

    def test_a_municipality_has_its_own_threshold(self, client: TestClient, fill: Any) -> None:
        fill.municipality("marburg", filling_threshold=0.6)
        shown = rule(client, "bin_full", "?municipality=marburg")
        assert shown["parameters"]["above"] == 0.6
        assert (shown["municipality"], shown["overridden"]) == ("marburg", False)

    def test_pages_join_to_the_whole(self, client: TestClient) -> None:
        whole = client.get("/v1/rules").json()["items"]
        first = client.get("/v1/rules?limit=3").json()
        second = client.get("/v1/rules", params={"cursor": first["next_cursor"]}).json()
        assert first["items"] + second["items"] == whole

    def test_an_unknown_municipality_is_404(self, client: TestClient) -> None:
        assert client.get("/v1/rules?municipality=nowhere").status_code == 404

    @pytest.mark.parametrize("query", ["municipality=No", "name=bin_full", "cursor=x"])
    def test_wrong_queries_are_422(self, client: TestClient, query: str) -> None:
        assert client.get(f"/v1/rules?{query}").status_code == 422


class TestOverrideRule:
    def test_holds_in_this_municipality_only(self, client: TestClient, fill: Any) -> None:
        fill.municipality("marburg")
        fill.municipality("lahntal")
        answer = client.put(PATH, json={"severity": "critical", "parameters": {"above": 0.7}})
        assert answer.status_code == 200
        (shown,) = answer.json()["items"]
        assert shown == rule(client, "bin_full", "?municipality=marburg")
        assert (shown["severity"], shown["parameters"]) == ("critical", {"above": 0.7, "hysteresis": 0.1})
        assert shown["overridden"] is True
        assert rule(client, "bin_full", "?municipality=lahntal")["parameters"]["above"] == 0.8

    def test_replaces_the_override_before(self, client: TestClient, fill: Any) -> None:
        fill.municipality("marburg")
        client.put(PATH, json={"severity": "critical"})
        client.put(PATH, json={"enabled": False})
        shown = rule(client, "bin_full", "?municipality=marburg")
        assert (shown["enabled"], shown["severity"]) == (False, "warning")

    def test_a_name_of_two_device_types_changes_both(self, client: TestClient, fill: Any) -> None:
        fill.municipality("marburg")
        items = client.put("/v1/municipalities/marburg/rules/battery_low", json={"enabled": False}).json()["items"]
        assert sorted(item["device_type"] for item in items) == ["streetlight", "waste_bin"]

    @pytest.mark.parametrize(
        "body",
        [
            {"parameters": {"below": 0.5}},
            {"parameters": {"above": "high"}},
            {"parameters": {"hysteresis": -1}},
            {"severity": "awful"},
            {"enabled": "perhaps"},
            {"colour": "red"},
            [],
        ],
    )
    def test_wrong_input_is_422_and_changes_nothing(self, client: TestClient, fill: Any, body: object) -> None:
        fill.municipality("marburg")
        assert client.put(PATH, json=body).status_code == 422
        assert rule(client, "bin_full", "?municipality=marburg")["overridden"] is False

    def test_what_is_missing_is_404(self, client: TestClient, fill: Any) -> None:
        assert client.put(PATH, json={}).status_code == 404
        fill.municipality("marburg")
        assert client.put("/v1/municipalities/marburg/rules/no_such_rule", json={}).status_code == 404


class TestResetRule:
    def test_lets_it_hold_as_it_ships(self, client: TestClient, fill: Any) -> None:
        fill.municipality("marburg")
        client.put(PATH, json={"enabled": False})
        assert client.delete(PATH).status_code == 204
        assert rule(client, "bin_full", "?municipality=marburg")["enabled"] is True

    def test_a_missing_one_is_404(self, client: TestClient) -> None:
        assert client.delete(PATH).status_code == 404
