"""The flow of ingest, in order.

    broker ─▶ receive ─▶ decode ─▶ lights, at once ─▶ queue          network thread: never waits for a store
                                                        │
              acknowledge ◀─ alerts, pickups ◀─ state ◀─ readings    writer thread: batches by size or age

A message is acknowledged only when all of its batch is durable; a killed ingest gets it again from the broker.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from actions.raise_alert import apply_alert_changes
from actions.send_command import light_command, publish_light
from core.clock import utc_now
from core.command import Command
from core.device import Connection, DeviceStatus
from core.errors import StorageError, StorageUnavailableError
from core.logs import RepeatedTrouble
from core.mqtt import Message, MqttClient
from core.reading import Reading
from core.settings import Settings
from core.topics import Topics
from ingest import metrics
from ingest.bins import BinLevels
from ingest.decoding import Decoder, Understood, rejection
from ingest.registry import Registry
from lights.presence import PresenceControl, WantedLevel
from rules.engine import AlertChange, RuleEngine
from storage.readings import ReadingStore
from storage.state import State

logger = logging.getLogger(__name__)

IDLE_S: Final = 0.005
"""A batch also ends when nothing has come for this long: brokers stop sending when too much is unacknowledged."""
MAX_WAITING: Final = 100_000
OLDEST_PRESENCE: Final = timedelta(seconds=30)
"""Presence observed longer ago (a device that caught up) lights nothing: whoever it was has passed."""
RETRY_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)


class Pipeline:
    """From a message to everything that follows from it. `receive` and `tick_lights` are called by other threads."""

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
        self._settings = settings
        self._state = state
        self._readings = readings
        self._registry = registry
        self._lights = lights
        self._rules = rules
        self._bins = bins
        self._topics = Topics(settings.mqtt_topic_root)
        self._decoder = Decoder(settings, self._topics, registry)
        self._queue: queue.Queue[Understood | Command] = queue.Queue(MAX_WAITING)
        self._lights_lock = threading.Lock()
        self._rules_lock = threading.Lock()
        self._seen_lock = threading.Lock()
        self._seen: dict[str, datetime] = {}
        self._connections: dict[str, Connection] = {}
        self._stopping = threading.Event()
        self._trouble = RepeatedTrouble(logger, "storing a batch")
        self._writer = threading.Thread(target=self._write_batches, name="writer")
        self.mqtt: MqttClient | None = None

    # -- network thread ------------------------------------------------------------------------------------------

    def receive(self, message: Message) -> None:
        """Take a message: decode it, let lights react, hand it to the writer."""
        if self._stopping.is_set():
            metrics.dropped.inc()  # unacknowledged: the broker keeps it for the next start
            return
        metrics.received.inc()
        understood = self._decoder.decode(message, utc_now())
        try:
            if understood.reading is not None:
                self._react(understood.reading, understood)
        finally:  # whatever happens to the light, the reading is kept
            self._queue.put(understood)

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
            self._queue.put(command)

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
            self._apply(changes)

    def judge_silence(self) -> None:
        """Raise alerts for devices that have fallen silent."""
        with self._rules_lock:
            changes = self._rules.judge_silence(utc_now())
        self._apply(changes)

    def write_seen(self) -> None:
        """Write when each device was last heard and which are connected; together, not with each batch."""
        with self._seen_lock:
            seen, self._seen = self._seen, {}
            connections, self._connections = self._connections, {}
        try:
            if seen:
                self._state.devices.seen(seen)
            if connections:
                self._state.devices.connected(connections)
        except StorageError:
            with self._seen_lock:  # newer ones win
                self._seen = {**seen, **self._seen}
                self._connections = {**connections, **self._connections}
            raise

    def _apply(self, changes: list[AlertChange]) -> None:
        if self.mqtt is not None and changes:
            metrics.alert_changes.inc(len(changes))
            apply_alert_changes(changes, self._state, self.mqtt, self._topics, utc_now())

    # -- writer thread -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the writer."""
        self._writer.start()

    def stop(self) -> None:
        """Take no more messages, finish those in hand, acknowledge them."""
        self._stopping.set()
        self._writer.join()
        try:
            self.write_seen()
        except StorageError as error:
            logger.warning("last-seen times not written: %s", error)

    def _write_batches(self) -> None:
        while not (self._stopping.is_set() and self._queue.empty()):
            batch = self._next_batch()
            if batch and not self._settle([item for item in batch if isinstance(item, Understood)], batch):
                return  # stopping while the store is down: unacknowledged, so the broker sends all of it again

    def _next_batch(self) -> list[Understood | Command]:
        batch: list[Understood | Command] = []
        deadline = 0.0
        while len(batch) < self._settings.batch_max_readings:
            if batch:
                patience = min(IDLE_S, deadline - time.monotonic())
                if patience <= 0:
                    break
            else:
                patience = 0.1
            try:
                batch.append(self._queue.get(timeout=patience))
            except queue.Empty:
                break
            if len(batch) == 1:
                deadline = time.monotonic() + self._settings.batch_max_age_ms / 1000
        return batch

    def _settle(self, batch: list[Understood], items: list[Understood | Command]) -> bool:
        """Make everything of a batch durable, each step again until it works; False when told to stop before."""
        now = utc_now()
        commands = [item for item in items if isinstance(item, Command)]
        commands += [command for understood in batch for command in understood.commands]
        readings = [understood.reading for understood in batch if understood.reading is not None]
        changes: list[AlertChange] = []
        steps: list[Callable[[], None]] = [
            lambda: self._write_readings(readings, batch),
            lambda: self._write_newcomers(batch),
            lambda: self._state.commands.add(commands) if commands else None,
            lambda: self._write_answers(batch),
            lambda: self._write_rejected(batch),
            lambda: changes.extend(self._judge(readings, now)),
            lambda: self._apply(changes),
            lambda: self._bins.write_emptyings(self._state),
        ]
        for step in steps:
            if not self._until_done(step):
                return False
        for understood in batch:
            if self.mqtt is not None:
                self.mqtt.acknowledge(understood.message)
        self._count(batch, readings)
        return True

    def _until_done(self, step: Callable[[], None]) -> bool:
        tries = 0
        while True:
            try:
                step()
            except StorageError as error:
                metrics.store_failures.inc()
                self._trouble.happened(str(error))
                pause = RETRY_S[min(tries, len(RETRY_S) - 1)]
                tries += 1
                if self._stopping.wait(pause) and tries > 1:
                    return False
            except Exception:  # a fault of ours in one step must not stop the stream
                logger.exception("a step of storing a batch failed and is left out")
                return True
            else:
                self._trouble.over()
                return True

    def _write_readings(self, readings: list[Reading], batch: list[Understood]) -> None:
        if not readings:
            return
        try:
            self._readings.write(readings)
        except StorageUnavailableError:
            raise
        except StorageError:
            # The store refuses something in the batch: find it, keep the others.
            for understood in batch:
                if understood.reading is None:
                    continue
                try:
                    self._readings.write([understood.reading])
                except StorageUnavailableError:
                    raise
                except StorageError as error:
                    understood.reading = None
                    understood.rejected.append(rejection(understood, f"refused by the store: {error}", None))
            readings[:] = [understood.reading for understood in batch if understood.reading is not None]

    def _write_newcomers(self, batch: list[Understood]) -> None:
        for understood in batch:
            newcomer = understood.newcomer
            if newcomer is None:
                continue
            if newcomer.status is DeviceStatus.ACTIVE:
                self._state.municipalities.ensure(newcomer.municipality)
            self._state.devices.discover(newcomer, self._settings.max_discovered)
            understood.newcomer = None

    def _write_answers(self, batch: list[Understood]) -> None:
        for understood in batch:
            answer = understood.answer
            if answer is not None:
                self._state.commands.answer(answer.command_id, answer.result, answer.detail, understood.received_at)

    def _write_rejected(self, batch: list[Understood]) -> None:
        rejected = [message for understood in batch for message in understood.rejected]
        if rejected:
            self._state.rejected.add(rejected)
            metrics.rejected.inc(len(rejected))

    def _judge(self, readings: list[Reading], now: datetime) -> list[AlertChange]:
        changes: list[AlertChange] = []
        with self._rules_lock:
            for reading in readings:
                self._bins.observe(reading)
                changes += self._rules.judge(reading, now)
        return changes

    def _count(self, batch: list[Understood], readings: list[Reading]) -> None:
        with self._seen_lock:
            for understood in batch:
                if understood.reading is not None:
                    self._seen[understood.reading.device_id] = understood.received_at
                if understood.connection is not None:
                    self._connections[understood.connection[0]] = understood.connection[1]
        metrics.stored.inc(len(readings))
        metrics.waiting.set(self._queue.qsize())
        if batch:
            metrics.batch_size.observe(len(batch))
            lag_s = (utc_now() - batch[0].received_at).total_seconds()
            metrics.lag.set(lag_s)
            metrics.recent.note(lag_s, len(readings))
            metrics.unknown_keys.inc(sum(understood.unknown_keys for understood in batch))
