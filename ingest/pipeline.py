"""The flow of ingest, in order.

    broker ─▶ receive ─▶ decode ─▶ lights, at once ─▶ queue          network thread: never waits for a store
                                                        │
              acknowledge ◀─ alerts, pickups ◀─ state ◀─ readings    writer thread: batches by size or age

A message is acknowledged only when all of its batch is durable; a killed ingest gets it again from the broker.
"""

import logging
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Final

from actions.raise_alert import apply_alert_changes
from actions.send_command import light_command, publish_light
from core.clock import SteadyClock, utc_now
from core.command import Command
from core.device import Device
from core.errors import StorageError
from core.mqtt import Message, MqttClient
from core.reading import Reading
from core.settings import Settings
from core.topics import Topics
from ingest import metrics
from ingest.bins import BinLevels
from ingest.decoding import Decoder, Understood
from ingest.registry import Registry
from ingest.writer import Afterwards, Writer
from lights.presence import PresenceControl, WantedLevel
from rules.engine import AlertChange, RuleEngine
from storage.readings import ReadingStore
from storage.state import State

logger = logging.getLogger(__name__)

OLDEST_PRESENCE: Final = timedelta(seconds=30)
"""Presence observed longer ago (a device that caught up) lights nothing: whoever it was has passed."""
LOWERED_AT_ONCE: Final = 10
BREATH_S: Final = 0.001
"""After so many lamps the lowering pauses: a street that goes down may wait, presence may not."""


class Pipeline:
    """From a message to everything that follows from it; network threads call `receive`, jobs the rest.

    Args:
        tenure: None for a municipality that is another worker's; another value than before: it is to be taken up anew.
            Default: all are ours, as those of the only process.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        state: State,
        readings: ReadingStore,
        registry: Registry,
        lights: PresenceControl,
        rules: RuleEngine,
        bins: BinLevels,
        tenure: Callable[[str], Hashable | None] | None = None,
    ) -> None:
        self._settings = settings
        self._state = state
        self._readings = readings
        self._tenure = tenure
        self._own: dict[str, Hashable] = {}
        self._changed = False
        self._reload_lock = threading.Lock()
        self._registry = registry
        self._lights = lights
        self._rules = rules
        self._bins = bins
        self._topics = Topics(settings.mqtt_topic_root)
        self._steady_now = SteadyClock().now
        self._decoder = Decoder(settings, self._topics, registry, steady_now=self._steady_now)
        self._lights_lock = threading.Lock()
        self._rules_lock = threading.Lock()
        self.writer = Writer(
            settings,
            state=state,
            readings=readings,
            judge=self._judge,
            apply=self._apply,
            acknowledge=self._acknowledge,
        )
        self.mqtt: MqttClient | None = None
        self.sessions: Sequence[MqttClient] = ()
        """Who may have received a message, and so can acknowledge it."""

    def receive_through(self, sessions: Sequence[MqttClient]) -> None:
        """Acknowledge to these clients from now on."""
        self.sessions = tuple(sessions)

    # -- network thread ------------------------------------------------------------------------------------------

    def receive(self, message: Message) -> None:
        """Take a message: decode it, let lights react, hand it to the writer."""
        metrics.received.count += 1
        understood = self._decoder.decode(message, utc_now())
        try:
            if understood.reading is not None:
                self._react(understood.reading, understood)
        finally:  # whatever happens to the light, the reading is kept
            if not self.writer.put(understood):
                metrics.dropped.inc()  # unacknowledged: the broker keeps it for the next start

    def _react(self, reading: Reading, understood: Understood) -> None:
        if reading.values.get("presence") is not True:
            return
        passed_at = reading.observed_at + OLDEST_PRESENCE
        if passed_at < reading.received_at and passed_at < self._steady_now():  # by both, should a clock have been set
            return
        with self._lights_lock:
            wanted = self._lights.detected(reading.device_id, understood.received_at)
        understood.commands = self._send(wanted, understood.received_at)

    def _send(
        self, wanted: list[WantedLevel], now: datetime, kept_first: Callable[[Command], object] | None = None
    ) -> list[Command]:
        commands = []
        for level in wanted:
            device = self._registry.devices.get(level.device_id)
            if device is None or self.mqtt is None:
                continue
            command = light_command(device, level, now, self._settings.command_expires_s)
            if kept_first is not None:
                kept_first(command)
            publish_light(self.mqtt, self._topics, command)
            commands.append(command)
        if commands:
            metrics.commands.inc(len(commands))
        return commands

    def afterwards(self, run: Callable[[], None]) -> None:
        """Do something quick when all that was received before is durable and acknowledged; not when told to stop."""
        self.writer.put(Afterwards(run))

    # -- jobs ----------------------------------------------------------------------------------------------------

    def tick_lights(self) -> None:
        """Lower the lamps whose hold time is over."""
        now = utc_now()
        while True:
            with self._lights_lock:
                wanted = self._lights.ended(now, LOWERED_AT_ONCE)
                metrics.lamps_up.set(self._lights.lamps_up())
            if not wanted:
                return
            # Queued before they are sent: the answer must find its command, and would otherwise be queued first.
            with self.mqtt.together() if self.mqtt else nullcontext():
                self._send(wanted, now, kept_first=self.writer.put)
                with self._lights_lock:  # somebody came between: our lowering went out behind their light
                    again = self._lights.raised_meanwhile(wanted)
                self._send(again, now, kept_first=self.writer.put)
            time.sleep(BREATH_S)

    def reload(self) -> None:
        """Take over what changed in the registry or of our share, and the overrides of operators."""
        with self._reload_lock:
            now = utc_now()
            registry = self._registry
            self._changed |= registry.reload()
            devices, neighbours = registry.devices, registry.neighbours
            if self._tenure is not None:
                self._changed |= self._take_share(registry.devices, self._tenure)
                devices = {key: device for key, device in devices.items() if device.municipality in self._own}
                neighbours = {lamp: near for lamp, near in neighbours.items() if lamp in devices}
            overridden = registry.overridden_lamps(now)
            with self._lights_lock:
                self._lights.configure(neighbours, overridden)
            if self._changed:
                with self._rules_lock:
                    changes = self._rules.configure(devices, registry.municipalities, registry.overrides, now)
                self._changed = False
                for change in changes:
                    self.writer.put(change)

    def _take_share(self, devices: Mapping[str, Device], tenure: Callable[[str], Hashable | None]) -> bool:
        """Take up the municipalities that have become ours as their worker left them; whether our share changed.

        Once at the claim, for the messages after the marker, and again when the former worker is through with those
        before it: alerts that it has raised until then are ours too.
        """
        names = {device.municipality for device in devices.values()}
        own = {name: held for name in names if (held := tenure(name)) is not None}
        gained = {name for name, held in own.items() if self._own.get(name) != held}
        moved = own.keys() ^ self._own.keys()
        if not gained and not moved:
            return False
        strangers = [device.device_id for device in devices.values() if device.municipality in moved]
        alerts = [alert for alert in self._state.alerts.open_alerts() if alert.municipality in gained]
        levels = []
        try:
            for name in gained:
                levels += self._readings.latest(municipality=name, device_type="waste_bin")
        except StorageError as error:  # lights do not wait for it; an emptying just now may stay unnoticed
            logger.warning("levels of the bins that this worker takes over are not known: %s", error)
        with self._rules_lock:
            self._rules.forget(strangers)
            self._rules.restore(alerts)
            self._bins.forget(strangers)
            self._bins.take_up(levels)
        self._own = own
        return True

    def judge_silence(self) -> None:
        """Raise alerts for devices that have fallen silent."""
        with self._rules_lock:
            changes = self._rules.judge_silence(utc_now())
        for change in changes:
            self.writer.put(change)

    # -- writer thread -------------------------------------------------------------------------------------------

    def _judge(self, readings: list[Reading], now: datetime) -> list[AlertChange]:
        changes: list[AlertChange] = []
        with self._rules_lock:
            for reading in readings:
                self._bins.observe(reading)
                changes += self._rules.judge(reading, now)
        return changes

    def _apply(self, changes: list[AlertChange]) -> None:
        if self.mqtt is not None and changes:
            apply_alert_changes(changes, self._state, self.mqtt, self._topics, utc_now())
            metrics.alert_changes.inc(len(changes))
        self._bins.write_emptyings(self._state)

    def _acknowledge(self, messages: list[Message]) -> None:
        for session in self.sessions:  # the one that received a message knows it by the number of the connection
            session.acknowledge_all(messages)
