"""Overriding a group of lamps over HTTP, with a real broker."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from core.clock import parse_rfc3339
from core.device import DeviceStatus
from mqtt.client import Message, MqttClient

ROOT = "kreispuls/v1/marburg/streetlight"


@pytest.fixture
def group(broker_client: TestClient, fill_broker_client: Any) -> str:
    """Lamps of circuit 1: two live, one of them with a least level of 40 %, one by profile, one retired."""
    fill_broker_client.municipality("marburg")
    lamps: dict[str, dict[str, object]] = {
        "lamp-1": {},
        "lamp-2": {"minimum_dim_level": 0.4},
        "lamp-3": {"control": "profile"},
    }
    for lamp, changes in lamps.items():
        fill_broker_client.device(lamp, "streetlight", attributes={"circuit": "1", **changes})
    fill_broker_client.device("lamp-4", "streetlight", attributes={"circuit": "1"}, status=DeviceStatus.RETIRED)
    fill_broker_client.device("lamp-5", "streetlight", attributes={"circuit": "2"})
    answer = broker_client.post("/v1/light-groups", json={"municipality": "marburg", "name": "Markt", "circuit": "1"})
    return f"/v1/light-groups/{answer.json()['light_group_id']}"


@pytest.fixture
def heard(mosquitto: Any) -> Iterator[list[Message]]:
    """Messages that lamps get."""
    messages: list[Message] = []
    lamp = MqttClient(mosquitto.url, "lamp", filters=["kreispuls/v1/+/+/+/command/+"], on_message=messages.append)
    lamp.start()
    lamp.wait_connected(10)
    yield messages
    lamp.stop()


def test_a_dry_run_says_what_would_be_and_sends_nothing(broker_client: TestClient, group: str) -> None:
    answer = broker_client.post(f"{group}/override", json={"dim_level": 0.9, "duration_s": 600, "dry_run": True})
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert shown["dry_run"] is True
    assert [(lamp["device_id"], lamp["dim_level"], lamp["command_id"]) for lamp in shown["lamps"]] == [
        ("lamp-1", 0.9, None),
        ("lamp-2", 0.9, None),
    ]
    assert {lamp["until"] for lamp in shown["lamps"]} != {None}
    assert [lamp["device_id"] for lamp in shown["refused"]] == ["lamp-3", "lamp-4"]
    assert "follows the profile" in shown["refused"][0]["reason"]
    assert broker_client.get("/v1/commands").json()["items"] == []


def test_every_lamp_of_the_group_is_told_and_each_command_can_be_asked_for(
    broker_client: TestClient, group: str, heard: list[Message], wait_until: Callable[..., object]
) -> None:
    shown = broker_client.post(f"{group}/override", json={"dim_level": 1, "duration_s": 600, "fade_s": 2}).json()
    wait_until(lambda: len(heard) == 2, "both lamps hear their commands")
    assert sorted(message.topic for message in heard) == [
        f"{ROOT}/lamp-1/command/set_light",
        f"{ROOT}/lamp-2/command/set_light",
    ]
    payload = json.loads(heard[0].payload)
    assert (payload["dim_level"], payload["hold_s"], payload["fade_s"], payload["reason"]) == (1, 600, 2, "override")
    for lamp in shown["lamps"]:
        command = broker_client.get(f"/v1/commands/{lamp['command_id']}").json()
        assert (command["device_id"], command["state"]) == (lamp["device_id"], "sent")
        assert (parse_rfc3339(lamp["until"]) - parse_rfc3339(command["issued_at"])).total_seconds() == 600


@pytest.mark.parametrize(
    ("body", "status"),
    [({"dim_level": 1.5}, 422), ({"dim_level": 0.5, "duration_s": 0}, 422), ({"dim_level": 0.5, "level": 1}, 422)],
)
def test_what_makes_no_sense_is_refused(
    broker_client: TestClient, group: str, body: dict[str, float], status: int
) -> None:
    assert broker_client.post(f"{group}/override", json=body).status_code == status


def test_no_such_group_is_404(broker_client: TestClient) -> None:
    assert broker_client.post("/v1/light-groups/none/override", json={"dim_level": 1}).status_code == 404


def test_without_a_broker_a_dry_run_still_answers(client: TestClient, fill: Any) -> None:
    fill.municipality("marburg")
    fill.device("lamp-1", "streetlight", attributes={"circuit": "1"})
    made = client.post("/v1/light-groups", json={"municipality": "marburg", "name": "Markt", "circuit": "1"}).json()
    path = f"/v1/light-groups/{made['light_group_id']}/override"
    assert client.post(path, json={"dim_level": 1, "dry_run": True}).status_code == 200
    assert client.post(path, json={"dim_level": 1}).status_code == 503
    assert client.get("/v1/commands").json()["items"] == []
