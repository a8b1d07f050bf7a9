"""Alerts over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from core.alert import AlertState, Severity
from core.device import DeviceStatus

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


class TestListAlerts:
    @pytest.fixture(autouse=True)
    def _alerts(self, fill: Any) -> None:
        fill.device("bin-1")
        fill.device("bin-2", status=DeviceStatus.MAINTENANCE)
        fill.alert("a1", started_at=NOON)
        fill.alert("a2", started_at=NOON + timedelta(hours=1), device_id="bin-2", municipality="lahntal")
        fill.alert("a3", started_at=NOON + timedelta(hours=2), rule="fire_detected", severity=Severity.CRITICAL)
        fill.alert("a4", started_at=NOON, device_id="bin-3", state=AlertState.RESOLVED, resolved_at=NOON)

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("", ["a3", "a2", "a4", "a1"]),
            ("state=resolved", ["a4"]),
            ("severity=critical", ["a3"]),
            ("municipality=lahntal", ["a2"]),
            ("device_id=bin-1", ["a3", "a1"]),
            ("rule=bin_full&state=firing", ["a2", "a1"]),
            ("start=2026-05-04T12:00:01Z&end=2026-05-04T14:00:00Z", ["a2"]),
            ("muted=true", ["a2"]),
            ("muted=false&state=firing", ["a3", "a1"]),
        ],
    )
    def test_newest_first_and_filtered(self, client: TestClient, query: str, expected: list[str]) -> None:
        items = client.get(f"/v1/alerts?{query}").json()["items"]
        assert [item["alert_id"] for item in items] == expected

    def test_pages(self, client: TestClient) -> None:
        first = client.get("/v1/alerts?limit=3").json()
        second = client.get("/v1/alerts", params={"cursor": first["next_cursor"]}).json()
        assert [item["alert_id"] for item in second["items"]] == ["a1"]

    @pytest.mark.parametrize("query", ["state=open", "severity=bad", "rule=Bin Full", "device_type=waste_bin"])
    def test_wrong_queries_are_422(self, client: TestClient, query: str) -> None:
        assert client.get(f"/v1/alerts?{query}").status_code == 422


class TestGetAlert:
    def test_shows_it(self, client: TestClient, fill: Any) -> None:
        fill.alert("a1")
        assert client.get("/v1/alerts/a1").json() == {
            "alert_id": "a1",
            "rule": "bin_full",
            "device_id": "bin-1",
            "device_type": "waste_bin",
            "municipality": "marburg",
            "severity": "warning",
            "state": "firing",
            "summary": "Marktplatz is 92% full",
            "value": 0.92,
            "started_at": "2026-05-04T12:00:00Z",
            "fired_at": "2026-05-04T12:00:00Z",
            "resolved_at": None,
            "acknowledged_at": None,
            "acknowledged_by": None,
            "comment": None,
            "summary_de": None,
            "muted": False,
            "circuit": None,
        }

    def test_a_missing_one_is_404(self, client: TestClient) -> None:
        assert client.get("/v1/alerts/a9").status_code == 404

    def test_of_a_device_in_maintenance_it_is_muted(self, client: TestClient, fill: Any) -> None:
        fill.device("bin-1", status=DeviceStatus.MAINTENANCE)
        fill.alert("a1")
        assert client.get("/v1/alerts/a1").json()["muted"] is True
        assert client.post("/v1/alerts/a1/acknowledge", json={"comment": "seen"}).json()["muted"] is True


class TestAcknowledge:
    def test_notes_who_and_why(self, client: TestClient, fill: Any) -> None:
        fill.alert("a1")
        answer = client.post("/v1/alerts/a1/acknowledge", json={"comment": "On Tuesday", "by": "Bauhof"})
        assert answer.status_code == 200
        alert = client.get("/v1/alerts/a1").json()
        assert alert == answer.json()
        assert (alert["state"], alert["comment"], alert["acknowledged_by"]) == ("acknowledged", "On Tuesday", "Bauhof")
        assert alert["acknowledged_at"].endswith("Z")

    def test_every_one_stays_in_the_history(self, client: TestClient, fill: Any) -> None:
        fill.alert("a1", state=AlertState.PENDING, fired_at=None)
        later = NOON + timedelta(minutes=5)
        fill.alert("a1", fired_at=later)
        for body in ({"comment": "seen"}, {"comment": "On Tuesday", "by": "Bauhof"}):
            client.post("/v1/alerts/a1/acknowledge", json=body)
        fill.alert("a1", state=AlertState.RESOLVED, fired_at=later, resolved_at=datetime(2200, 1, 1, tzinfo=UTC))
        events = client.get("/v1/alerts/a1/history").json()["items"]
        assert [(event["state"], event["by"], event["comment"]) for event in events] == [
            ("pending", None, None),
            ("firing", None, None),
            ("acknowledged", None, "seen"),
            ("acknowledged", "Bauhof", "On Tuesday"),
            ("resolved", None, None),
        ]
        assert events[1]["at"] == "2026-05-04T12:05:00Z"
        assert client.get("/v1/alerts/a2/history").status_code == 404

    def test_a_comment_alone_is_enough(self, client: TestClient, fill: Any) -> None:
        fill.alert("a1")
        assert client.post("/v1/alerts/a1/acknowledge", json={"comment": "seen"}).status_code == 200

    def test_a_resolved_one_is_409(self, client: TestClient, fill: Any) -> None:
        fill.alert("a1", state=AlertState.RESOLVED, resolved_at=NOON)
        assert client.post("/v1/alerts/a1/acknowledge", json={"comment": "seen"}).status_code == 409

    @pytest.mark.parametrize("body", [{}, {"comment": ""}, {"comment": 7}, {"comment": "x" * 2001}, {"note": "seen"}])
    def test_wrong_input_is_422(self, client: TestClient, fill: Any, body: dict[str, object]) -> None:
        fill.alert("a1")
        assert client.post("/v1/alerts/a1/acknowledge", json=body).status_code == 422

    def test_a_missing_one_is_404(self, client: TestClient) -> None:
        assert client.post("/v1/alerts/a9/acknowledge", json={"comment": "seen"}).status_code == 404
