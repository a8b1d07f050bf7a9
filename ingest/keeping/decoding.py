"""Topic to device type to codec to reading; what cannot be used becomes a rejected message with its reason."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from core.clock import LARGEST_LEAD
from core.command import Command
from core.device import Connection, Device, DeviceStatus
from core.errors import KreispulsError, PayloadError
from core.reading import Reading
from core.rejected import KEPT_PAYLOAD_BYTES, RejectedMessage
from core.settings import Settings
from core.topics import DeviceTopic, Topics
from devices.acknowledgement import Acknowledgement, decode_ack
from devices.base import Decoded
from devices.registry import device_type
from ingest.keeping.registry import Registry
from mqtt.client import Message

logger = logging.getLogger(__name__)

MAX_ROUTES: Final = 200_000
"""Topics remembered, then forgotten all at once: a bound against made-up ones, far above a county's devices."""


@dataclass(slots=True)
class Understood:
    """One message and what it means; the unit that travels to the writer."""

    message: Message
    received_at: datetime
    reading: Reading | None = None
    undated: bool = False
    """The reading says no time of its own: it is observed when it is received."""
    rejected: list[RejectedMessage] = field(default_factory=list)
    connection: tuple[str, Connection] | None = None
    answer: Acknowledgement | None = None
    answered_by: str = ""
    newcomer: Device | None = None
    commands: Sequence[Command] = ()
    unknown_keys: int = 0


class Decoder:
    """Decodes messages against the registry; never raises.

    Args:
        steady_now: the time by a clock that nobody sets. When the wall clock is set one of the two is wrong, nobody
            knows which: a reading is too far ahead or too old only by both.
    """

    def __init__(
        self, settings: Settings, topics: Topics, registry: Registry, *, steady_now: Callable[[], datetime]
    ) -> None:
        self._steady_now = steady_now
        self._topics = topics
        self._registry = registry
        self._retention = timedelta(days=settings.retention_days)
        self._auto_register = settings.auto_register
        self._max_discovered = settings.max_discovered
        self._routes: dict[str, tuple[DeviceTopic, Callable[[DeviceTopic, Device, Understood], None]]] = {}
        self._by_event: dict[str, Callable[[DeviceTopic, Device, Understood], None]] = {
            "up": self._up,
            "status": self._status,
            "ack": self._ack,
        }

    def decode(self, message: Message, received_at: datetime) -> Understood:
        """What a message means."""
        understood = Understood(message, received_at)
        topic: DeviceTopic | None = None
        try:
            route = self._routes.get(message.topic)
            if route is None:
                topic = self._topics.parse(message.topic)
                route = self._route(message.topic, topic)
            topic, handle = route
            handle(topic, self._device(topic, understood), understood)
        except KreispulsError as error:
            understood.rejected.append(rejection(understood, str(error), topic))
        except Exception as error:  # a codec with a fault must not stop the stream nor lose the message
            logger.exception("decoding a message on %s failed", message.topic)
            understood.rejected.append(rejection(understood, f"codec failed: {type(error).__name__}", topic))
        return understood

    def _route(
        self, name: str, topic: DeviceTopic
    ) -> tuple[DeviceTopic, Callable[[DeviceTopic, Device, Understood], None]]:
        """Who handles a topic; remembered, because a device uses the same few topics for ever."""
        handle = self._by_event.get(topic.name) if topic.channel == "event" else None
        if handle is None:
            raise PayloadError(f"unknown event {topic.name}; known: {', '.join(self._by_event)}")
        if len(self._routes) >= MAX_ROUTES:
            self._routes.clear()
        self._routes[name] = topic, handle
        return topic, handle

    def _device(self, topic: DeviceTopic, understood: Understood) -> Device:
        device = self._registry.devices.get(topic.device_id)
        if device is None:
            device_type(topic.device_type)  # an unknown type is refused
            if not self._auto_register and self._registry.discovered >= self._max_discovered:
                raise PayloadError(
                    f"unknown device {topic.device_id}, and {self._max_discovered} discovered ones wait to be adopted"
                )
            return Device(
                device_id=topic.device_id,
                device_type=topic.device_type,
                municipality=topic.municipality,
                name=topic.device_id,
                status=DeviceStatus.ACTIVE if self._auto_register else DeviceStatus.DISCOVERED,
                created_at=understood.received_at,
            )
        if device.municipality != topic.municipality or device.device_type != topic.device_type:
            raise PayloadError(
                f"device {device.device_id} is registered as {device.municipality}/{device.device_type}, "
                f"not {topic.municipality}/{topic.device_type}"
            )
        if device.status is DeviceStatus.RETIRED:
            raise PayloadError(f"device {device.device_id} is retired")
        return device

    def _up(self, topic: DeviceTopic, device: Device, understood: Understood) -> None:
        """A reading; one that the broker kept (retain) and that tells no time may be of any day: it is no news."""
        decoded: Decoded = device_type(topic.device_type).decode(understood.message.payload, device.attributes)
        observed_at = self._checked(decoded.observed_at, understood.received_at)
        understood.undated = decoded.observed_at is None
        understood.unknown_keys = decoded.unknown_keys
        if not (understood.undated and understood.message.retain):
            understood.reading = Reading(
                device.device_id,
                device.device_type,
                device.municipality,
                observed_at,
                understood.received_at,
                decoded.values,
            )
        if decoded.rejected:
            reason = "; ".join(f"{value.quantity}: {value.reason}" for value in decoded.rejected)
            understood.rejected.append(rejection(understood, reason, topic, partial=True))
        if topic.device_id not in self._registry.devices:
            # Only a message that says something makes a device known.
            understood.newcomer = device
            self._registry.add_newcomer(device)

    def _checked(self, observed_at: datetime | None, received_at: datetime) -> datetime:
        if observed_at is None:
            return received_at
        age = received_at - observed_at
        if age < -LARGEST_LEAD and self._steady_now() - observed_at < -LARGEST_LEAD:
            raise PayloadError("observed_at: more than 5 minutes in the future")
        if age > self._retention and self._steady_now() - observed_at > self._retention:
            raise PayloadError(f"observed_at: older than the retention of {self._retention.days} days")
        return observed_at

    def _status(self, topic: DeviceTopic, device: Device, understood: Understood) -> None:
        payload = understood.message.payload
        if payload not in (b"online", b"offline"):
            raise PayloadError("status: expected online or offline")
        if topic.device_id in self._registry.devices:
            understood.connection = (device.device_id, Connection(payload.decode()))

    def _ack(self, topic: DeviceTopic, _device: Device, understood: Understood) -> None:
        understood.answer = decode_ack(understood.message.payload)
        understood.answered_by = topic.device_id
        if topic.device_id not in self._registry.devices:
            raise PayloadError(f"ack: unknown device {topic.device_id}")


def rejection(
    understood: Understood, reason: str, topic: DeviceTopic | None, *, partial: bool = False
) -> RejectedMessage:
    """The rejected message that is kept, with at most the first 4 KiB of its payload."""
    message = understood.message
    return RejectedMessage(
        topic=message.topic,
        payload=message.payload[:KEPT_PAYLOAD_BYTES],
        payload_size=len(message.payload),
        reason=reason,
        received_at=understood.received_at,
        municipality=topic.municipality if topic else None,
        device_type=topic.device_type if topic else None,
        device_id=topic.device_id if topic else None,
        partial=partial,
    )
