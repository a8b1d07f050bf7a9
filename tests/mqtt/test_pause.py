"""Leaving a session to who connects next: what is in hand is finished, the rest comes there, nothing comes twice."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from core.errors import BrokerError
from mqtt.client import Message, MqttClient

Wait = Callable[..., Any]


def test_a_session_changes_hands_and_every_message_comes_once(mosquitto: Any, wait_until: Wait) -> None:
    first: list[Message] = []
    second: list[Message] = []
    in_hand, go_on = threading.Event(), threading.Event()

    def slowly(message: Message) -> None:
        if len(first) == 500:
            in_hand.set()
            go_on.wait(30)
        first.append(message)

    def session(on_message: Callable[[Message], None]) -> MqttClient:
        client = MqttClient(
            mosquitto.url, "session", filters=["t/#"], on_message=on_message, persistent=True, manual_ack=True
        )
        client.start()
        client.wait_connected(10)
        client.flush(30)  # subscribed
        return client

    old = session(slowly)
    publisher = MqttClient(mosquitto.url, "publisher")
    publisher.start()
    publisher.wait_connected(10)
    payloads = [b"%d" % number for number in range(1000)]
    for _ in publisher.publish_all(("t/x", payload) for payload in payloads):
        pass
    assert in_hand.wait(30)
    pausing = threading.Thread(target=old.pause, args=(30.0,))
    pausing.start()
    assert pausing.is_alive(), "one message is being handled"
    go_on.set()
    pausing.join(30)
    handled = len(first)
    for message in first:  # one packet each: the broker has to read them all before it lets the next one in
        old.acknowledge(message)
    old.flush(30)
    old.stop()
    new = session(second.append)
    wait_until(lambda: len(first) + len(second) >= 1000, "the others come to the next")
    publisher.publish_confirmed("t/x", b"last")
    wait_until(lambda: second[-1].payload == b"last", "the last one comes behind them")
    assert len(first) == handled >= 501
    assert [message.payload for message in first + second] == [*payloads, b"last"]
    new.stop()
    publisher.stop()


def test_flushing_without_a_connection(mosquitto: Any) -> None:
    with pytest.raises(BrokerError, match="no answer"):
        MqttClient(mosquitto.url, "nobody").flush(0.1)
