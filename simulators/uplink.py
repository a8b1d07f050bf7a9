"""The radio of a simulated device: its words as MQTT messages, spoiled by its fault if it has one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from core.clock import from_epoch_us
from core.command import CommandState
from core.device import Connection, Device
from core.quantity import Value
from core.topics import Topics
from devices.acknowledgement import Acknowledgement, encode_ack
from devices.base import encode_json
from simulators.faults import FaultKind, Injection


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False


def instant(at_s: float) -> datetime:
    """Seconds since 1970-01-01T00:00:00Z as an aware UTC instant, to the millisecond as devices count."""
    return from_epoch_us(round(at_s * 1000) * 1000)


class Uplink:
    """Builds the messages of one device; `injection` is its fault."""

    def __init__(self, device: Device, topics: Topics, injection: Injection | None) -> None:
        self.device = device
        self.injection = injection
        parts = (device.municipality, device.device_type, device.device_id)
        self._up = topics.event(*parts, "up")
        self._ack = topics.event(*parts, "ack")
        self._status = topics.event(*parts, "status")
        self._seq = 0

    def has(self, kind: FaultKind, at_s: float) -> bool:
        """Whether the device shows this fault at an instant."""
        return self.injection is not None and self.injection.has(kind, at_s)

    def drift(self, at_s: float) -> float:
        """How far its drifting measurement is off; 0 without that fault."""
        return 0.0 if self.injection is None else self.injection.drift(self.device.device_type, at_s)

    def up(self, values: Mapping[str, Value], at_s: float) -> list[Outgoing]:
        """`event/up` with these values: usually one message, with a fault none or two."""
        self._seq += 1
        if self.injection is None:
            return [Outgoing(self._up, encode_json(values, observed_at=instant(at_s), seq=self._seq))]
        observed_at = instant(self.injection.clock_s(at_s))
        payload = encode_json(self.injection.alter(values, at_s), observed_at=observed_at, seq=self._seq)
        return [Outgoing(self._up, part) for part in self.injection.garble(payload, at_s)]

    def ack(self, command_id: str, result: CommandState, at_s: float, detail: str = "") -> list[Outgoing]:
        """`event/ack`; none from a silent device."""
        if self.has(FaultKind.SILENCE, at_s):
            return []
        return [Outgoing(self._ack, encode_ack(Acknowledgement(command_id, result, detail)))]

    def status(self, connection: Connection, at_s: float) -> list[Outgoing]:
        """`event/status`, retained; none from a silent device."""
        if self.has(FaultKind.SILENCE, at_s):
            return []
        return [Outgoing(self._status, connection.value.encode(), retain=True)]
