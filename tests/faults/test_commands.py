"""Commands while ingest is killed and the broker away: their state is kept, and none is sent late."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from core.clock import utc_now
from core.command import Command, CommandState, Reason
from lights.commands import LightCommands
from lights.wanted import WantedLevel
from mqtt.client import Message, MqttClient
from state.state import State, open_state
from tests.patience import PATIENCE_S

Wait = Callable[..., Any]
LAMP = "kreispuls/v1/marburg/streetlight/l1"


class Lamp:
    """A lamp that answers only when told to."""

    def __init__(self, url: str) -> None:
        self._heard: list[Message] = []
        filters = [f"{LAMP}/command/set_light"]
        self.mqtt = MqttClient(url, "l1", filters=filters, on_message=self._heard.append)
        self.mqtt.start()
        self.mqtt.wait_connected(PATIENCE_S)

    @property
    def told(self) -> list[dict[str, Any]]:
        assert all(message.qos == 1 for message in self._heard)
        return [json.loads(message.payload) for message in list(self._heard)]

    def see_somebody(self) -> None:
        self.mqtt.publish_confirmed(f"{LAMP}/event/up", b'{"presence": true}', timeout_s=PATIENCE_S)

    def answer(self, command_id: str, result: CommandState, detail: str = "") -> None:
        ack = {"command_id": command_id, "result": result, "detail": detail}
        self.mqtt.publish_confirmed(f"{LAMP}/event/ack", json.dumps(ack).encode(), timeout_s=PATIENCE_S)


@pytest.fixture
def site(make_site: Callable[..., Any]) -> Any:
    return make_site(presence_hold_s=5.0, command_expires_s=2.0, command_attempts=1)


@pytest.fixture
def state(site: Any) -> Iterator[State]:
    opened = open_state(site.settings.state_url)
    yield opened
    opened.close()


@pytest.fixture
def lamp(site: Any) -> Iterator[Lamp]:
    made = Lamp(site.settings.mqtt_url)
    yield made
    made.mqtt.stop()


def states(state: State) -> dict[str, CommandState]:
    return {command.command_id: command.state for command in state.commands.recent(100)}


def sent_to(state: State, issued_ago: timedelta) -> Command:
    """A command of an earlier ingest, kept and sent then."""
    at = utc_now() - issued_ago
    wanted = WantedLevel(0.5, 1.0, Reason.PRESENCE, at + timedelta(seconds=60))  # not what presence wants now
    command = LightCommands(30.0).make(state.devices.get("l1"), wanted, at)
    state.commands.add([command])
    return command


def test_what_became_of_a_command_is_kept_when_ingest_is_killed(
    site: Any, state: State, lamp: Lamp, wait_until: Wait
) -> None:
    """Sent by one ingest, answered while none runs, kept by the next; what nobody answers expires there."""
    done, rejected, overdue = (sent_to(state, timedelta(seconds=age)) for age in (0, 0, 60))
    with site.ingest() as process:
        lamp.see_somebody()
        wait_until(lambda: len(states(state)) == 4 and lamp.told, "a command is sent and kept")
        (told,) = lamp.told
        assert states(state)[told["command_id"]] is CommandState.SENT
        process.kill()
        process.wait()
    lamp.answer(done.command_id, CommandState.DONE)
    lamp.answer(rejected.command_id, CommandState.REJECTED, "lamp is broken")
    expected = {
        done.command_id: CommandState.DONE,
        rejected.command_id: CommandState.REJECTED,
        overdue.command_id: CommandState.EXPIRED,
        told["command_id"]: CommandState.EXPIRED,
    }
    with site.ingest() as process:
        wait_until(lambda: states(state) == expected, "answers and expiry are kept")
        process.kill()
        process.wait()
    assert state.commands.get(rejected.command_id).detail == "lamp is broken"
    # The lamp did it after all: the first answer counts, also after expiry; a second one changes nothing.
    lamp.answer(overdue.command_id, CommandState.DONE)
    lamp.answer(done.command_id, CommandState.REJECTED)
    expected[overdue.command_id] = CommandState.DONE
    with site.ingest():
        site.wait_acknowledged(2)
        wait_until(lambda: states(state) | expected == states(state), "a late answer counts")
    assert told in lamp.told
    assert not [each for each in lamp.told if each["command_id"] in {overdue.command_id, done.command_id}], "none again"


def test_what_expired_while_the_broker_was_away_is_never_sent(
    site: Any, state: State, lamp: Lamp, mosquitto: Any, wait_until: Wait
) -> None:
    """A lamp is to be lowered while the broker is away for longer than the command is good for."""
    with site.ingest():
        lamp.see_somebody()
        wait_until(lambda: lamp.told, "the lamp is raised")
        mosquitto.stop()
        lowering = wait_until(
            lambda: [each for each in state.commands.recent(10) if each.reason is Reason.FALLBACK],
            "it is to be lowered",
        )
        wait_until(lambda: states(state)[lowering[0].command_id] is CommandState.EXPIRED, "the command expires")
        mosquitto.start()
        lamp.mqtt.wait_connected(PATIENCE_S)

        def seen_again() -> bool:
            lamp.see_somebody()
            return len(lamp.told) > 1

        wait_until(seen_again, "ingest is connected again")
        assert {told["reason"] for told in lamp.told} == {"presence"}
