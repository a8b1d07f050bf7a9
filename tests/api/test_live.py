"""The live stream: over a real server and a real broker, and its parts."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from actions.alerts.raise_alert import encode_alert
from api.live import QUEUE_EVENTS, Listener, LiveEvent, LiveFilter
from mqtt.client import MqttClient

READING = "kreispuls/v1/marburg/waste_bin/bin-1/event/up"
COMMAND = "kreispuls/v1/marburg/streetlight/lamp-1/command/set_light"


@pytest.fixture
def device(mosquitto: Any) -> Iterator[MqttClient]:
    """A foreign client that publishes."""
    client = MqttClient(mosquitto.url, "device")
    client.start()
    client.wait_connected(10)
    yield client
    client.stop()


class Stream:
    """Server-sent events as they come."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()

    def next(self) -> tuple[str, Any]:
        kind = ""
        for line in self._lines:
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                return kind, json.loads(line.removeprefix("data: "))
        raise AssertionError("the stream ended")


@pytest.fixture
def listen(served: Any, wait_until: Callable[..., object]) -> Callable[[str], Any]:
    """Opens a stream; what is published afterwards comes through it."""

    @contextmanager
    def opened(query: str = "") -> Iterator[Stream]:
        before = served.resources.live.listeners
        with httpx.stream("GET", f"{served.url}/v1/live{query}", timeout=20) as response:
            wait_until(lambda: served.resources.live.listeners == before + 1, "the server listens")
            yield Stream(response)

    return opened


class TestLive:
    def test_gives_readings_commands_and_alerts(
        self, listen: Callable[..., Any], device: MqttClient, fill_served: Any
    ) -> None:
        fill_served.device("bin-1", attributes={"height_m": 1.0})
        alert = fill_served.alert("a1")
        with listen() as stream:
            assert stream.response.headers["content-type"].startswith("text/event-stream")
            device.publish_confirmed(READING, b'{"observed_at":"2026-05-04T12:00:00Z","distance_m":0.25}')
            assert stream.next() == (
                "reading",
                {
                    "device_id": "bin-1",
                    "device_type": "waste_bin",
                    "municipality": "marburg",
                    "observed_at": "2026-05-04T12:00:00Z",
                    "values": {"distance_m": 0.25, "filling_level": 0.75},
                },
            )
            device.publish_confirmed(COMMAND, b'{"command_id":"c1","dim_level":0.5}')
            assert stream.next() == (
                "command",
                {
                    "device_id": "lamp-1",
                    "device_type": "streetlight",
                    "municipality": "marburg",
                    "name": "set_light",
                    "command_id": "c1",
                    "dim_level": 0.5,
                },
            )
            device.publish_confirmed("kreispuls/v1/marburg/waste_bin/bin-1/alert/bin_full", encode_alert(alert))
            kind, data = stream.next()
            assert (kind, data["alert_id"], data["state"]) == ("alert", "a1", "firing")

    def test_faults_are_an_array(self, listen: Callable[..., Any], device: MqttClient) -> None:
        with listen() as stream:
            device.publish_confirmed(
                READING.replace("waste_bin/bin-1", "streetlight/lamp-1"), b'{"faults":["supply_loss"]}'
            )
            assert stream.next()[1]["values"] == {"faults": ["supply_loss"]}

    @pytest.mark.parametrize(
        "query",
        [
            "?municipality=lahntal",
            "?device_type=streetlight",
            "?device_id=lamp-2&device_id=lamp-3",
            "?event=command&event=alert",
        ],
    )
    def test_filters(self, listen: Callable[..., Any], device: MqttClient, query: str) -> None:
        with listen(query) as stream:
            device.publish_confirmed(READING, b'{"filling_level":0.5}')
            device.publish_confirmed(
                "kreispuls/v1/lahntal/streetlight/lamp-2/command/set_light", b'{"command_id":"c2"}'
            )
            kind, data = stream.next()
            assert (kind, data["device_id"]) == ("command", "lamp-2")

    def test_what_cannot_be_read_does_not_end_it(self, listen: Callable[..., Any], device: MqttClient) -> None:
        with listen() as stream:
            for topic, payload in (
                (READING, b"\xff"),
                (READING, b'{"filling_level":7}'),
                (COMMAND, b"[1]"),
                (COMMAND, b'{"a":NaN}'),
                (COMMAND, b'{"a":1e999}'),
                (READING.replace("waste_bin", "toaster"), b'{"filling_level":0.5}'),
                (READING.replace("bin-1", "b n"), b'{"filling_level":0.5}'),
            ):
                device.publish_confirmed(topic, payload)
            device.publish_confirmed(READING, b'{"filling_level":0.5}')
            assert stream.next()[1]["values"] == {"filling_level": 0.5}

    def test_listeners_that_leave_are_forgotten(
        self, listen: Callable[..., Any], served: Any, device: MqttClient, wait_until: Callable[..., object]
    ) -> None:
        with listen():
            pass
        wait_until(lambda: served.resources.live.listeners == 0, "the listener is gone")
        device.publish_confirmed(READING, b'{"filling_level":0.5}')

    @pytest.mark.parametrize(
        "query", ["event=up", "device_type=toaster", "device_id=a/b", "municipality=A&municipality=B"]
    )
    def test_wrong_queries_are_422(self, served: Any, query: str) -> None:
        answer = httpx.get(f"{served.url}/v1/live?{query}")
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def numbered(number: int) -> LiveEvent:
    return LiveEvent("reading", str(number), "marburg", "waste_bin", "bin-1")


class TestListener:
    def test_a_slow_one_loses_the_oldest_and_is_told(self) -> None:
        async def scene() -> None:
            listener = Listener(LiveFilter())
            for number in range(QUEUE_EVENTS + 3):
                listener.offer(numbered(number))
            assert await listener.next() == LiveEvent("dropped", '{"count": 3}')
            assert (await listener.next()).data == "3"
            for _ in range(QUEUE_EVENTS - 1):
                last = await listener.next()
            assert last.data == str(QUEUE_EVENTS + 2)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(listener.next(), 0.01)

        asyncio.run(scene())

    def test_waits_for_what_it_wants(self) -> None:
        async def scene() -> None:
            listener = Listener(LiveFilter(device_ids=["bin-2"]))
            waiting = asyncio.create_task(listener.next())
            await asyncio.sleep(0)
            listener.offer(numbered(1))
            wanted = LiveEvent("alert", "2", "marburg", "waste_bin", "bin-2")
            listener.offer(wanted)
            assert await waiting == wanted
            assert listener.dropped == 0

        asyncio.run(scene())
