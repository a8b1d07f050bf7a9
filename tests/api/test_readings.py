"""Newest values and series over HTTP."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from core.reading import Reading

AT = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = "start=2026-05-04T00:00:00Z&end=2026-05-05T00:00:00Z"


@pytest.fixture(autouse=True)
def _stored(fill: Any) -> None:
    fill.device("bin-1")
    fill.device("lamp-1", "streetlight")
    fill.device("lamp-2", "streetlight", municipality="lahntal")
    for minutes, level in ((0, 0.2), (15, 0.4), (60, 0.9)):
        fill.reading("bin-1", AT + timedelta(minutes=minutes), {"filling_level": level, "lid_open": minutes == 15})
    fill.reading("lamp-1", AT, {"dim_level": 0.5, "faults": "lamp_failure,supply_loss", "power_state": "on"})


class TestLatestOfAll:
    def test_gives_every_device_with_its_newest_values(self, client: TestClient) -> None:
        items = client.get("/v1/readings/latest").json()["items"]
        assert [item["device_id"] for item in items] == ["bin-1", "lamp-1", "lamp-2"]
        assert items[0] == {
            "device_id": "bin-1",
            "device_type": "waste_bin",
            "municipality": "marburg",
            "values": {
                "filling_level": {"value": 0.9, "observed_at": "2026-05-04T13:00:00Z"},
                "lid_open": {"value": False, "observed_at": "2026-05-04T13:00:00Z"},
            },
        }
        assert items[1]["values"]["faults"]["value"] == ["lamp_failure", "supply_loss"]
        assert items[2]["values"] == {}

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("device_type=waste_bin", ["bin-1"]),
            ("municipality=lahntal", ["lamp-2"]),
            ("q=lamp", ["lamp-1", "lamp-2"]),
            ("device_id=lamp-1", ["lamp-1"]),
            ("device_id=lamp-1&municipality=lahntal", []),
            ("device_id=nothing", []),
        ],
    )
    def test_filters(self, client: TestClient, query: str, expected: list[str]) -> None:
        items = client.get(f"/v1/readings/latest?{query}").json()["items"]
        assert [item["device_id"] for item in items] == expected

    def test_pages(self, client: TestClient) -> None:
        first = client.get("/v1/readings/latest?limit=2").json()
        second = client.get("/v1/readings/latest", params={"cursor": first["next_cursor"]}).json()
        assert [item["device_id"] for item in first["items"] + second["items"]] == ["bin-1", "lamp-1", "lamp-2"]

    @pytest.mark.parametrize("query", ["device_id=a/b", "device_id=bin-1&q=bin", "limit=0", "quantity=x"])
    def test_wrong_queries_are_422(self, client: TestClient, query: str) -> None:
        assert client.get(f"/v1/readings/latest?{query}").status_code == 422


class TestLatestOfOne:
    def test_gives_values_with_times(self, client: TestClient) -> None:
        answer = client.get("/v1/devices/lamp-1/readings/latest").json()
        assert answer["device_id"] == "lamp-1"
        assert answer["values"]["power_state"] == {"value": "on", "observed_at": "2026-05-04T12:00:00Z"}
        assert answer["values"]["faults"]["value"] == ["lamp_failure", "supply_loss"]

    def test_a_missing_device_is_404(self, client: TestClient) -> None:
        assert client.get("/v1/devices/lamp-7/readings/latest").status_code == 404


class TestSeries:
    def test_is_ascending_by_time_and_quantity(self, client: TestClient) -> None:
        items = client.get(f"/v1/devices/bin-1/readings?{DAY}").json()["items"]
        assert [(item["observed_at"], item["quantity"], item["value"]) for item in items] == [
            ("2026-05-04T12:00:00Z", "filling_level", 0.2),
            ("2026-05-04T12:00:00Z", "lid_open", False),
            ("2026-05-04T12:15:00Z", "filling_level", 0.4),
            ("2026-05-04T12:15:00Z", "lid_open", True),
            ("2026-05-04T13:00:00Z", "filling_level", 0.9),
            ("2026-05-04T13:00:00Z", "lid_open", False),
        ]

    def test_holds_start_and_not_end(self, client: TestClient) -> None:
        query = "quantity=filling_level&start=2026-05-04T14:15:00%2B02:00&end=2026-05-04T13:00:00Z"
        items = client.get(f"/v1/devices/bin-1/readings?{query}").json()["items"]
        assert [item["value"] for item in items] == [0.4]

    def test_is_the_last_24_hours_before_end(self, client: TestClient) -> None:
        ids = "/v1/devices/bin-1/readings?quantity=filling_level&end="
        assert len(client.get(ids + "2026-05-05T12:00:00Z").json()["items"]) == 3
        assert len(client.get(ids + "2026-05-05T12:00:01Z").json()["items"]) == 2
        assert client.get("/v1/devices/bin-1/readings").json() == {"items": [], "next_cursor": None}

    def test_aggregates_per_interval(self, client: TestClient) -> None:
        query = f"{DAY}&quantity=filling_level&every=PT1H&aggregate=mean"
        items = client.get(f"/v1/devices/bin-1/readings?{query}").json()["items"]
        assert [(item["observed_at"], item["value"]) for item in items] == [
            ("2026-05-04T12:00:00Z", pytest.approx(0.3)),
            ("2026-05-04T13:00:00Z", pytest.approx(0.9)),
        ]

    def test_pages_join_to_the_whole(self, client: TestClient) -> None:
        whole = client.get(f"/v1/devices/bin-1/readings?{DAY}").json()
        assert whole["next_cursor"] is None
        joined: list[dict[str, object]] = []
        cursor: str | None = None
        while True:
            extra = {} if cursor is None else {"cursor": cursor}
            page = client.get(
                "/v1/devices/bin-1/readings",
                params={"start": "2026-05-04T00:00:00Z", "end": "2026-05-05T00:00:00Z", "limit": 4, **extra},
            ).json()
            joined += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert joined == whole["items"]

    def test_faults_are_an_array(self, client: TestClient) -> None:
        items = client.get(f"/v1/devices/lamp-1/readings?{DAY}&quantity=faults").json()["items"]
        assert [item["value"] for item in items] == [["lamp_failure", "supply_loss"]]

    def test_comes_as_csv(self, client: TestClient) -> None:
        answer = client.get(f"/v1/devices/bin-1/readings?{DAY}", headers={"Accept": "text/csv"})
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.reader(io.StringIO(answer.text)))
        assert rows[:3] == [
            ["observed_at", "quantity", "value"],
            ["2026-05-04T12:00:00Z", "filling_level", "0.2"],
            ["2026-05-04T12:00:00Z", "lid_open", "false"],
        ]
        assert len(rows) == 7

    def test_csv_has_everything_unless_limited(self, client: TestClient, fill: Any) -> None:
        times = [AT + timedelta(seconds=second) for second in range(2500)]
        fill.resources.readings.write(
            [
                Reading("lamp-2", "streetlight", "lahntal", at, at, {"dim_level": number / 10_000})
                for number, at in enumerate(times)
            ]
        )
        headers = {"Accept": "text/csv"}
        whole = client.get(f"/v1/devices/lamp-2/readings?{DAY}", headers=headers).text.splitlines()
        assert len(whole) == 2501
        assert whole[-1] == "2026-05-04T12:41:39Z,dim_level,0.2499"
        assert len(client.get(f"/v1/devices/lamp-2/readings?{DAY}&limit=10", headers=headers).text.splitlines()) == 11

    @pytest.mark.parametrize(
        "query",
        [
            "quantity=dim_level",
            "quantity=nonsense",
            "start=yesterday",
            "start=2026-05-04T12:00:00",
            "start=2026-05-04T12:00:00Z&end=2026-05-04T12:00:00Z",
            "start=1969-12-31T23:59:59Z",
            "end=9999-12-31T23:59:59Z",
            "every=1h",
            "every=P1M",
            "every=P367D",
            "every=PT1S&start=2026-05-01T00:00:00Z&end=2026-05-03T00:00:00Z",
            "aggregate=mean",
            "every=PT1H&aggregate=median",
            "start=2026-05-04T12:00:00Z&start=2026-05-04T13:00:00Z",
            "cursor=WyJhIiwiYiJd",
            "cursor=WzEwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMCwiYSJd",
            "from=2026-05-04T12:00:00Z",
        ],
    )
    def test_wrong_queries_are_422(self, client: TestClient, query: str) -> None:
        answer = client.get(f"/v1/devices/bin-1/readings?{query}")
        assert answer.status_code == 422
        assert answer.json()["detail"]

    def test_a_mean_of_names_is_422_and_their_last_is_not(self, client: TestClient) -> None:
        query = f"/v1/devices/lamp-1/readings?{DAY}&every=PT1H&quantity=power_state"
        assert client.get(query).status_code == 422
        assert client.get(query + "&aggregate=last").json()["items"][0]["value"] == "on"

    def test_a_missing_device_is_404(self, client: TestClient) -> None:
        assert client.get("/v1/devices/lamp-7/readings").status_code == 404


class TestTotals:
    def test_aggregates_over_groups(self, client: TestClient, fill: Any) -> None:
        fill.device("bin-2", municipality="lahntal", street="Hauptstraße")
        fill.reading("bin-2", AT, {"filling_level": 0.6})
        query = f"/v1/totals?{DAY}&quantity=filling_level&every=P1D"
        assert client.get(query).json() == {
            "items": [
                {"group": "lahntal", "start": "2026-05-04T00:00:00Z", "value": 0.6, "count": 1},
                {"group": "marburg", "start": "2026-05-04T00:00:00Z", "value": pytest.approx(0.5), "count": 3},
            ],
            "next_cursor": None,
        }
        by_street = client.get(query + "&group_by=street&aggregate=max").json()["items"]
        assert [(item["group"], item["value"]) for item in by_street] == [("Hauptstraße", 0.6), ("Marktplatz", 0.9)]
        assert len(client.get(query + "&group_by=device_type&municipality=marburg").json()["items"]) == 1
        by_device = client.get(query + "&group_by=device&municipality=lahntal").json()["items"]
        assert [(item["group"], item["value"]) for item in by_device] == [("bin-2", 0.6)]

    def test_pages_join_to_the_whole(self, client: TestClient) -> None:
        query = f"/v1/totals?{DAY}&quantity=filling_level&every=PT15M"
        whole = client.get(query).json()["items"]
        assert len(whole) == 3
        first = client.get(query + "&limit=2").json()
        second = client.get(f"{query}&limit=2&cursor={first['next_cursor']}").json()
        assert first["items"] + second["items"] == whole
        assert second["next_cursor"] is None

    @pytest.mark.parametrize(
        "query",
        [
            "",
            "quantity=nonsense",
            "quantity=faults",
            "quantity=filling_level&group_by=colour",
            "quantity=filling_level&aggregate=last",
            "quantity=filling_level&every=PT0S",
            "quantity=filling_level&start=1970-01-01T00:00:00Z&every=PT1M",
            "quantity=filling_level&quantity=dim_level",
            "quantity=filling_level&street=Marktplatz",
        ],
    )
    def test_wrong_queries_are_422(self, client: TestClient, query: str) -> None:
        assert client.get(f"/v1/totals?{query}").status_code == 422
