"""Overrides of operators over broker outages; `tests/faults/test_commands.py` has what ingest itself sends."""

import json
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


def test_an_override_holds_though_the_lamp_answers_only_after_the_command_has_expired(
    mosquitto: Any, make_platform: Callable[..., Any], wait_until: Wait
) -> None:
    """Nothing else is sent meanwhile; the lamp that is back is told what the operator wants, also by a new ingest."""
    operator = MqttClient(mosquitto.url, "operator")
    operator.start()
    operator.wait_connected(10)
    changes = {"command_expires_s": 1.0, "command_attempts": 2, "presence_hold_s": 5.0}

    def told(platform: Any) -> list[dict[str, Any]]:
        return [json.loads(message.payload) for message in platform.heard if "/l1/command/set_light" in message.topic]

    with make_platform(**changes) as platform:
        wish = send_set_light(
            operator, Topics("kreispuls/v1"), platform.state, platform.state.devices.get("l1"),
            dim_level=0.7, hold_s=3600.0, fade_s=0.0, good_for_s=1.0, now=utc_now(),
        )  # fmt: skip
        expired = CommandState.EXPIRED
        wait_until(lambda: platform.state.commands.get(wish.command_id).state is expired, "it expires", 30)
        platform.say("marburg/streetlight/l1/event/up", b'{"presence": true}')  # it is there again
        wait_until(lambda: len({each["command_id"] for each in told(platform)}) == 2, "it is told anew", 30)
        assert {(each["dim_level"], each["reason"]) for each in told(platform)} == {(0.7, "override")}
        assert told(platform)[-1]["hold_s"] > 3500
        wait_until(lambda: {each.state for each in platform.state.commands.recent(10)} == {expired}, "it expires too")
    with make_platform(**changes) as platform:
        wait_until(lambda: told(platform), "a new ingest tells it what holds", 30)
        assert {(each["dim_level"], each["reason"]) for each in told(platform)} == {(0.7, "override")}
        ids = {each["command_id"] for each in told(platform)}
        wait_until(lambda: {each.state for each in platform.state.commands.recent(10)} == {expired}, "it expires again")
        platform.say("marburg/streetlight/l1/event/status", b"online")
        wait_until(lambda: {each["command_id"] for each in told(platform)} > ids, "it is back and is told", 30)
    operator.stop()


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
