from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import RFC_4122, UUID

from actions.lights.publish_light import publish_light
from core.clock import utc_now
from core.command import Reason
from core.device import Device
from core.topics import Topics
from devices.streetlight.codec import decode_set_light
from lights.commands import LightCommands
from lights.wanted import WantedLevel
from mqtt.client import Message, MqttClient

NOW = datetime(2026, 11, 20, 21, tzinfo=UTC)


def test_every_command_has_a_random_uuid_of_its_own() -> None:
    lamp = Device(device_id="l1", device_type="streetlight", municipality="marburg")
    wanted = WantedLevel(1.0, 1.0, Reason.PRESENCE, NOW + timedelta(seconds=60))
    make = LightCommands(30.0).make
    ids = [UUID(make(lamp, wanted, NOW).command_id) for _ in range(2_000)]
    assert len(set(ids)) == 2_000
    assert {(each.version, each.variant) for each in ids} == {(4, RFC_4122)}


def test_a_repeated_command_is_not_sent_after_its_time(mosquitto: Any, wait_until: Callable[..., Any]) -> None:
    """Repeated while the broker is away, 40 s after it was issued: good for 30 s only, whenever it is repeated."""
    heard: list[Message] = []
    listener = MqttClient(mosquitto.url, "listener", filters=["k/#"], on_message=heard.append, persistent=True)
    listener.start()
    listener.wait_connected(10)
    listener.subscribe(["k/#"])
    sender = MqttClient(mosquitto.url, "sender")
    sender.start()
    sender.wait_connected(10)
    mosquitto.stop()
    wait_until(lambda: not sender.connected, "the connection is gone")
    lamp = Device(device_id="l1", device_type="streetlight", municipality="marburg")
    now = utc_now()
    for issued_at, level in ((now - timedelta(seconds=40), 0.4), (now, 1.0)):
        wanted = WantedLevel(level, 1.0, Reason.PRESENCE, now + timedelta(seconds=60))
        publish_light(sender, Topics("k"), LightCommands(30.0).make(lamp, wanted, issued_at))
    mosquitto.start()
    sender.wait_connected(30)
    wait_until(lambda: heard, "the good one is heard", 30)
    sender.publish_confirmed("k/end", b"", timeout_s=30)
    wait_until(lambda: heard[-1].topic == "k/end", "the end is heard", 30)
    assert [decode_set_light(message.payload).dim_level for message in heard[:-1]] == [1.0]
    sender.stop()
    listener.stop()
