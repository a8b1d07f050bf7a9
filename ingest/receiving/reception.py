"""The receiving half of ingest, in order: messages from the broker, light at once, then over to the keeping process.

    broker ─▶ receive ─▶ presence? light, at once ─▶ pipe to the keeping process (`pipeline.py`)
    broker ◀─ acknowledge ◀────────────────────────── pipe back: durable

Nothing here waits for a store: decision 0013.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Final

from actions.lights.send_command import publish_light
from core.clock import LARGEST_LEAD, SteadyClock, utc_now
from core.command import Command, CommandState
from core.device import Device
from core.errors import PayloadError
from core.settings import Settings
from core.topics import Topics
from devices.registry import device_type
from ingest.pipe import Following, Heard, Lit, PackedCommand, Received, Sent, pack
from ingest.receiving.lamps import Lamps
from ingest.sharing import Tenure
from lights.control import LightControl
from lights.corridor import Corridor
from lights.lamp import Lamp
from lights.street import adjoining, street_rows
from mqtt.client import Message, MqttClient
from state.state import State

logger = logging.getLogger(__name__)

OLDEST_PRESENCE: Final = timedelta(seconds=30)
"""Presence observed longer ago (a device that caught up) lights nothing: whoever it was has passed."""
SEEN_TO_AT_ONCE: Final = 3
BREATH_S: Final = 0.001
"""After so many lamps what is due pauses: a street that goes down may wait, presence may not."""
HEARD_AT_ONCE: Final = 20


class Reception:
    """Network threads call `receive`; the others are called now and then.

    Args:
        control: which lamp is to show what.
        keep: hands over to the keeping process, in order; False: it takes nothing more.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        state: State,
        lamps: Lamps,
        control: LightControl,
        keep: Callable[[Received | Sent | Lit | Following], bool],
    ) -> None:
        self._state = state
        self._lamps = lamps
        self._control = control
        self._keep = keep
        self._topics = Topics(settings.mqtt_topic_root)
        self._steady_now = SteadyClock().now
        self._lock = threading.Lock()
        self._reload_lock = threading.Lock()
        self._lamp_at: dict[str, Device] = {}
        self._known: tuple[int, Tenure | None] = -1, None
        self._lit: Lit | None = None
        self._connection: bool | None = None
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

    def note_connection(self, stands: bool) -> None:  # noqa: FBT001 - as the client calls it
        """Know whether the broker can be reached; until it could be for the first time, nothing is due."""
        self._connection = stands

    def _react(self, lamp: Device, payload: bytes, now: datetime) -> tuple[PackedCommand, ...]:
        try:
            decoded = device_type(lamp.device_type).decode(payload, lamp.attributes)
        except PayloadError:
            return ()  # it becomes a rejected message where it is kept
        if decoded.values.get("presence") is not True or not self._is_fresh(decoded.observed_at, now):
            return ()
        with self._lock:
            commands = self._control.detected(lamp.device_id, now)
        for command in commands:
            self._send(command)
        return tuple([pack(command) for command in commands])

    def _is_fresh(self, observed_at: datetime | None, now: datetime) -> bool:
        """By one of two clocks, should the wall clock have been set."""
        if observed_at is None:
            return True
        ages = now - observed_at, self._steady_now() - observed_at
        return min(ages) <= OLDEST_PRESENCE and max(ages) >= -LARGEST_LEAD

    def _send(self, command: Command) -> None:
        if self.mqtt is not None:
            publish_light(self.mqtt, self._topics, command)

    # -- now and then --------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Send what is due: lamps to be lowered or lit ahead, steps of schedules, what was not answered.

        Before the first connection nothing is due.
        """
        now = utc_now()
        if self._connection is None and self.mqtt is not None:
            return
        with self._lock:
            self._control.reachable(self._connection is not False, now)
            news = self._control.take_news()
        if news:
            self._keep(Following(news, now.timestamp()))
        while True:
            with self._lock:
                commands = self._control.due(now, SEEN_TO_AT_ONCE)
                next_due = self._control.next_due
                lit = Lit(self._control.lamps_up(), len(self._control.unresponsive))
            if lit != self._lit:
                self._lit = lit
                self._keep(lit)
            if commands:
                # Handed over before they are sent: the answer must find its command.
                with self.mqtt.together() if self.mqtt else nullcontext():
                    self._keep_and_send(commands)
                    with self._lock:  # somebody came between: what was due went out behind their light
                        again = self._control.raised_meanwhile(commands)
                    self._keep_and_send(again)
            if next_due is None or next_due > now:
                return
            time.sleep(BREATH_S)

    def _keep_and_send(self, commands: Sequence[Command]) -> None:
        for command in commands:
            self._keep(Sent(pack(command)))
            self._send(command)

    def reload(self, tenure: Tenure | None) -> None:
        """Take over what changed of the lamps, and the overrides of operators.

        Args:
            tenure: which municipalities are ours; None: all.

        Raises:
            StorageError: the state database failed; nothing has changed.
        """
        with self._reload_lock:
            self._lamps.reload()
            now = utc_now()
            if (self._lamps.revision, tenure) != self._known:
                self._configure(self._lamps.controlled, tenure, now)
            overrides = {command.device_id: command for command in self._state.commands.active_overrides(now)}
            with self._lock:
                self._control.overridden(overrides, now)

    def _configure(self, lamps: Sequence[Lamp], tenure: Tenure | None, now: datetime) -> None:
        if tenure is not None:
            lamps = [lamp for lamp in lamps if tenure.of(lamp.device.municipality) is not None]
        devices = [lamp.device for lamp in lamps]
        corridor = Corridor(street_rows(devices), adjoining(devices))
        held = self._state.commands.held(now) if self._known[1] != tenure or not self._lamp_at else []
        before = {lamp.device_id for lamp in self._lamp_at.values()}
        event = self._topics.event
        lamp_at = {event(lamp.municipality, lamp.device_type, lamp.device_id, "up"): lamp for lamp in devices}
        with self._lock:
            self._control.configure(lamps, corridor, now)
            self._control.restore([command for command in held if command.device_id not in before], now)
        self._lamp_at = lamp_at
        self._known = self._lamps.revision, tenure

    def receive_through(self, sessions: Sequence[MqttClient]) -> None:
        """Acknowledge to these clients from now on."""
        self.sessions = tuple(sessions)

    # -- the thread that hears the keeping process ---------------------------------------------------------------

    def acknowledge(self, deliveries: Sequence[tuple[int, int]]) -> None:
        """Tell the broker that messages are safe: each the number of its connection and its packet identifier."""
        for session in self.sessions:  # the one that received a message knows it by the number of the connection
            session.acknowledge_all(deliveries)

    def hear(self, heard: Heard) -> None:
        """Know what lamps answered and report."""
        now = utc_now()
        for first in range(0, len(heard.answers), HEARD_AT_ONCE):
            with self._lock:
                for lamp_id, command_id, result in heard.answers[first : first + HEARD_AT_ONCE]:
                    self._control.answered(lamp_id, command_id, CommandState(result), now)
        for first in range(0, len(heard.levels), HEARD_AT_ONCE):
            with self._lock:
                for lamp_id, level, at_s in heard.levels[first : first + HEARD_AT_ONCE]:
                    self._control.reported(lamp_id, level, datetime.fromtimestamp(at_s, UTC))

    def publish(self, topic: str, payload: bytes, qos: int) -> None:
        """Send without waiting."""
        if self.mqtt is not None:
            self.mqtt.publish(topic, payload, qos=qos)
