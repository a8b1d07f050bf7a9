"""Sends light commands over MQTT without waiting; knows no store, so that light does not either."""

from core.clock import utc_now
from core.command import Command, SetLight
from core.topics import Topics
from devices.streetlight.codec import encode_set_light
from mqtt.client import MqttClient


def topic_and_payload(command: Command, topics: Topics) -> tuple[str, bytes]:
    """What goes over the wire for a light command."""
    payload = encode_set_light(
        SetLight(
            command_id=command.command_id,
            dim_level=command.dim_level,
            fade_s=command.fade_s,
            hold_s=command.hold_s,
            reason=command.reason,
            issued_at=command.issued_at,
            expires_at=command.expires_at,
        )
    )
    return topics.command(command.municipality, command.device_type, command.device_id, command.name), payload


def publish_light(mqtt: MqttClient, topics: Topics, command: Command) -> None:
    """Send at once without waiting: the path from presence to light waits for nothing.

    While the broker is away the command waits in the client, until it expires; then it is never sent.
    """
    topic, payload = topic_and_payload(command, topics)
    left = command.expires_at - max(command.issued_at, utc_now())  # less when it is repeated; the clock may be set
    mqtt.publish(topic, payload, qos=1, expires_s=left.total_seconds())
