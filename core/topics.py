"""The only file that spells MQTT topics."""

import re
from dataclasses import dataclass

from core.device import DEVICE_ID_PATTERN, DEVICE_TYPE_PATTERN, MUNICIPALITY_PATTERN
from core.errors import PayloadError

MAX_TOPIC_SHOWN = 200
_DEVICE_PART = re.compile(
    rf"(?P<municipality>{MUNICIPALITY_PATTERN})/(?P<device_type>{DEVICE_TYPE_PATTERN})/(?P<device_id>{DEVICE_ID_PATTERN})"
    rf"/(?P<channel>event|command|alert)/(?P<name>[a-z][a-z0-9_]{{0,63}})",
    re.ASCII,
)
_EVENT_LEVEL = 3


@dataclass(frozen=True, slots=True)
class DeviceTopic:
    """The parts of a device's topic; `channel` is event, command or alert, `name` its last level."""

    municipality: str
    device_type: str
    device_id: str
    channel: str
    name: str


class Topics:
    """Builds and reads the topics below one root (`kreispuls/v1` unless set otherwise)."""

    def __init__(self, root: str) -> None:
        self.root = root.strip("/")
        self._prefix = self.root + "/"

    def parse(self, topic: str) -> DeviceTopic:
        """Read a device topic.

        Raises:
            PayloadError: not one of ours; the reason names the part that is wrong.
        """
        match = _DEVICE_PART.fullmatch(topic[len(self._prefix) :]) if topic.startswith(self._prefix) else None
        if match is None:
            raise PayloadError(
                f"topic {topic[:MAX_TOPIC_SHOWN]!a} is not "
                f"{self.root}/{{municipality}}/{{device_type}}/{{device_id}}/event|command/{{name}}"
            )
        return DeviceTopic(**match.groupdict())

    def build(self, municipality: str, device_type: str, device_id: str, channel: str, name: str) -> str:
        """The topic of these parts; `parse(build(...))` gives them back."""
        return f"{self._prefix}{municipality}/{device_type}/{device_id}/{channel}/{name}"

    def event(self, municipality: str, device_type: str, device_id: str, name: str) -> str:
        """Where a device publishes `up`, `status` or `ack`."""
        return self.build(municipality, device_type, device_id, "event", name)

    def command(self, municipality: str, device_type: str, device_id: str, name: str) -> str:
        """Where a device listens for the command `name`."""
        return self.build(municipality, device_type, device_id, "command", name)

    def alert(self, municipality: str, device_type: str, device_id: str, rule: str) -> str:
        """Where the platform tells listeners of an alert's change."""
        return self.build(municipality, device_type, device_id, "alert", rule)

    def platform_status(self, program: str, session: str) -> str:
        """Where a program of the platform keeps its own retained status (`_platform` can be no municipality)."""
        return f"{self._prefix}_platform/{program}/{session}/platform/status"

    def platform_echo(self, program: str, session: str) -> str:
        """What a program says to itself by way of the broker: when it hears that, it has heard all that came before."""
        return f"{self._prefix}_platform/{program}/{session}/platform/echo"

    @property
    def ingest_filters(self) -> list[str]:
        """Subscriptions of ingest: all that devices say, and topics too short to be a device's (kept as rejected).

        Commands are not among them: ingest would hear every command that it sends.
        """
        return [f"{self._prefix}{filter_}" for filter_ in ("+/+/+/event/#", "+", "+/+", "+/+/+", "+/+/+/+")]

    def events_of(self, municipality: str) -> str:
        """Subscription to all that the devices of one municipality say."""
        return f"{self._prefix}{municipality}/+/+/event/#"

    def municipality_of_event(self, topic: str) -> str | None:
        """First level of a topic that `events_of` its municipality matches, well-formed or not; None: no such topic."""
        levels = topic.removeprefix(self._prefix).split("/", 4) if topic.startswith(self._prefix) else []
        return levels[0] if len(levels) > _EVENT_LEVEL and levels[_EVENT_LEVEL] == "event" else None

    @property
    def live_filters(self) -> list[str]:
        """Subscriptions of the live stream: readings, commands and changes of alerts."""
        return [f"{self._prefix}{filter_}" for filter_ in ("+/+/+/event/up", "+/+/+/command/+", "+/+/+/alert/+")]

    def commands_of(self, municipality: str, device_type: str, device_id: str) -> str:
        """Subscription of a device: its commands. `+` stands for any municipality, type or device."""
        return self.command(municipality, device_type, device_id, "+")
