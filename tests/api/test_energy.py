"""Energy over the API."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.routers import energy
from core.alert import Alert, AlertState, Severity
from core.device import DeviceStatus
from core.quantity import Value

MARCH = datetime(2026, 2, 28, 23, tzinfo=UTC)
"""March of 2026 begins in Berlin."""
HOURS = 31 * 24 - 1
"""Its last Sunday has 23."""
SPAN = {"start": "2026-02-28T23:00:00Z", "end": "2026-03-31T22:00:00Z"}
PLACE = {"latitude": 50.8, "longitude": 8.8}


def lamp(fill: Any, device_id: str, **changes: Any) -> None:
    attributes = {"rated_power_w": 40.0, "circuit": "K7"} | changes.pop("attributes", {})
    fill.device(device_id, "streetlight", attributes=attributes, **(PLACE | changes))


@pytest.fixture
def three_lamps(fill: Any) -> None:
    """One metered all month long, one without meter for two days, one silent, and one that nobody adopted."""
    fill.municipality("marburg")
    lamp(fill, "lamp-1", street="Uferstraße")
    lamp(fill, "lamp-2", street="Am Markt")
    lamp(fill, "lamp-3", street="Am Markt", attributes={"circuit": "K8"})
    lamp(fill, "lamp-4", status=DeviceStatus.DISCOVERED)
    for hour in range(HOURS + 1):
        at = MARCH + timedelta(hours=hour)
        values: dict[str, Value] = {"active_energy_kwh": 100 + hour * 0.01, "switch_on_count": 70 + hour // 24}
        fill.reading("lamp-1", at, values | {"operating_hours_h": 1000 + hour / 2})
    for hour in range(1, 49):  # the second and third of March in UTC
        fill.reading("lamp-2", MARCH + timedelta(hours=hour), {"active_power_w": 10.0})


@pytest.mark.usefixtures("three_lamps")
def test_a_month_of_a_municipality(client: TestClient) -> None:
    answer = client.get("/v1/energy", params=SPAN).json()
    assert answer["co2_g_per_kwh"] == 363
    assert "Umweltbundesamt" in answer["co2_source"]
    (item,) = answer["items"]
    assert (item["start"], item["end"], item["group"], item["lamps"]) == (*SPAN.values(), "marburg", 3)
    assert item["energy_kwh"] == pytest.approx(HOURS * 0.01 + 0.48)
    assert item["estimated_kwh"] == pytest.approx(0.48)
    assert item["operating_hours_h"] == pytest.approx(HOURS / 2)
    assert (item["switch_on_count"], item["lamps_counting_hours"]) == (30, 1)
    assert (item["lamps_compared"], item["lamps_unknown"]) == (2, 1)
    assert item["hours_unknown"] == pytest.approx(2 * HOURS - 48)
    assert item["hours_without_data"] == pytest.approx(2 * HOURS - 48)
    # Marburg, March 2026: between sunset and sunrise it is dark for some 12 of 24 hours.
    assert item["reference_kwh"] == pytest.approx(0.04 * (31 + 2) * 12, rel=0.03)
    assert item["saving_kwh"] == pytest.approx(item["reference_kwh"] - item["energy_kwh"], abs=1e-3)
    assert item["co2_kg"] == pytest.approx(item["energy_kwh"] * 0.363, abs=1e-3)


@pytest.mark.usefixtures("three_lamps")
@pytest.mark.parametrize(
    ("rule", "circuit", "fired", "hours"),
    [
        ("lamp_failure", None, True, 240),
        ("supply_loss", "K7", True, 480),
        ("day_burner", None, True, 0),
        ("lamp_failure", None, False, 0),
    ],
)
def test_time_in_which_a_lamp_is_dark_for_a_fault_is_shown_apart(
    client: TestClient, fill: Any, *, rule: str, circuit: str | None, fired: bool, hours: int
) -> None:
    """Ten days of a fault, of one lamp or of both of its circuit; one that never fired is none."""
    begun = MARCH + timedelta(days=5)
    alert = Alert(
        alert_id="a1", rule=rule, device_id="lamp-1", device_type="streetlight", municipality="marburg",
        severity=Severity.WARNING, state=AlertState.RESOLVED, started_at=begun, summary="",
        fired_at=begun + timedelta(hours=1) if fired else None, resolved_at=begun + timedelta(days=10), circuit=circuit,
    )  # fmt: skip
    fill.resources.state.alerts.save([alert])
    (item,) = client.get("/v1/energy", params=SPAN).json()["items"]
    assert item["hours_out_of_order"] == pytest.approx(hours)
    assert item["reference_kwh"] == pytest.approx(0.04 * (31 + 2 - (10 if hours else 0)) * 12, rel=0.03)


@pytest.mark.usefixtures("three_lamps")
def test_groups_days_and_pages(client: TestClient) -> None:
    by_street = client.get("/v1/energy", params=SPAN | {"group_by": "street"}).json()["items"]
    assert [(item["group"], item["lamps"]) for item in by_street] == [("Am Markt", 2), ("Uferstraße", 1)]
    circuits = client.get("/v1/energy", params=SPAN | {"group_by": "circuit"}).json()["items"]
    assert [(item["group"], item["energy_kwh"]) for item in circuits][1] == ("K8", None)
    wanted = SPAN | {"group_by": "device", "every": "P1D", "device_id": "lamp-1", "limit": "20"}
    first = client.get("/v1/energy", params=wanted).json()
    second = client.get("/v1/energy", params=wanted | {"cursor": first["next_cursor"]}).json()
    days = first["items"] + second["items"]
    assert second["next_cursor"] is None
    assert len(days) == 31
    assert [day["energy_kwh"] for day in days[27:30]] == [0.24, 0.23, 0.24]
    assert client.get("/v1/energy", params=SPAN | {"municipality": "kirchhain"}).json()["items"] == []


@pytest.mark.usefixtures("three_lamps")
def test_csv(client: TestClient) -> None:
    wanted = SPAN | {"group_by": "device"}
    answer = client.get("/v1/energy", params=wanted, headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert client.get("/v1/energy.csv", params=wanted).text == answer.text
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["group"], row["energy_kwh"], row["co2_g_per_kwh"]) for row in rows] == [
        ("lamp-1", "7.43", "363.0"),
        ("lamp-2", "0.48", "363.0"),
        ("lamp-3", "", "363.0"),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"every": "PT1H"},
        {"group_by": "device_type"},
        {"start": "2026-03-02T00:00:00Z", "end": "2026-03-01T00:00:00Z"},
        {"start": "2200-01-01T00:00:00Z"},
        {"start": "1970-01-01T00:00:00Z", "every": "P1D"},
        {"cursor": "x"},
    ],
)
def test_what_is_wrong_is_named(client: TestClient, wrong: dict[str, str]) -> None:
    answer = client.get("/v1/energy", params=wrong)
    assert answer.status_code == 422
    assert next(iter(wrong)) in answer.json()["detail"] or "start" in answer.json()["detail"]


@pytest.mark.usefixtures("three_lamps")
def test_too_much_at_once_is_refused_with_what_to_narrow(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "MAX_FIGURES", 92)
    answer = client.get("/v1/energy", params=SPAN | {"every": "P1D"})
    assert answer.status_code == 422
    assert "3 lamps in 31 intervals" in answer.json()["detail"]
    assert client.get("/v1/energy", params=SPAN | {"every": "P1D", "device_id": "lamp-1"}).status_code == 200


def test_nothing_is_registered(client: TestClient) -> None:
    assert client.get("/v1/energy").json()["items"] == []
