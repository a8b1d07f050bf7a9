"""Sends an operator's command to a device over MQTT and keeps what was sent."""

from datetime import datetime, timedelta
from typing import Final

from actions.lights.publish_light import topic_and_payload
from core.command import Command, Reason
from core.device import Device, DeviceStatus
from core.errors import ConflictError, InvalidInputError
from core.topics import Topics
from devices.registry import device_type
from devices.streetlight.attributes import Control, control_of
from lights.commands import LightCommands
from lights.groups import FOLLOWS_PROFILE
from lights.wanted import WantedLevel
from mqtt.client import MqttClient
from state.state import State

LONGEST_HOLD_S: Final = 7 * 86_400.0


def send_set_light(
    mqtt: MqttClient,
    topics: Topics,
    state: State,
    device: Device,
    *,
    dim_level: float,
    hold_s: float | None,
    fade_s: float,
    good_for_s: float,
    now: datetime,
) -> Command:
    """Send a light command and keep it with its state `sent`; returns when the broker has it.

    Raises:
        InvalidInputError: the device's type knows no `set_light`, or a number is out of range.
        ConflictError: the device is not in service, or follows a profile (`control: profile`).
        BrokerError: the broker did not take it; the command is marked expired and is not sent later.
    """
    if "set_light" not in device_type(device.device_type).commands:
        raise InvalidInputError(f"device {device.device_id}: a {device.device_type} knows no command set_light")
    if device.status in (DeviceStatus.DISCOVERED, DeviceStatus.RETIRED):
        raise ConflictError(f"device {device.device_id} is {device.status.value}, it takes no commands")
    if control_of(device.attributes) is Control.PROFILE:
        raise ConflictError(f"device {device.device_id} {FOLLOWS_PROFILE}")
    if not 0 <= dim_level <= 1:
        raise InvalidInputError(f"dim_level {dim_level:g} is outside 0 to 1")
    if hold_s is not None and not 0 < hold_s <= LONGEST_HOLD_S:
        raise InvalidInputError(f"duration_s {hold_s:g} is outside 0 to {LONGEST_HOLD_S:g}")
    until = None if hold_s is None else now + timedelta(seconds=hold_s)
    command = LightCommands(good_for_s).make(device, WantedLevel(dim_level, fade_s, Reason.OVERRIDE, until), now)
    # Kept first: the answer may come back before publishing returns.
    state.commands.add([command])
    topic, payload = topic_and_payload(command, topics)
    try:
        mqtt.publish_confirmed(topic, payload, expires=True)
    except Exception:
        state.commands.withdraw([command.command_id], "not taken by the broker")
        raise
    return command
