"""Publishing many messages while the connection breaks."""

import threading
from collections.abc import Callable
from typing import Any

from mqtt.client import MqttClient


def test_a_message_said_just_when_the_connection_is_lost_is_sent_when_it_is_back(
    mosquitto: Any, wait_until: Callable[..., object]
) -> None:
    """The client may find out only while publishing; then it looks connected although it is not."""
    client = MqttClient(mosquitto.url, "said")
    client.start()
    client.wait_connected(10)
    mosquitto.stop()
    wait_until(lambda: not client.connected, "the loss is seen")
    client._connected.set()
    done: list[int] = []
    thread = threading.Thread(target=lambda: done.extend(client.publish_all([("a/b", b"1"), ("a/b", b"2")])))
    thread.start()
    wait_until(lambda: client._client._out_messages, "it is said")
    client._connected.clear()
    mosquitto.start()
    thread.join(60)
    client.stop()
    assert done[-1] == 2
