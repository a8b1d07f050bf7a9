"""Commands over broker outages and restarts of ingest: never late, and their fate is kept."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from actions import send_command
from actions.send_command import light_command, send_set_light
from core.clock import utc_now
from core.command import CommandState, Reason
from core.errors import BrokerError
from core.mqtt import MqttClient
from core.topics import Topics
from lights.presence import WantedLevel

Wait = Callable[..., Any]


def lights(platform: Any) -> list[dict[str, Any]]:
    return [json.loads(m.payload) for m in list(platform.heard) if m.topic.endswith("/set_light")]


def test_the_answer_to_a_command_of_an_earlier_run_finds_it(
    make_platform: Callable[..., Any], wait_until: Wait
) -> None:
    with make_platform() as platform:
        platform.say("marburg/streetlight/l2/event/up", b'{"presence": true}')
        wait_until(lambda: len(platform.state.commands.recent(10)) == 5, "five commands are kept")
        done, rejected, *_ = [command for command in platform.state.commands.recent(10) if command.device_id != "l2"]
    with make_platform() as platform:
        for command, result in ((done, "done"), (rejected, "rejected")):
            ack = {"command_id": command.command_id, "result": result, "detail": "so it is"}
            platform.say(f"marburg/streetlight/{command.device_id}/event/ack", json.dumps(ack).encode())
        wait_until(
            lambda: (
                [platform.state.commands.get(command.command_id).state for command in (done, rejected)]
                == [CommandState.DONE, CommandState.REJECTED]
            ),
            "both answers are kept",
        )


def test_a_command_of_an_earlier_run_that_nobody_answers_expires(platform: Any, wait_until: Wait) -> None:
    wanted = WantedLevel("l1", 1.0, 1.0, 75.0, Reason.PRESENCE)
    old = light_command(platform.state.devices.get("l1"), wanted, utc_now() - timedelta(minutes=1))
    new = light_command(platform.state.devices.get("l1"), wanted, utc_now())
    platform.state.commands.add([old, new])
    wait_until(lambda: platform.state.commands.get(old.command_id).state is CommandState.EXPIRED, "it expires", 20)
    assert platform.state.commands.get(new.command_id).state is CommandState.SENT
    assert lights(platform) == [], "an old command is marked, not sent again"


def test_a_command_that_expires_while_the_broker_is_away_is_never_sent(
    mosquitto: Any, platform: Any, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lowering commands become due while the broker is away for longer than they are good for."""
    monkeypatch.setattr(send_command, "EXPIRES_AFTER", timedelta(seconds=1))
    platform.say("marburg/streetlight/l2/event/up", b'{"presence": true}')
    wait_until(lambda: len(platform.state.commands.recent(10)) == 5, "five lamps are raised")
    mosquitto.stop()
    kept = wait_until(
        lambda: len(found := platform.state.commands.recent(20)) == 10 and found, "five are to be lowered"
    )
    lowering = [command for command in kept if command.reason is Reason.SCHEDULE]
    wait_until(
        lambda: (
            {platform.state.commands.get(command.command_id).state for command in lowering} == {CommandState.EXPIRED}
        ),
        "they expire",
        20,
    )
    platform.heard.clear()
    mosquitto.start()
    platform.device.wait_connected(30)

    def a_new_one_arrives() -> bool:
        platform.say("marburg/streetlight/l2/event/up", b'{"presence": true}')
        return len(lights(platform)) >= 5

    wait_until(a_new_one_arrives, "lights work again", 30)
    assert {command["reason"] for command in lights(platform)} == {"presence"}


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
            dim_level=0.5, hold_s=60.0, fade_s=0.0, now=utc_now(),
        )  # fmt: skip
    (command,) = platform.state.commands.recent(10)
    assert (command.state, command.detail) == (CommandState.EXPIRED, "not taken by the broker")
    assert platform.state.commands.active_overrides(utc_now()) == []
    mosquitto.start()
    operator.wait_connected(30)
    platform.device.wait_connected(30)
    operator.publish_confirmed("kreispuls/v1/marburg/streetlight/l1/command/last", b"{}", timeout_s=30)
    wait_until(lambda: platform.heard, "what the operator says now is heard", 30)
    assert lights(platform) == []
    operator.stop()
