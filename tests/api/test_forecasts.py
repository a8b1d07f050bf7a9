"""The outlook of a bin over HTTP."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient

from actions.pickups.learn_places import learn_municipality
from api.resources import Resources
from core.clock import utc_now
from core.device import Device
from core.reading import Reading

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def fill(resources: Resources) -> Callable[..., None]:
    def fill(device_id: str, days: int = 20, **changes: Any) -> None:
        """A bin that fills 0.2 a day and is emptied when it is full, reported every six hours until now."""
        resources.state.devices.add(
            Device(device_id=device_id, device_type="waste_bin", municipality="marburg", **changes)
        )
        now = utc_now()
        readings = []
        for number in range(days * 4 + 1):
            at = now - timedelta(days=days) + timedelta(hours=6 * number)
            readings.append(Reading(device_id, "waste_bin", "marburg", at, at, {"filling_level": 0.05 * (number % 20)}))
        resources.readings.write(readings)

    return fill


def learn(resources: Resources) -> None:
    learn_municipality(resources.state, resources.readings, "marburg", utc_now(), zone=BERLIN, federal_state="HE")


def test_the_outlook_of_a_learned_bin(client: TestClient, resources: Resources, fill: Callable[..., None]) -> None:
    """Newest level 0.0 (80 quarter days are four whole rounds), 0.2 a day."""
    fill("bin-1")
    learn(resources)
    found = client.get("/v1/devices/bin-1/forecast", params={"days": 3}).json()
    assert (found["device_id"], found["place_id"], found["method"]) == ("bin-1", "bin-1", "learned")
    assert found["filling_level"] == 0.0
    assert len(found["levels"]) == 12
    day_on = found["levels"][3]
    assert day_on["filling_level"] == pytest.approx(0.2, abs=0.04)
    assert day_on["low"] <= day_on["filling_level"] <= day_on["high"]
    assert day_on["overflow_probability"] < 0.01
    assert day_on["observed_level"] == pytest.approx(0.2, abs=0.06)
    assert found["full_from"] <= found["full_at"] <= found["full_until"]
    assert [emptying["level_before"] for emptying in found["emptyings"]] == pytest.approx([0.95] * 4)
    assert {emptying["source"] for emptying in found["emptyings"]} == {"detected"}


def test_before_anything_was_learned_the_straight_line_says_what_it_knows(
    client: TestClient, fill: Callable[..., None]
) -> None:
    fill("bin-1", days=2)
    found = client.get("/v1/devices/bin-1/forecast").json()
    assert found["method"] == "linear_14d"
    assert len(found["levels"]) == 28
    assert found["levels"][0]["low"] is None
    assert found["levels"][0]["observed_level"] is None


def test_a_bin_that_never_spoke_has_no_levels(client: TestClient, resources: Resources) -> None:
    resources.state.devices.add(Device(device_id="bin-1", device_type="waste_bin", municipality="marburg"))
    learn(resources)
    found = client.get("/v1/devices/bin-1/forecast").json()
    assert (found["method"], found["filling_level"], found["levels"], found["emptyings"]) == (None, None, [], [])


def test_only_bins_have_one(client: TestClient, resources: Resources) -> None:
    resources.state.devices.add(Device(device_id="lamp-1", device_type="streetlight", municipality="marburg"))
    assert client.get("/v1/devices/lamp-1/forecast").status_code == 422
    assert client.get("/v1/devices/nobody/forecast").status_code == 404
    assert client.get("/v1/devices/lamp-1/forecast", params={"days": 15}).status_code == 422


def test_the_due_list_says_how_probable_an_overflow_is(
    client: TestClient, resources: Resources, fill: Callable[..., None]
) -> None:
    """19 quarter days after the last emptying the level is 0.95."""
    fill("bin-1", days=19)
    at = utc_now()
    resources.readings.write([Reading("bin-1", "waste_bin", "marburg", at, at, {"filling_level": 0.95})])
    learn(resources)
    (bin_,) = client.get("/v1/pickups/due").json()["items"]
    assert bin_["forecast"]["method"] == "learned"
    assert 0 < bin_["forecast"]["overflow_probability"] <= 1
    assert bin_["forecast"]["low"] <= bin_["forecast"]["high"]
    assert bin_["forecast"]["full_from"] <= bin_["forecast"]["full_until"]
