"""Commands over HTTP, with a real broker."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from core.device import DeviceStatus
from mqtt.client import Message, MqttClient


@pytest.fixture
def heard(mosquitto: Any) -> Iterator[list[Message]]:
    """Messages that lamps get."""
    messages: list[Message] = []
    lamp = MqttClient(mosquitto.url, "lamp", filters=["kreispuls/v1/+/+/+/command/+"], on_message=messages.append)
    lamp.start()
    lamp.wait_connected(10)
    yield messages
    lamp.stop()


class TestSendCommand:
    def test_reaches_the_lamp_and_can_be_asked_for(
        self,
        broker_client: TestClient,
        fill_broker_client: Any,
        heard: list[Message],
        wait_until: Callable[..., object],
    ) -> None:
        fill_broker_client.device("lamp-1", "streetlight")
        answer = broker_client.post(
            "/v1/devices/lamp-1/commands", json={"name": "set_light", "dim_level": 0.5, "duration_s": 600}
        )
        assert answer.status_code == 202
        command = answer.json()
        assert command["state"] == "sent"
        assert (command["dim_level"], command["hold_s"], command["reason"]) == (0.5, 600, "override")
        assert answer.headers["Location"] == f"/v1/commands/{command['command_id']}"
        assert broker_client.get(answer.headers["Location"]).json() == command
        assert broker_client.get("/v1/commands?municipality=marburg").json() == {
            "items": [command],
            "next_cursor": None,
        }
        assert broker_client.get("/v1/commands?municipality=lahntal").json()["items"] == []

        wait_until(lambda: heard, "the lamp hears the command")
        assert heard[0].topic == "kreispuls/v1/marburg/streetlight/lamp-1/command/set_light"
        payload = json.loads(heard[0].payload)
        assert {name: payload[name] for name in ("command_id", "dim_level", "hold_s", "reason")} == {
            "command_id": command["command_id"],
            "dim_level": 0.5,
            "hold_s": 600,
            "reason": "override",
        }

    def test_without_duration_it_holds_until_told_otherwise(
        self, broker_client: TestClient, fill_broker_client: Any
    ) -> None:
        fill_broker_client.device("lamp-1", "streetlight")
        answer = broker_client.post(
            "/v1/devices/lamp-1/commands", json={"name": "set_light", "dim_level": 1, "fade_s": 0}
        )
        assert (answer.json()["hold_s"], answer.json()["fade_s"]) == (None, 0)

    def test_a_lamp_that_follows_a_profile_is_409(self, broker_client: TestClient, fill_broker_client: Any) -> None:
        fill_broker_client.device("lamp-1", "streetlight", attributes={"control": "profile"})
        answer = broker_client.post("/v1/devices/lamp-1/commands", json={"name": "set_light", "dim_level": 0.5})
        assert answer.status_code == 409
        assert "follows the profile" in answer.json()["detail"]

    @pytest.mark.parametrize("status", [DeviceStatus.DISCOVERED, DeviceStatus.RETIRED])
    def test_a_lamp_out_of_service_is_409(
        self, broker_client: TestClient, fill_broker_client: Any, status: DeviceStatus
    ) -> None:
        fill_broker_client.device("lamp-1", "streetlight", status=status)
        answer = broker_client.post("/v1/devices/lamp-1/commands", json={"name": "set_light", "dim_level": 0.5})
        assert answer.status_code == 409
        assert broker_client.get("/v1/commands").json()["items"] == []

    def test_a_bin_has_no_light(self, broker_client: TestClient, fill_broker_client: Any) -> None:
        fill_broker_client.device("bin-1")
        answer = broker_client.post("/v1/devices/bin-1/commands", json={"name": "set_light", "dim_level": 0.5})
        assert answer.status_code == 422

    def test_without_broker_it_is_503_and_nothing_is_kept(self, client: TestClient, fill: Any) -> None:
        fill.device("lamp-1", "streetlight")
        answer = client.post("/v1/devices/lamp-1/commands", json={"name": "set_light", "dim_level": 0.5})
        assert answer.status_code == 503
        assert "broker" in answer.json()["detail"]
        assert client.get("/v1/commands").json()["items"] == []

    @pytest.mark.parametrize(
        "body",
        [
            b'{"name": "set_light"}',
            b'{"name": "dance", "dim_level": 0.5}',
            b'{"name": "set_light", "dim_level": 1.1}',
            b'{"name": "set_light", "dim_level": NaN}',
            b'{"name": "set_light", "dim_level": 0.5, "duration_s": 0}',
            b'{"name": "set_light", "dim_level": 0.5, "duration_s": 1e9}',
            b'{"name": "set_light", "dim_level": 0.5, "fade_s": -1}',
            b'{"name": "set_light", "dim_level": 0.5, "colour": "red"}',
            b'{"name": "set_light", "dim_level": 0.5',
        ],
    )
    def test_wrong_input_is_422(self, client: TestClient, fill: Any, body: bytes) -> None:
        fill.device("lamp-1", "streetlight")
        headers = {"Content-Type": "application/json"}
        assert client.post("/v1/devices/lamp-1/commands", content=body, headers=headers).status_code == 422

    def test_a_missing_device_is_404(self, client: TestClient) -> None:
        answer = client.post("/v1/devices/lamp-7/commands", json={"name": "set_light", "dim_level": 0.5})
        assert answer.status_code == 404


class TestGetCommand:
    def test_a_missing_one_is_404(self, client: TestClient) -> None:
        assert client.get("/v1/commands/3f0c").status_code == 404

    def test_a_wrong_limit_is_422(self, client: TestClient) -> None:
        assert client.get("/v1/commands?limit=1001").status_code == 422
