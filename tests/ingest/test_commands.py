"""Overrides of operators over broker outages; `tests/faults/test_commands.py` has what ingest itself sends."""

from collections.abc import Callable
from typing import Any

import pytest

from actions.lights.send_command import send_set_light
from core.clock import utc_now
from core.command import CommandState
from core.errors import BrokerError
from core.topics import Topics
from mqtt.client import MqttClient

Wait = Callable[..., Any]


def test_an_override_that_the_broker_did_not_take_is_expired_and_not_sent_later(
    mosquitto: Any, platform: Any, wait_until: Wait
) -> None:
    operator = MqttClient(mosquitto.url, "operator")
    operator.start()
    operator.wait_connected(10)
    mosquitto.stop()
    wait_until(lambda: not operator.connected, "the connection is gone")
    with pytest.raises(BrokerError):
        send_set_light(
            operator, Topics("kreispuls/v1"), platform.state, platform.state.devices.get("l1"),
            dim_level=0.5, hold_s=60.0, fade_s=0.0, good_for_s=30.0, now=utc_now(),
        )  # fmt: skip
    (command,) = platform.state.commands.recent(10)
    assert (command.state, command.detail) == (CommandState.EXPIRED, "not taken by the broker")
    assert platform.state.commands.active_overrides(utc_now()) == []
    mosquitto.start()
    operator.wait_connected(30)
    platform.device.wait_connected(30)
    platform.device.flush(30)  # subscribed again
    operator.publish_confirmed("kreispuls/v1/marburg/streetlight/l1/command/last", b"{}", timeout_s=30)
    wait_until(lambda: platform.heard, "what the operator says now is heard", 30)
    assert not [message for message in platform.heard if message.topic.endswith("/set_light")]
    operator.stop()
