"""The live stream: MQTT messages become events for listeners, each with a bounded queue of its own."""

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from api.schemas.reading import show_value
from core.clock import format_rfc3339, utc_now
from core.device import Attribute
from core.errors import ConflictError, KreispulsError, NotFoundError, PayloadError
from core.topics import DeviceTopic, Topics
from devices.base import parse_object
from devices.registry import device_type
from mqtt.client import Message
from state.devices import Devices

logger = logging.getLogger(__name__)

QUEUE_EVENTS: Final = 1000
"""Events that wait for one listener; with more the oldest go."""
MAX_LISTENERS: Final = 1000
ATTRIBUTES_KEPT_S: Final = 30.0
"""How long the attributes of a device, which its codec needs, are taken from memory."""
MAX_ATTRIBUTES_KEPT: Final = 100_000


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """Something that just happened; `kind` is reading, command, alert or dropped, `data` its JSON."""

    kind: str
    data: str
    municipality: str = ""
    device_type: str = ""
    device_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFilter:
    """What a listener wants; None: any."""

    kinds: Collection[str] | None = None
    municipality: str | None = None
    device_type: str | None = None
    device_ids: Collection[str] | None = None

    def wants(self, event: LiveEvent) -> bool:
        """Whether an event passes."""
        return (
            (self.kinds is None or event.kind in self.kinds)
            and self.municipality in (None, event.municipality)
            and self.device_type in (None, event.device_type)
            and (self.device_ids is None or event.device_id in self.device_ids)
        )


@dataclass(slots=True, eq=False)
class Listener:
    """One who listens; lives on the event loop."""

    wanted: LiveFilter
    waiting: deque[LiveEvent] = field(default_factory=lambda: deque(maxlen=QUEUE_EVENTS))
    dropped: int = 0
    _filled: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, event: LiveEvent) -> None:
        """Queue an event if it is wanted; a full queue loses its oldest."""
        if not self.wanted.wants(event):
            return
        if len(self.waiting) == self.waiting.maxlen:
            self.dropped += 1
        self.waiting.append(event)
        self._filled.set()

    async def next(self) -> LiveEvent:
        """The next event; where events were lost, first one of kind `dropped` that says how many."""
        while not self.waiting:
            self._filled.clear()
            await self._filled.wait()
        if self.dropped:
            dropped, self.dropped = self.dropped, 0
            return LiveEvent("dropped", json.dumps({"count": dropped}))
        return self.waiting.popleft()


class LiveHub:
    """Hears all messages of the live stream on the MQTT thread and hands them to the listeners on the event loop."""

    def __init__(self, topics: Topics, devices: Devices) -> None:
        self._topics = topics
        self._devices = devices
        self._attributes: dict[str, tuple[float, Mapping[str, Attribute]]] = {}
        self._listeners: set[Listener] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def listen(self, wanted: LiveFilter) -> Listener:
        """Begin to listen; call on the event loop, and `leave` in the end.

        Raises:
            ConflictError: there are too many listeners.
        """
        if len(self._listeners) >= MAX_LISTENERS:
            raise ConflictError(f"{MAX_LISTENERS} listen already; come back later")
        self._loop = asyncio.get_running_loop()
        listener = Listener(wanted)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Stop listening."""
        self._listeners.discard(listener)

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    def receive(self, message: Message) -> None:
        """Take a message from the broker (on its thread); what cannot be read is ingest's to report."""
        loop = self._loop
        if loop is None or not self._listeners or message.retain:
            return
        try:
            event = self._event(message)
        except KreispulsError as error:
            logger.debug("not shown live: %s", error)
            return
        loop.call_soon_threadsafe(self._spread, event)

    def _spread(self, event: LiveEvent) -> None:
        for listener in self._listeners:
            listener.offer(event)

    def _event(self, message: Message) -> LiveEvent:
        topic = self._topics.parse(message.topic)
        data: dict[str, Any] = {
            "device_id": topic.device_id,
            "device_type": topic.device_type,
            "municipality": topic.municipality,
        }
        match topic.channel:
            case "event":
                kind = "reading"
                data |= self._reading(topic, message.payload)
            case "command":
                kind = "command"
                data |= {"name": topic.name, **parse_object(message.payload)}
            case _:
                kind = "alert"
                data |= parse_object(message.payload)
        text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        return LiveEvent(kind, text, topic.municipality, topic.device_type, topic.device_id)

    def _reading(self, topic: DeviceTopic, payload: bytes) -> dict[str, Any]:
        try:
            decode = device_type(topic.device_type).decode
        except NotFoundError as error:
            raise PayloadError(str(error)) from error
        decoded = decode(payload, self._attributes_of(topic.device_id))
        return {
            "observed_at": format_rfc3339(decoded.observed_at or utc_now()),
            "values": {name: show_value(name, value) for name, value in decoded.values.items()},
        }

    def _attributes_of(self, device_id: str) -> Mapping[str, Attribute]:
        now = time.monotonic()
        known = self._attributes.get(device_id)
        if known is not None and known[0] > now:
            return known[1]
        device = self._devices.find(device_id)
        attributes = device.attributes if device else {}
        if len(self._attributes) >= MAX_ATTRIBUTES_KEPT:
            self._attributes.clear()
        self._attributes[device_id] = (now + ATTRIBUTES_KEPT_S, attributes)
        return attributes
