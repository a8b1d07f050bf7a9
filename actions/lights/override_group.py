"""Overrides many lamps at once: plans it, and sends it if it is meant."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from actions.lights.lighting_plan import read_lighting_plan
from actions.lights.publish_light import topic_and_payload
from core.command import Command, Reason
from core.device import Device
from core.errors import BrokerError, InvalidInputError
from core.settings import Settings
from core.topics import Topics
from lights.commands import LightCommands
from lights.groups import GroupOverride, plan_override
from lights.lamp import controlled_lamps
from lights.wanted import WantedLevel
from mqtt.client import MqttClient
from state.devices import DeviceFilter
from state.state import State

logger = logging.getLogger(__name__)

MOST_LAMPS: Final = 5_000
"""So many lamps are overridden by one request at most."""

TAKEN_WITHIN_S: Final = 5.0
"""A broker that has not taken a command by then does not answer."""


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """What an override of a group would do, and the lamps it would do it to, by id."""

    override: GroupOverride
    devices: Mapping[str, Device]


def plan_group_override(
    state: State,
    settings: Settings,
    light_group_id: str,
    *,
    dim_level: float,
    duration_s: float | None,
    now: datetime,
) -> PlannedGroup:
    """What overriding a group would do; nothing is sent or kept.

    Raises:
        NotFoundError: there is no such group.
        InvalidInputError: the level is out of range, or the group has more than `MOST_LAMPS` lamps.
    """
    group = state.lighting.group(light_group_id)
    in_town = state.devices.all(DeviceFilter(municipality=group.municipality, device_type="streetlight"))
    devices = {device.device_id: device for device in in_town if group.includes(device)}
    if len(devices) > MOST_LAMPS:
        raise InvalidInputError(f"light group {light_group_id!r} has {len(devices)} lamps, more than {MOST_LAMPS}")
    until = None if duration_s is None else now + timedelta(seconds=duration_s)
    lamps = controlled_lamps(devices.values(), read_lighting_plan(state, settings))
    return PlannedGroup(plan_override(lamps, dim_level, until, now), devices)


def send_group_override(
    mqtt: MqttClient,
    topics: Topics,
    state: State,
    planned: PlannedGroup,
    *,
    fade_s: float,
    good_for_s: float,
    now: datetime,
) -> list[Command]:
    """Send what was planned and keep it with its state `sent`; returns when the broker has it all, lamps by id.

    Raises:
        BrokerError: the broker did not take a command; those that it has not taken are marked expired and are not sent
            later.
    """
    making = LightCommands(good_for_s)
    commands = []
    for override in planned.override.overrides:
        wanted = WantedLevel(override.dim_level, fade_s, Reason.OVERRIDE, override.until)
        commands.append(making.make(planned.devices[override.device_id], wanted, now))
    state.commands.add(commands)  # first: answers may come back before publishing returns
    taken = 0
    messages = (topic_and_payload(command, topics) for command in commands)
    try:
        for taken in mqtt.publish_all(messages, timeout_s=TAKEN_WITHIN_S, expires=True):  # noqa: B007 - known if it fails
            pass
    except BrokerError:
        state.commands.withdraw([command.command_id for command in commands[taken:]], "not taken by the broker")
        logger.warning("override of a group: the broker took %d of %d commands", taken, len(commands))
        raise
    return commands
