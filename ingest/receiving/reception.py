"""The receiving half of ingest, in order: messages from the broker, light at once, then over to the keeping process.

    broker ─▶ receive ─▶ presence, answer or level of a lamp? light control, at once ─▶ pipe to the keeping process
    broker ◀─ acknowledge ◀──────────────────────────────────── pipe back: durable        (`keeping/pipeline.py`)

Nothing here waits for a store, or knows one: decision 0013.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Final

from actions.lights.publish_light import publish_light
from core.clock import LARGEST_LEAD, SteadyClock, utc_now
from core.command import Command
from core.device import Connection, Device
from core.errors import PayloadError
from core.settings import Settings
from core.topics import Topics
from devices.acknowledgement import decode_ack
from devices.registry import device_type
from ingest.pipe import Following, Heard, LampsChanged, Lit, PackedCommand, Received, Sent, pack
from ingest.receiving.lamps import Lamps
from lights.control import LightControl
from lights.corridor import Corridor
from lights.lamp_state import NEVER
from lights.street import adjoining, street_rows
from mqtt.client import Message, MqttClient

logger = logging.getLogger(__name__)

OLDEST_PRESENCE: Final = timedelta(seconds=30)
"""Presence observed longer ago (a device that caught up) lights nothing: whoever it was has passed."""
SEEN_TO_AT_ONCE: Final = 3
BREATH_S: Final = 0.001
"""After so many lamps what is due pauses: a street that goes down may wait, presence may not."""

ECHO_EVERY_S: Final = 1.0
ECHO_LOST_S: Final = 30.0
"""An echo that has not come by then is asked for again; the broker may have forgotten it."""
NO_ECHO_S: Final = 600.0
"""A broker that gives none back for so long does not let us hear ourselves."""
ONLINE: Final = Connection.ONLINE.value.encode()

Hear = Callable[[Device, bytes, datetime], tuple[PackedCommand, ...]]
"""What is done at once with a lamp's payload, received at an instant; the commands that it causes."""


class Reception:
    """The network thread calls `receive`; the others are called now and then.

    Args:
        control: which lamp is to show what.
        keep: hands over to the keeping process, in order; False: it takes nothing more.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        control: LightControl,
        keep: Callable[[Received | Sent | Lit | Following | Heard], bool],
    ) -> None:
        self._control = control
        self._keep = keep
        self._topics = Topics(settings.mqtt_topic_root)
        self._steady_now = SteadyClock().now
        self._lock = threading.Lock()
        self._lamps = Lamps()
        self._heard: dict[str, tuple[Device, Hear]] = {}
        self._lit: Lit | None = None
        self._connection: bool | None = None
        self._echo = _Echo(self._topics.platform_echo("ingest", settings.ingest_session))
        self.mqtt: MqttClient | None = None
        """Receives the messages and sends the light commands."""

    # -- network thread ------------------------------------------------------------------------------------------

    def receive(self, message: Message) -> None:
        """Take a message: let lights react, hand it over. What is not taken stays with the broker."""
        now_s = time.time()
        commands: tuple[PackedCommand, ...] = ()
        heard = self._heard.get(message.topic)
        if heard is None and message.topic == self._echo.topic:
            self._hear_echo(message)
            return
        try:
            if heard is not None:
                lamp, hear = heard
                if not message.retain:  # else it was said before, nobody knows when
                    commands = hear(lamp, message.payload, datetime.fromtimestamp(now_s, UTC))
        except PayloadError:
            pass  # it becomes a rejected message where it is kept
        finally:  # whatever happens to the light, the reading is kept
            self._keep((*message, now_s, commands))

    def note_connection(self, stands: bool) -> None:  # noqa: FBT001 - as the client calls it
        """Know whether the broker can be reached; until it could be for the first time, nothing is due."""
        if stands and self._connection is None:
            self._control.heard(NEVER, utc_now())
        self._connection = stands
        self._echo.forget()

    def _hear_reading(self, lamp: Device, payload: bytes, now: datetime) -> tuple[PackedCommand, ...]:
        if lamp.device_id in self._control.unresponsive:
            self._hear_that_it_is_there(lamp, now)
        kind = device_type(lamp.device_type)
        hears_level = kind.may_say_level(payload) and self._control.is_told(lamp.device_id)
        if not hears_level and not kind.may_say_presence(payload):
            return ()
        decoded = kind.decode(payload, lamp.attributes)
        observed_at = decoded.observed_at or now
        if not self._may_be(observed_at, now):
            return ()
        commands: list[Command] = []
        with self._lock:
            if hears_level and "dim_level" in decoded.values:
                self._control.reported(lamp.device_id, float(decoded.values["dim_level"]), observed_at)
            if decoded.values.get("presence") is True and self._is_fresh(observed_at, now):
                commands = self._control.detected(lamp.device_id, now)
        for command in commands:
            self._send(command)
        return tuple([pack(command) for command in commands])

    def _hear_answer(self, lamp: Device, payload: bytes, now: datetime) -> tuple[PackedCommand, ...]:
        answer = decode_ack(payload)
        with self._lock:
            self._control.answered(lamp.device_id, answer.command_id, answer.result, now)
        return ()

    def _hear_echo(self, message: Message) -> None:
        at = self._echo.came(message.payload)
        if at is not None:
            self._note_heard(at)
        self.acknowledge([(message.connection, message.mid)])

    def _note_heard(self, at: datetime) -> None:
        with self._lock:
            self._control.heard(at, utc_now())
        self._keep(Heard(at.timestamp()))

    def _hear_status(self, lamp: Device, payload: bytes, now: datetime) -> tuple[PackedCommand, ...]:
        if payload == ONLINE:
            self._hear_that_it_is_there(lamp, now)
        return ()

    def _hear_that_it_is_there(self, lamp: Device, now: datetime) -> None:
        with self._lock:
            self._control.spoke(lamp.device_id, now)

    def _may_be(self, observed_at: datetime, now: datetime) -> bool:
        """Whether a device's clock is not too far ahead of one of ours, should the wall clock have been set."""
        return max(now, self._steady_now()) - observed_at >= -LARGEST_LEAD

    def _is_fresh(self, observed_at: datetime, now: datetime) -> bool:
        return min(now, self._steady_now()) - observed_at <= OLDEST_PRESENCE

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
        if self._connection and self.mqtt is not None:
            if self._echo.is_due(now):
                self.mqtt.publish(self._echo.topic, self._echo.payload(now), qos=1, expires_s=ECHO_LOST_S)
            elif self._echo.never_comes(now):
                self._note_heard(now)
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

    # -- the thread that hears the keeping process ---------------------------------------------------------------

    def take_lamps(self, news: LampsChanged) -> None:
        """Take over what changed of the lamps whose light is ours, and what new ones still hold."""
        lamps = self._lamps.take(news)
        devices = [lamp.device for lamp in lamps]
        corridor = Corridor(street_rows(devices), adjoining(devices))
        event = self._topics.event
        heard: dict[str, tuple[Device, Hear]] = {}
        for lamp in devices:
            key = lamp.municipality, lamp.device_type, lamp.device_id
            heard[event(*key, "up")] = lamp, self._hear_reading
            heard[event(*key, "ack")] = lamp, self._hear_answer
            heard[event(*key, "status")] = lamp, self._hear_status
        now = utc_now()
        with self._lock:
            self._control.configure(lamps, corridor, now)
            self._control.restore(news.held, now)
        self._heard = heard

    def take_overrides(self, commands: Sequence[Command]) -> None:
        """Take over the overrides of operators that are in force."""
        with self._lock:
            self._control.overridden({command.device_id: command for command in commands}, utc_now())

    def acknowledge(self, deliveries: Sequence[tuple[int, int]]) -> None:
        """Tell the broker that messages are safe: each the number of its connection and its packet identifier."""
        if self.mqtt is not None:
            self.mqtt.acknowledge_all(deliveries)

    def publish(self, topic: str, payload: bytes, qos: int) -> None:
        """Send without waiting."""
        if self.mqtt is not None:
            self.mqtt.publish(topic, payload, qos=qos)


class _Echo:
    """What we say to ourselves by way of the broker, a second apart: how far we have heard what lamps say.

    The broker delivers it behind all that waits for us, however long that takes.
    """

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self._said_at: datetime | None = None
        self._is_out = False
        self._first_at: datetime | None = None
        self._ever_came = False
        self._is_told = False

    def forget(self) -> None:
        """The connection has changed: what was said in the last one may be lost."""
        self._is_out = False

    def is_due(self, now: datetime) -> bool:
        """Whether it is to be said (again)."""
        if self._said_at is None or now < self._said_at:
            return True
        return (now - self._said_at).total_seconds() >= (ECHO_LOST_S if self._is_out else ECHO_EVERY_S)

    def payload(self, now: datetime) -> bytes:
        """What is said now."""
        self._said_at, self._is_out = now, True
        self._first_at = self._first_at or now
        return repr(now.timestamp()).encode()

    def came(self, payload: bytes) -> datetime | None:
        """When it was said that comes back now; None: by nobody of us."""
        try:
            at = datetime.fromtimestamp(float(payload), UTC)
        except (ValueError, OverflowError, OSError):
            return None
        self._is_out, self._ever_came = False, True
        return min(at, utc_now())

    def never_comes(self, now: datetime) -> bool:
        """Whether the broker does not let us hear ourselves, as one may that allows each client its topics only."""
        if self._ever_came or self._first_at is None or (now - self._first_at).total_seconds() < NO_ECHO_S:
            return False
        if not self._is_told:
            self._is_told = True
            logger.warning(
                "the broker does not give back what ingest says on %s: how late answers are is not known", self.topic
            )
        return True
