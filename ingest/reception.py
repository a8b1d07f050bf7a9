"""The receiving half of ingest, in order: messages from the broker, light at once, then over to the keeping process.

    broker ─▶ receive ─▶ presence? light, at once ─▶ pipe to the keeping process (`pipeline.py`)
    broker ◀─ acknowledge ◀────────────────────────── pipe back: durable

Nothing here waits for a store: decision 0013.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Final

from actions.send_command import light_command, publish_light
from core.clock import SteadyClock, utc_now
from core.command import Command
from core.device import Device
from core.errors import PayloadError
from core.mqtt import Message, MqttClient
from core.settings import Settings
from core.topics import Topics
from devices.registry import device_type
from ingest.decoding import LARGEST_LEAD
from ingest.lamps import Lamps
from ingest.link import Lit, PackedCommand, Received, Sent, pack
from ingest.sharing import Tenure
from lights.presence import PresenceControl, WantedLevel

logger = logging.getLogger(__name__)

OLDEST_PRESENCE: Final = timedelta(seconds=30)
"""Presence observed longer ago (a device that caught up) lights nothing: whoever it was has passed."""
LOWERED_AT_ONCE: Final = 10
BREATH_S: Final = 0.001
"""After so many lamps the lowering pauses: a street that goes down may wait, presence may not."""


class Reception:
    """Network threads call `receive`; the others are called now and then.

    Args:
        control: which lamps are up.
        keep: hands over to the keeping process, in order; False: it takes nothing more.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        lamps: Lamps,
        control: PresenceControl,
        keep: Callable[[Received | Sent | Lit], bool],
    ) -> None:
        self._command_expires_s = settings.command_expires_s
        self._lamps = lamps
        self._control = control
        self._keep = keep
        self._topics = Topics(settings.mqtt_topic_root)
        self._steady_now = SteadyClock().now
        self._lock = threading.Lock()
        self._reload_lock = threading.Lock()
        self._lamp_at: dict[str, Device] = {}
        self._neighbours: Mapping[str, tuple[str, ...]] = {}
        self._known: tuple[int, Tenure | None] = -1, None
        self._lit: int | None = None
        self.mqtt: MqttClient | None = None
        """Sends the light commands."""
        self.sessions: Sequence[MqttClient] = ()
        """Who may have received a message, and so can acknowledge it."""

    # -- network threads -----------------------------------------------------------------------------------------

    def receive(self, message: Message) -> None:
        """Take a message: let lights react, hand it over. What is not taken stays with the broker."""
        now_s = time.time()
        commands: tuple[PackedCommand, ...] = ()
        lamp = self._lamp_at.get(message.topic)
        try:
            if lamp is not None and device_type(lamp.device_type).may_say_presence(message.payload):
                commands = self._react(lamp, message.payload, datetime.fromtimestamp(now_s, UTC))
        finally:  # whatever happens to the light, the reading is kept
            self._keep((*message, now_s, commands))

    def _react(self, lamp: Device, payload: bytes, now: datetime) -> tuple[PackedCommand, ...]:
        try:
            decoded = device_type(lamp.device_type).decode(payload, lamp.attributes)
        except PayloadError:
            return ()  # it becomes a rejected message where it is kept
        if decoded.values.get("presence") is not True or not self._is_fresh(decoded.observed_at, now):
            return ()
        with self._lock:
            wanted = self._control.detected(lamp.device_id, now)
        return tuple([pack(command) for command in self._send(wanted, now)])

    def _is_fresh(self, observed_at: datetime | None, now: datetime) -> bool:
        """By one of two clocks, should the wall clock have been set."""
        if observed_at is None:
            return True
        ages = now - observed_at, self._steady_now() - observed_at
        return min(ages) <= OLDEST_PRESENCE and max(ages) >= -LARGEST_LEAD

    def _send(
        self, wanted: Sequence[WantedLevel], now: datetime, kept_first: Callable[[Command], object] | None = None
    ) -> list[Command]:
        commands = []
        for level in wanted:
            lamp = self._lamps.devices.get(level.device_id)
            if lamp is None or self.mqtt is None:
                continue
            command = light_command(lamp, level, now, self._command_expires_s)
            if kept_first is not None:
                kept_first(command)
            publish_light(self.mqtt, self._topics, command)
            commands.append(command)
        return commands

    # -- now and then --------------------------------------------------------------------------------------------

    def lower(self) -> None:
        """Lower the lamps whose hold time is over."""
        now = utc_now()
        while True:
            with self._lock:
                wanted = self._control.ended(now, LOWERED_AT_ONCE)
                lit = self._control.lamps_up()
            if lit != self._lit:
                self._lit = lit
                self._keep(Lit(lit))
            if not wanted:
                return
            # Handed over before they are sent: the answer must find its command.
            with self.mqtt.together() if self.mqtt else nullcontext():
                self._send(wanted, now, kept_first=self._keep_command)
                with self._lock:  # somebody came between: our lowering went out behind their light
                    again = self._control.raised_meanwhile(wanted)
                self._send(again, now, kept_first=self._keep_command)
            time.sleep(BREATH_S)

    def _keep_command(self, command: Command) -> None:
        self._keep(Sent(pack(command)))

    def reload(self, tenure: Tenure | None) -> None:
        """Take over what changed of the lamps, and the overrides of operators.

        Args:
            tenure: which municipalities are ours; None: all.

        Raises:
            StorageError: the state database failed; nothing has changed.
        """
        with self._reload_lock:
            self._lamps.reload()
            overridden = self._lamps.overridden(utc_now())
            if (self._lamps.revision, tenure) != self._known:
                lamps = self._lamps.devices
                if tenure is not None:
                    lamps = {name: lamp for name, lamp in lamps.items() if tenure.of(lamp.municipality) is not None}
                event = self._topics.event
                self._lamp_at = {
                    event(lamp.municipality, lamp.device_type, name, "up"): lamp for name, lamp in lamps.items()
                }
                self._neighbours = {name: self._lamps.neighbours[name] for name in lamps}
                self._known = self._lamps.revision, tenure
            with self._lock:
                self._control.configure(self._neighbours, overridden)

    def receive_through(self, sessions: Sequence[MqttClient]) -> None:
        """Acknowledge to these clients from now on."""
        self.sessions = tuple(sessions)

    # -- the thread that hears the keeping process ---------------------------------------------------------------

    def acknowledge(self, deliveries: Sequence[tuple[int, int]]) -> None:
        """Tell the broker that messages are safe: each the number of its connection and its packet identifier."""
        for session in self.sessions:  # the one that received a message knows it by the number of the connection
            session.acknowledge_all(deliveries)

    def publish(self, topic: str, payload: bytes) -> None:
        """Send once, with QoS 0."""
        if self.mqtt is not None:
            self.mqtt.publish(topic, payload, qos=0)
