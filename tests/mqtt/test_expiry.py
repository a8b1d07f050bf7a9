"""Messages that expire while the broker is away are not sent when it is back; the others are."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.errors import BrokerError
from mqtt.client import MAX_EXPIRING, Message, MqttClient

Wait = Callable[..., Any]


@pytest.fixture
def sender(mosquitto: Any) -> Iterator[MqttClient]:
    client = MqttClient(mosquitto.url, "sender")
    client.start()
    client.wait_connected(10)
    yield client
    client.stop()


@pytest.fixture
def heard(mosquitto: Any) -> Iterator[list[Message]]:
    messages: list[Message] = []
    client = MqttClient(mosquitto.url, "listener", filters=["k/#"], on_message=messages.append, persistent=True)
    client.start()
    client.wait_connected(10)
    client.subscribe(["k/#"])
    yield messages
    client.stop()


def payloads(heard: list[Message]) -> list[bytes]:
    return [message.payload for message in list(heard)]


def test_what_expired_while_the_broker_was_away_is_never_sent(
    mosquitto: Any, sender: MqttClient, heard: list[Message], wait_until: Wait
) -> None:
    mosquitto.stop()
    wait_until(lambda: not sender.connected, "the connection is gone")
    sender.publish("k/a", b"expired at once", expires_s=0)
    sender.publish("k/a", b"for a minute", expires_s=60)
    sender.publish("k/a", b"for good")
    with pytest.raises(BrokerError):
        sender.publish_confirmed("k/a", b"taken back", timeout_s=0.1, expires=True)
    with pytest.raises(BrokerError):
        sender.publish_confirmed("k/a", b"late but sent", timeout_s=0.1)
    mosquitto.start()
    sender.wait_connected(30)
    sender.publish_confirmed("k/a", b"last", timeout_s=30)
    wait_until(lambda: b"last" in payloads(heard), "the last is heard", 30)
    assert payloads(heard) == [b"for a minute", b"for good", b"late but sent", b"last"]


def test_many_expired_leave_room_for_the_next(
    mosquitto: Any, sender: MqttClient, heard: list[Message], wait_until: Wait
) -> None:
    """The client sends at most 1,000 unacknowledged: what is taken out must not count."""
    mosquitto.stop()
    wait_until(lambda: not sender.connected, "the connection is gone")
    for _ in range(3000):
        sender.publish("k/a", b"expired", expires_s=0)
    mosquitto.start()
    sender.wait_connected(30)
    for number in range(1500):
        sender.publish("k/b", str(number).encode(), expires_s=60)
    wait_until(lambda: len(heard) >= 1500, "all are heard", 30)
    assert payloads(heard) == [str(number).encode() for number in range(1500)]


def test_more_than_mqtt_can_number_may_be_published_while_the_broker_is_away(
    mosquitto: Any, sender: MqttClient, heard: list[Message], wait_until: Wait
) -> None:
    """The newest are sent in order, the oldest are forgotten, and what does not expire stays."""
    mosquitto.stop()
    wait_until(lambda: not sender.connected, "the connection is gone")
    sender.publish("k/a", b"for good")
    for number in range(70_000):
        sender.publish("k/a", str(number).encode(), expires_s=600)
    mosquitto.autosave_changes = 100_000
    mosquitto.start()
    sender.wait_connected(30)
    wait_until(lambda: b"69999" in payloads(heard), "the last is heard", 60)
    first, *others = payloads(heard)
    assert first == b"for good"
    assert MAX_EXPIRING // 2 <= len(others) <= MAX_EXPIRING
    assert others == [str(number).encode() for number in range(70_000 - len(others), 70_000)]


def test_subscriptions_come_and_go_and_are_made_again_with_the_connection(
    mosquitto: Any, sender: MqttClient, wait_until: Wait
) -> None:
    messages: list[Message] = []
    client = MqttClient(mosquitto.url, "changing", on_message=messages.append)
    with pytest.raises(BrokerError, match="no answer about a/#"):
        client.subscribe(["a/#"], 0.1)
    client.start()
    client.wait_connected(10)
    client.subscribe(["a/#", "b/#"])
    client.unsubscribe(["a/#"])
    mosquitto.stop()
    mosquitto.start()
    client.wait_connected(30)
    wait_until(lambda: client.reconnects == 1, "connected again", 30)
    client.subscribe(["end"])  # answered after what is subscribed to on connection
    sender.wait_connected(30)
    for topic in ("a/1", "b/1", "end"):
        sender.publish_confirmed(topic, b"x", timeout_s=30)
    wait_until(lambda: any(message.topic == "end" for message in messages), "the last is heard")
    assert [message.topic for message in messages] == ["b/1", "end"]
    client.stop()


def test_what_is_published_together_goes_out_at_the_end_in_order(
    sender: MqttClient, heard: list[Message], wait_until: Wait
) -> None:
    expected = [b"%d" % number for number in range(300)]
    for first in range(0, 300, 50):
        with sender.together():
            for payload in expected[first : first + 50]:
                sender.publish("k/a", payload, expires_s=60)
    wait_until(lambda: len(heard) >= len(expected), "all are heard", 10)
    assert payloads(heard) == expected


def test_what_fails_between_leaves_nothing_held_back(
    sender: MqttClient, heard: list[Message], wait_until: Wait
) -> None:
    def fail() -> None:
        with sender.together():
            sender.publish("k/a", b"before")
            raise BrokerError("something else")

    with pytest.raises(BrokerError):
        fail()
    sender.publish("k/a", b"after")
    wait_until(lambda: payloads(heard) == [b"before", b"after"], "both are heard", 10)
