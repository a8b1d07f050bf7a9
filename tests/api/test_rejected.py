"""Rejected messages over HTTP."""

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.resources import Resources
from core.rejected import RejectedMessage
from mqtt.client import Message, MqttClient

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
TOPIC = "kreispuls/v1/marburg/waste_bin/bin-1/event/up"


def a_message(payload: bytes = b'{"filling_level":7}', **changes: Any) -> RejectedMessage:
    return RejectedMessage(
        **{
            "topic": TOPIC,
            "payload": payload,
            "payload_size": len(payload),
            "reason": "filling_level: 7 is outside 0 to 1",
            "received_at": NOON,
            "municipality": "marburg",
            "device_type": "waste_bin",
            "device_id": "bin-1",
            **changes,
        }
    )


def newest_id(client: TestClient) -> int:
    return int(client.get("/v1/rejected-messages").json()["items"][0]["rejected_id"])


class TestListRejectedMessages:
    def test_shows_payload_as_text_and_as_bytes(self, client: TestClient, resources: Resources) -> None:
        resources.state.rejected.add([a_message(b"\xff\x00{")])
        (item,) = client.get("/v1/rejected-messages").json()["items"]
        assert item["payload"] == "\ufffd\x00{"
        assert base64.b64decode(item["payload_base64"]) == b"\xff\x00{"
        assert (item["topic"], item["reason"]) == (TOPIC, "filling_level: 7 is outside 0 to 1")
        assert (item["payload_size"], item["truncated"], item["partial"]) == (3, False, False)
        assert (item["received_at"], item["replayed_at"]) == ("2026-05-04T12:00:00Z", None)
        assert client.get(f"/v1/rejected-messages/{item['rejected_id']}").json() == item

    def test_newest_first_filtered_and_paged(self, client: TestClient, resources: Resources) -> None:
        resources.state.rejected.add(
            [
                a_message(reason="1"),
                a_message(reason="2", municipality="lahntal", received_at=NOON + timedelta(hours=1)),
                a_message(reason="3", municipality=None, device_type=None, device_id=None, topic="kreispuls/v1/x"),
            ]
        )

        def reasons(query: str) -> list[str]:
            return [item["reason"] for item in client.get(f"/v1/rejected-messages?{query}").json()["items"]]

        assert reasons("") == ["3", "2", "1"]
        assert reasons("municipality=lahntal") == ["2"]
        assert reasons("device_type=waste_bin&device_id=bin-1") == ["2", "1"]
        first = client.get("/v1/rejected-messages?limit=2").json()
        assert reasons(f"cursor={first['next_cursor']}") == ["1"]

    @pytest.mark.parametrize("query", ["limit=0", "device_type=toaster", "reason=x", "cursor=x"])
    def test_wrong_queries_are_422(self, client: TestClient, query: str) -> None:
        assert client.get(f"/v1/rejected-messages?{query}").status_code == 422


class TestReplay:
    @pytest.fixture
    def heard(self, mosquitto: Any) -> Iterator[list[Message]]:
        messages: list[Message] = []
        listener = MqttClient(mosquitto.url, "listener", filters=["kreispuls/#"], on_message=messages.append)
        listener.start()
        listener.wait_connected(10)
        yield messages
        listener.stop()

    def test_publishes_it_again(
        self, broker_client: TestClient, heard: list[Message], wait_until: Callable[..., object]
    ) -> None:
        rejected = broker_client.app.state.resources.state.rejected  # type: ignore[attr-defined]
        rejected.add([a_message(b"\x00\xffbytes")])
        answer = broker_client.post(f"/v1/rejected-messages/{newest_id(broker_client)}/replay")
        assert answer.status_code == 202
        assert answer.json()["replayed_at"].endswith("Z")
        wait_until(lambda: heard, "the message is published")
        assert (heard[0].topic, heard[0].payload) == (TOPIC, b"\x00\xffbytes")

    def test_a_truncated_one_is_409(self, client: TestClient, resources: Resources) -> None:
        resources.state.rejected.add([a_message(b"x" * 4096, payload_size=5000)])
        answer = client.post(f"/v1/rejected-messages/{newest_id(client)}/replay")
        assert answer.status_code == 409
        assert client.get("/v1/rejected-messages").json()["items"][0]["truncated"] is True

    def test_without_broker_it_is_503_and_not_marked(self, client: TestClient, resources: Resources) -> None:
        resources.state.rejected.add([a_message()])
        assert client.post(f"/v1/rejected-messages/{newest_id(client)}/replay").status_code == 503
        assert client.get("/v1/rejected-messages").json()["items"][0]["replayed_at"] is None

    def test_a_missing_one_is_404(self, client: TestClient) -> None:
        assert client.post("/v1/rejected-messages/999999/replay").status_code == 404
        assert client.get("/v1/rejected-messages/999999").status_code == 404

    @pytest.mark.parametrize("rejected_id", ["0", "one", str(2**63)])
    def test_an_impossible_number_is_422(self, client: TestClient, rejected_id: str) -> None:
        assert client.post(f"/v1/rejected-messages/{rejected_id}/replay").status_code == 422
