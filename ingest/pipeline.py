"""The flow of ingest, in order.

    broker ─▶ receive ─▶ decode ─▶ lights, at once ─▶ queue          network thread: never waits for a store
                                                        │
              acknowledge ◀─ alerts, pickups ◀─ state ◀─ readings    writer thread: batches by size or age

A message is acknowledged only when all of its batch is durable; a killed ingest gets it again from the broker.
"""

import threading
from datetime import datetime, timedelta
from typing import Final

from actions.raise_alert import apply_alert_changes
from actions.send_command import light_command, publish_light
from core.clock import utc_now
from core.command import Command
from core.mqtt import Message, MqttClient
from core.reading import Reading
from core.settings import Settings
from core.topics import Topics
from ingest import metrics
from ingest.bins import BinLevels
from ingest.decoding import Decoder, Understood
from ingest.registry import Registry
from ingest.writer import Writer
from lights.presence import PresenceControl, WantedLevel
from rules.engine import AlertChange, RuleEngine
from storage.readings import ReadingStore
from storage.state import State

OLDEST_PRESENCE: Final = timedelta(seconds=30)
"""Presence observed longer ago (a device that caught up) lights nothing: whoever it was has passed."""


class Pipeline:
    """From a message to everything that follows from it; the network thread calls `receive`, jobs the rest."""

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
    ) -> None:
        self._state = state
        self._registry = registry
        self._lights = lights
        self._rules = rules
        self._bins = bins
        self._topics = Topics(settings.mqtt_topic_root)
        self._decoder = Decoder(settings, self._topics, registry)
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
        if reading.values.get("presence") is not True or reading.observed_at < reading.received_at - OLDEST_PRESENCE:
            return
        with self._lights_lock:
            wanted = self._lights.detected(reading.device_id, understood.received_at)
        understood.commands = self._send(wanted, understood.received_at)

    def _send(self, wanted: list[WantedLevel], now: datetime) -> list[Command]:
        commands = []
        for level in wanted:
            device = self._registry.devices.get(level.device_id)
            if device is None or self.mqtt is None:
                continue
            command = light_command(device, level, now)
            publish_light(self.mqtt, self._topics, command)
            commands.append(command)
        if commands:
            metrics.commands.inc(len(commands))
        return commands

    # -- jobs ----------------------------------------------------------------------------------------------------

    def tick_lights(self) -> None:
        """Lower the lamps whose hold time is over."""
        now = utc_now()
        with self._lights_lock:
            wanted = self._lights.ended(now)
            metrics.lamps_up.set(self._lights.lamps_up())
        for command in self._send(wanted, now):
            self.writer.put(command)

    def reload(self) -> None:
        """Take over what changed in the registry, and the overrides of operators."""
        now = utc_now()
        changed = self._registry.reload()
        overridden = self._registry.overridden_lamps(now)
        with self._lights_lock:
            self._lights.configure(self._registry.neighbours, overridden)
        if changed:
            registry = self._registry
            with self._rules_lock:
                changes = self._rules.configure(registry.devices, registry.municipalities, registry.overrides, now)
            for change in changes:
                self.writer.put(change)

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
        if self.mqtt is not None:
            self.mqtt.acknowledge_all(messages)
