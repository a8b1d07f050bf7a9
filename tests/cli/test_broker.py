"""The embedded broker, as a process of its own, keeps the promise of QoS 1 (decision 0001)."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import BrokerError
from mqtt.client import Message, MqttClient, Will

Wait = Callable[..., Any]


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int) -> Iterator[str]:
    monkeypatch.setenv("KREISPULS_MQTT_URL", f"mqtt://127.0.0.1:{free_port}")
    process = subprocess.Popen([sys.executable, "-P", "-m", "cli.main", "broker"], cwd=tmp_path)
    try:
        deadline = time.monotonic() + 20
        while True:
            probe = MqttClient(f"mqtt://127.0.0.1:{free_port}", "probe")
            probe.start()
            try:
                probe.wait_connected(2)
            except BrokerError:
                assert time.monotonic() < deadline
                assert process.poll() is None
            else:
                break
            finally:
                probe.stop()
        yield f"mqtt://127.0.0.1:{free_port}"
    finally:
        process.terminate()
        assert process.wait(30) == 0


def subscriber(url: str, heard: list[Message]) -> MqttClient:
    client = MqttClient(url, "subscriber", filters=["k/#"], on_message=heard.append, persistent=True, manual_ack=True)
    client.start()
    client.wait_connected(10)
    return client


def break_off(client: MqttClient) -> None:
    """As a killed process does: the connection ends without a goodbye."""
    client._client.loop_stop()
    client._client._sock_close()


def test_what_was_not_acknowledged_comes_again_in_order_and_nothing_is_missing(url: str, wait_until: Wait) -> None:
    first: list[Message] = []
    client = subscriber(url, first)
    publisher = MqttClient(url, "publisher")
    publisher.start()
    publisher.wait_connected(10)
    sent = [str(number).encode() for number in range(2000)]
    for payload in sent[:1500]:  # more than are on their way unacknowledged at a time
        publisher.publish_confirmed("k/a", payload)
    wait_until(lambda: len(first) == 1000, "a window of messages has come")
    for message in first[:300]:
        client.acknowledge(message)
    wait_until(lambda: len(first) == 1300, "acknowledging lets more come")
    break_off(client)
    for payload in sent[1500:]:  # while nobody is there
        publisher.publish_confirmed("k/a", payload)

    second: list[Message] = []

    def keep(message: Message) -> None:
        second.append(message)
        client.acknowledge(message)

    client = MqttClient(url, "subscriber", filters=["k/#"], on_message=keep, persistent=True, manual_ack=True)
    client.start()
    wait_until(lambda: len(second) >= 1700, "the rest has come")
    acknowledged = [message.payload for message in first[:300]]
    assert acknowledged == sent[:300]
    assert [message.payload for message in second] == sent[300:]
    client.stop()
    publisher.stop()


def test_a_client_that_disappears_leaves_its_will(url: str, wait_until: Wait) -> None:
    heard: list[Message] = []
    watcher = MqttClient(url, "watcher", filters=["status"], on_message=heard.append)
    watcher.start()
    watcher.wait_connected(10)
    mortal = MqttClient(url, "mortal", will=Will("status"))
    mortal.start()
    wait_until(lambda: [message.payload for message in heard] == [b"online"], "it is online")
    break_off(mortal)
    wait_until(lambda: [message.payload for message in heard] == [b"online", b"offline"], "its will is published")
    watcher.stop()


def test_retained_messages_greet_a_new_subscriber(url: str, wait_until: Wait) -> None:
    publisher = MqttClient(url, "publisher")
    publisher.start()
    publisher.wait_connected(10)
    publisher.publish_confirmed("k/retained", b"hello", retain=True)
    publisher.stop()
    heard: list[Message] = []
    client = subscriber(url, heard)
    wait_until(lambda: [message.payload for message in heard] == [b"hello"], "the retained message has come")
    client.stop()
