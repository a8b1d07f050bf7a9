"""Overriding a group with a real broker: all of it goes out together, and nothing of it late."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actions.lights import override_group
from actions.lights.override_group import plan_group_override, send_group_override
from core.clock import utc_now
from core.command import Command, CommandState
from core.device import Device, Municipality
from core.errors import BrokerError
from core.lighting import LightGroup
from core.settings import Settings
from core.topics import Topics
from devices.streetlight.codec import decode_set_light
from mqtt.client import Message, MqttClient
from state.state import open_state

LAMPS = 600
"""Three windows' worth."""


def test_a_large_group_is_told_at_once_and_not_later_when_the_broker_is_away(
    mosquitto: Any, tmp_path: Path, wait_until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(override_group, "TAKEN_WITHIN_S", 0.5)
    settings = Settings(_env_file=None, data_dir=tmp_path, mqtt_url=mosquitto.url)
    state = open_state(settings.state_url)
    state.municipalities.put(Municipality(municipality="marburg", name="Marburg"))
    lamp: dict[str, Any] = {"device_type": "streetlight", "municipality": "marburg", "attributes": {"circuit": "1"}}
    state.devices.put_many([Device(device_id=f"l{number:03}", **lamp) for number in range(LAMPS)])
    state.lighting.add_group(LightGroup(light_group_id="g", municipality="marburg", name="G", circuit="1"))
    heard: list[Message] = []
    listener = MqttClient(mosquitto.url, "listener", filters=["k/#"], on_message=heard.append, persistent=True)
    sender = MqttClient(mosquitto.url, "sender")
    for client in (listener, sender):
        client.start()
        client.wait_connected(10)
    listener.flush()

    def override(level: float) -> list[Command]:
        now = utc_now()
        planned = plan_group_override(state, settings, "g", dim_level=level, duration_s=60, now=now)
        return send_group_override(sender, Topics("k"), state, planned, fade_s=1, good_for_s=30, now=now)

    sent = override(1.0)
    wait_until(lambda: len(heard) == LAMPS, "every lamp is told")
    assert [message.topic.split("/")[3] for message in heard] == [command.device_id for command in sent]
    mosquitto.stop()
    wait_until(lambda: not sender.connected, "the connection is gone")
    with pytest.raises(BrokerError, match="after 0 acknowledged"):
        override(0.5)
    kept = state.commands.recent(1000)
    assert [command.detail for command in kept if command.state is CommandState.EXPIRED] == (
        ["not taken by the broker"] * LAMPS
    )
    assert sum(command.state is CommandState.SENT for command in kept) == 1000 - LAMPS
    mosquitto.start()
    sender.wait_connected(30)
    listener.wait_connected(30)
    sender.publish_confirmed("k/end", b"", timeout_s=30)
    wait_until(lambda: heard[-1].topic == "k/end", "the end is heard", 30)
    assert {decode_set_light(message.payload).dim_level for message in heard[:-1]} == {1.0}
    for client in (listener, sender):
        client.stop()
    state.close()
