"""Rules and their overrides over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.routers import rules

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
        assert shown["actions"] == []
        assert rule(client, "collection_late")["actions"] == ["request_pickup"]

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


NEARLY_FULL = {
    "name": "nearly_full",
    "severity": "info",
    "summary": "{name} is {value:.0%} full",
    "summary_de": "{name} ist zu {value:.0%} voll",
    "quantity": "filling_level",
    "above": 0.5,
}


def trial(**changes: Any) -> dict[str, Any]:
    return {"device_type": "waste_bin", "rules": [NEARLY_FULL], **changes}


class TestTryRules:
    def test_lists_what_would_have_been_raised_and_keeps_nothing(self, client: TestClient, fill: Any) -> None:
        fill.device("bin-1", municipality="marburg")
        fill.device("bin-2", municipality="lohra")
        begin = datetime.now(UTC) - timedelta(days=2)
        for hour, level in enumerate((0.2, 0.7, 0.1)):
            for device_id in ("bin-1", "bin-2"):
                fill.reading(device_id, begin + timedelta(hours=hour), {"filling_level": level})
        shown = client.post("/v1/rules/try", json=trial(municipality="marburg", since="P3D")).json()
        (alert,) = shown["alerts"]
        assert (alert["rule"], alert["device_id"], alert["state"]) == ("nearly_full", "bin-1", "resolved")
        assert (shown["by_rule"], shown["devices"], shown["readings"]) == ({"nearly_full": 1}, 1, 3)
        assert shown["complete"] is True
        assert client.get("/v1/alerts").json()["items"] == []

    def test_a_tree_with_parameters_is_taken(self, client: TestClient, fill: Any) -> None:
        fill.device("lamp-1", "streetlight", attributes={"rated_power_w": 40})
        at = datetime.now(UTC) - timedelta(hours=1)
        fill.reading("lamp-1", at, {"dim_level": 1.0, "active_power_w": 90.0})
        tree = {
            "all": [
                {"derived": "power_ratio", "above": "ratio"},
                {"not": {"attribute": "circuit", "equals": "test"}},
                {"any": [{"quantity": "dim_level", "above": 0.5}]},
            ]
        }
        rule = {key: value for key, value in NEARLY_FULL.items() if key not in ("quantity", "above")}
        rules = [rule | {"when": tree, "parameters": {"ratio": 2}}]
        asked = trial(device_type="streetlight", rules=rules)
        assert client.post("/v1/rules/try", json=asked).json()["alerts"] == []  # nothing is known of the circuit
        fill.device("lamp-2", "streetlight", attributes={"rated_power_w": 40, "circuit": "K 7"})
        fill.reading("lamp-2", at, {"dim_level": 1.0, "active_power_w": 90.0})
        (alert,) = client.post("/v1/rules/try", json=asked).json()["alerts"]
        assert (alert["device_id"], alert["value"], alert["summary"]) == ("lamp-2", 2.25, "Place lamp-2 is 225% full")

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"rules": []}, "rules"),
            ({"rules": [NEARLY_FULL, NEARLY_FULL]}, "there are two of this name"),
            ({"rules": [{**NEARLY_FULL, "quantity": "luck"}]}, "body: rule nearly_full: quantity: luck is none"),
            ({"rules": [{**NEARLY_FULL, "above": None}]}, "exactly one of"),
            ({"rules": [{**NEARLY_FULL, "summary": "{name.__class__}"}]}, "summary"),
            ({"device_type": "toaster"}, "device_type"),
            ({"since": "P900D"}, "since"),
            ({"municipality": "No"}, "municipality"),
            ({"colour": "red"}, "colour"),
        ],
    )
    def test_wrong_input_is_422(self, client: TestClient, changes: dict[str, Any], says: str) -> None:
        answer = client.post("/v1/rules/try", json=trial(**changes))
        assert answer.status_code == 422
        assert says in answer.text

    def test_conditions_nested_without_end_are_refused(self, client: TestClient) -> None:
        tree: dict[str, Any] = {"quantity": "filling_level", "above": 1}
        for _ in range(400):
            tree = {"not": tree}
        rule = {key: value for key, value in NEARLY_FULL.items() if key not in ("quantity", "above")}
        assert client.post("/v1/rules/try", json=trial(rules=[rule | {"when": tree}])).status_code == 422

    def test_an_unknown_municipality_is_404(self, client: TestClient) -> None:
        assert client.post("/v1/rules/try", json=trial(municipality="nowhere")).status_code == 404

    def test_one_trial_at_a_time(self, client: TestClient) -> None:
        with rules._trying:
            assert client.post("/v1/rules/try", json=trial()).status_code == 409
        assert client.post("/v1/rules/try", json=trial()).status_code == 200


def test_a_composed_rule_is_shown_with_its_tree(client: TestClient) -> None:
    shown = rule(client, "lamp_failure", device_type="streetlight")
    assert shown["condition"] == "composed"
    assert shown["when"]["any"][1] == {"derived": "power_ratio", "below": "dark_below"}
    assert shown["parameters"]["dark_below"] == 0.35
    assert (shown["for_reports"], shown["for_s"]) == (3, 900)
    supply = rule(client, "supply_loss", device_type="streetlight")
    assert (supply["condition"], supply["group_by"], supply["parameters"]) == (
        "group",
        "circuit",
        {"at_least": 3, "share": 0.5},
    )
