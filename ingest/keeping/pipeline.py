"""The keeping half of ingest, in order; the receiving half is `reception.py`.

    pipe ─▶ receive ─▶ decode ─▶ queue                                     one thread
                                   │
    pipe ◀─ acknowledge ◀─ alerts, pickups ◀─ state ◀─ readings            writer thread: batches by size or age

A message is acknowledged only when all of its batch is durable; a killed ingest gets it again from the broker.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from actions.alerts.raise_alert import apply_alert_changes
from actions.lights.lighting_plan import read_lighting_plan
from actions.lights.send_profiles import NightProfiles
from core.clock import SteadyClock, utc_now
from core.command import Command
from core.device import Device, DeviceStatus
from core.errors import StorageError
from core.reading import DeviceObservation, Reading
from core.settings import Settings
from core.topics import Topics
from devices.streetlight.attributes import Control, control_of
from ingest import metrics
from ingest.keeping.bins import BinLevels
from ingest.keeping.commanded import CommandedLamps
from ingest.keeping.decoding import Decoder
from ingest.keeping.lamps_told import LampsTold
from ingest.keeping.listing import NOBODYS, Listing
from ingest.keeping.registry import Registry
from ingest.keeping.share import Share
from ingest.keeping.writer import Writer
from ingest.pipe import Received, unpack
from mqtt.client import Message
from readings.store import ReadingStore
from rules.engine import AlertChange, RuleEngine
from state.state import State

logger = logging.getLogger(__name__)


class Pipeline:
    """From a message to all that is kept of it; what comes over the pipe calls `receive`, jobs the rest.

    Args:
        listing: whose lights and rules are ours.
        lamps: tells the receiving process of them.
        acknowledge: told which messages (connection, packet identifier) are durable.
        publish: sends a payload to a topic, once and without waiting.
        profiles: tells lamps that follow profiles.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        state: State,
        readings: ReadingStore,
        registry: Registry,
        rules: RuleEngine,
        listing: Listing,
        lamps: LampsTold,
        acknowledge: Callable[[list[tuple[int, int]]], None],
        publish: Callable[[str, bytes], None],
        profiles: NightProfiles,
    ) -> None:
        self._settings = settings
        self._state = state
        self._readings = readings
        self._listing = listing
        self._share = NOBODYS
        self._lamps = lamps
        self._acknowledge = acknowledge
        self._publish = publish
        self._profiles = profiles
        self._changed = False
        self._reload_lock = threading.Lock()
        self._registry = registry
        self._rules = rules
        self._commanded = CommandedLamps()
        rules.ask(self._commanded)
        self._bins = BinLevels()
        self._topics = Topics(settings.mqtt_topic_root)
        self._decoder = Decoder(settings, self._topics, registry, steady_now=SteadyClock().now)
        self._rules_lock = threading.Lock()
        self.writer = Writer(
            settings,
            state=state,
            readings=readings,
            judge=self._judge,
            welcome=self._welcome,
            apply=self._apply,
            acknowledge=self._acknowledge_messages,
        )

    # -- what comes over the pipe --------------------------------------------------------------------------------

    def receive(self, received: Received) -> None:
        """Take a message: decode it, hand it to the writer."""
        metrics.received.count += 1
        topic, payload, qos, retain, mid, connection, repeated, session, at_s, commands = received
        message = Message(topic, payload, qos, retain, mid, connection, repeated, session)
        understood = self._decoder.decode(message, datetime.fromtimestamp(at_s, UTC))
        if commands:
            understood.commands = [unpack(command) for command in commands]
            for command in understood.commands:
                self._commanded.note(command)
            metrics.commands.inc(len(commands))
        if understood.rejected and not self._share.keeps_rejected(self._topics.municipality_of_event(topic)):
            understood.rejected = []
        if (answer := understood.answer) is not None:
            self._commanded.answered(understood.answered_by, answer.command_id, answer.result)
            self._profiles.answered(understood.answered_by, answer.command_id)
        if not self.writer.put(understood):
            metrics.dropped.inc()  # unacknowledged: the broker keeps it for the next start

    def keep(self, command: Command) -> None:
        """Keep a command that no message has caused."""
        metrics.commands.inc()
        self._commanded.note(command)
        self.writer.put(command)

    def judge_following(self, lamps: Iterable[tuple[str, bool]], at: datetime) -> None:
        """Judge what light control says of lamps: given up because they do not answer (False), or following (True)."""
        with self._rules_lock:
            changes = [change for lamp, follows in lamps for change in self._rules.judge_following(lamp, follows, at)]
        for change in changes:
            self.writer.put(change)

    # -- jobs ----------------------------------------------------------------------------------------------------

    def reload(self, now: datetime) -> None:
        """Take over what changed in the registry, of our share and of operators' overrides; tell of lamps.

        Raises:
            StorageError: the state database failed; what is not taken over yet is with the next call.
        """
        with self._reload_lock:
            registry = self._registry
            self._changed |= registry.reload()
            if self._changed or self._listing.unsettled:
                self._take_up(self._listing.share())
            if self._changed:
                own = {key: device for key, device in registry.devices.items() if self._share.runs(device.municipality)}
                self._lamps.tell_lamps(own.values(), now)
                with self._rules_lock:
                    changes = self._rules.configure(own, registry.municipalities, registry.overrides, now)
                self._changed = False
                for change in changes:
                    self.writer.put(change)
            overrides = self._state.commands.active_overrides(now)
            self._commanded.override(overrides)
            self._lamps.tell_overrides(overrides)

    def _take_up(self, share: Share) -> None:
        """Judge other municipalities from now on: those that have become ours as their last ingest left them."""
        before = self._share
        if share == before:
            return
        devices = self._registry.devices.values()
        moved = [each for each in devices if share.runs(each.municipality) != before.runs(each.municipality)]
        strangers = [device.device_id for device in moved]
        gained = {device.municipality for device in moved if share.runs(device.municipality)}
        alerts = [
            alert
            for alert in self._state.alerts.open_alerts()
            if share.runs(alert.municipality) and not before.runs(alert.municipality)
        ]
        levels = self._last_levels(gained)
        with self._rules_lock:
            self._rules.forget(strangers)
            self._rules.restore(alerts)
            self._bins.forget(strangers)
            self._bins.take_up(levels)
        self._share = share
        self._changed = True

    def _last_levels(self, municipalities: set[str]) -> list[DeviceObservation]:
        """Of the bins of municipalities, where the store can say them at once: the stream does not wait for it."""
        try:
            self._readings.ping()
            every = [self._readings.latest(municipality=name, device_type="waste_bin") for name in municipalities]
        except StorageError as error:
            logger.warning("the last levels of bins are not known, the next emptying may go unnoticed: %s", error)
            return []
        return [level for levels in every for level in levels]

    def send_profiles(self, now: datetime) -> None:
        """Tell lamps that follow profiles what to show in the coming night.

        Raises:
            StorageError: the state database failed.
        """
        lamps = [device for device in tuple(self._registry.devices.values()) if self._follows_profile(device)]
        if lamps:
            self._profiles.send(lamps, read_lighting_plan(self._state, self._settings), now)

    def _follows_profile(self, device: Device) -> bool:
        if device.device_type != "streetlight" or device.status is not DeviceStatus.ACTIVE:
            return False
        return self._share.runs(device.municipality) and control_of(device.attributes) is Control.PROFILE

    def judge_silence(self, now: datetime) -> None:
        """Raise alerts for devices that have fallen silent, as far as all that they said has been heard."""
        with self._rules_lock:
            changes = self._rules.judge_silence(min(now, self.writer.heard_until or now))
        for change in changes:
            self.writer.put(change)

    # -- writer thread -------------------------------------------------------------------------------------------

    def _judge(self, readings: list[Reading], now: datetime) -> list[AlertChange]:
        changes: list[AlertChange] = []
        with self._rules_lock:
            for reading in readings:
                if self._share.runs(reading.municipality):
                    self._bins.observe(reading)
                    changes += self._rules.judge(reading, now)
        return changes

    def _welcome(self, device: Device) -> None:
        """Judge a device from its first reading on, though the registry is read anew only a moment later."""
        self._registry.add_newcomer(device)
        if self._share.runs(device.municipality):
            with self._rules_lock:
                self._rules.add(device)

    def _apply(self, changes: list[AlertChange]) -> None:
        if changes:
            apply_alert_changes(changes, self._state, self._publish, self._topics, utc_now())
            metrics.alert_changes.inc(len(changes))
        self._bins.write_emptyings(self._state)

    def _acknowledge_messages(self, messages: list[Message]) -> None:
        self._acknowledge([(message.connection, message.mid) for message in messages if message.qos])
