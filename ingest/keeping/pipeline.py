"""The keeping half of ingest, in order; the receiving half is `reception.py`.

    pipe ─▶ receive ─▶ decode ─▶ queue                                     one thread
                                   │
    pipe ◀─ acknowledge ◀─ alerts, pickups ◀─ state ◀─ readings            writer thread: batches by size or age

A message is acknowledged only when all of its batch is durable; a killed ingest gets it again from the broker.
"""

import logging
import threading
from collections.abc import Callable, Hashable, Iterable
from datetime import UTC, datetime

from actions.alerts.raise_alert import apply_alert_changes
from actions.lights.lighting_plan import read_lighting_plan
from actions.lights.send_profiles import NightProfiles
from core.clock import SteadyClock, utc_now
from core.command import Command
from core.device import Device, DeviceStatus
from core.errors import StorageError
from core.reading import Reading
from core.settings import Settings
from core.topics import Topics
from devices.streetlight.attributes import Control, control_of
from ingest import metrics
from ingest.keeping.bins import BinLevels
from ingest.keeping.commanded import CommandedLamps
from ingest.keeping.decoding import Decoder, Understood
from ingest.keeping.registry import Registry
from ingest.keeping.writer import Afterwards, Writer
from ingest.pipe import Heard, Received, unpack
from ingest.sharing import Tenure
from mqtt.client import Message
from readings.store import ReadingStore
from rules.engine import AlertChange, RuleEngine
from state.state import State

logger = logging.getLogger(__name__)


class Pipeline:
    """From a message to all that is kept of it; what comes over the pipe calls `receive`, jobs the rest.

    Args:
        tenure: which municipalities are ours, None: all, as those of the only process.
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
        bins: BinLevels,
        tenure: Tenure | None,
        acknowledge: Callable[[list[tuple[int, int]]], None],
        publish: Callable[[str, bytes], None],
        profiles: NightProfiles,
    ) -> None:
        self._settings = settings
        self._state = state
        self._readings = readings
        self._tenure = tenure
        self._acknowledge = acknowledge
        self._publish = publish
        self._profiles = profiles
        self._own: dict[str, Hashable] = {}
        self._changed = False
        self._reload_lock = threading.Lock()
        self._registry = registry
        self._rules = rules
        self._commanded = CommandedLamps()
        rules.ask(self._commanded)
        self._bins = bins
        self._topics = Topics(settings.mqtt_topic_root)
        self._decoder = Decoder(settings, self._topics, registry, steady_now=SteadyClock().now)
        self._rules_lock = threading.Lock()
        self._heard = Heard([], [])
        self.writer = Writer(
            settings,
            state=state,
            readings=readings,
            judge=self._judge,
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
        self._note_lamp(understood)
        if not self.writer.put(understood):
            metrics.dropped.inc()  # unacknowledged: the broker keeps it for the next start

    def _note_lamp(self, understood: Understood) -> None:
        reading, answer = understood.reading, understood.answer
        if reading is not None:
            if "dim_level" in reading.values and self._commanded.knows(reading.device_id):
                level = float(reading.values["dim_level"])
                self._heard.levels.append((reading.device_id, level, reading.observed_at.timestamp()))
        elif answer is not None:
            self._commanded.answered(understood.answered_by, answer.command_id, answer.result)
            self._profiles.answered(understood.answered_by, answer.command_id)
            self._heard.answers.append((understood.answered_by, answer.command_id, answer.result.value))

    def take_heard(self) -> Heard | None:
        """What lamps have said since the last call; None: nothing."""
        heard = self._heard
        if not heard.answers and not heard.levels:
            return None
        self._heard = Heard([], [])
        return heard

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

    def afterwards(self, run: Callable[[], None]) -> None:
        """Do something quick when all that was received before is durable and acknowledged; not when told to stop."""
        self.writer.put(Afterwards(run))

    def take_share(self, tenure: Tenure) -> None:
        """Judge the devices of these municipalities from now on.

        Raises:
            StorageError: not all is taken up yet; `reload` goes on.
        """
        self._tenure = tenure
        self.reload()

    # -- jobs ----------------------------------------------------------------------------------------------------

    def reload(self) -> None:
        """Take over what changed in the registry or of our share."""
        with self._reload_lock:
            now = utc_now()
            registry = self._registry
            self._changed |= registry.reload()
            self._commanded.override(self._state.commands.active_overrides(now))
            devices = registry.devices
            if self._tenure is not None:
                self._changed |= self._take_up(self._tenure)
                devices = {key: device for key, device in devices.items() if device.municipality in self._own}
            if self._changed:
                with self._rules_lock:
                    changes = self._rules.configure(devices, registry.municipalities, registry.overrides, now)
                self._changed = False
                for change in changes:
                    self.writer.put(change)

    def _take_up(self, tenure: Tenure) -> bool:
        """Take up the municipalities that have become ours as their worker left them; whether our share changed.

        Once at the claim, for the messages after the marker, and again when the former worker is through with those
        before it: alerts that it has raised until then are ours too.
        """
        devices = self._registry.devices.values()
        names = {device.municipality for device in devices}
        own = {name: held for name in names if (held := tenure.of(name)) is not None}
        gained = {name for name, held in own.items() if self._own.get(name) != held}
        moved = own.keys() ^ self._own.keys()
        if not gained and not moved:
            return False
        strangers = [device.device_id for device in devices if device.municipality in moved]
        alerts = [alert for alert in self._state.alerts.open_alerts() if alert.municipality in gained]
        levels = []
        try:
            for name in gained:
                levels += self._readings.latest(municipality=name, device_type="waste_bin")
        except StorageError as error:  # the stream does not wait for it; an emptying just now may stay unnoticed
            logger.warning("levels of the bins that this worker takes over are not known: %s", error)
        with self._rules_lock:
            self._rules.forget(strangers)
            self._rules.restore(alerts)
            self._bins.forget(strangers)
            self._bins.take_up(levels)
        self._own = own
        return True

    def send_profiles(self) -> None:
        """Tell lamps that follow profiles what to show in the coming night.

        Raises:
            StorageError: the state database failed.
        """
        lamps = [device for device in tuple(self._registry.devices.values()) if self._follows_profile(device)]
        if lamps:
            self._profiles.send(lamps, read_lighting_plan(self._state, self._settings), utc_now())

    def _follows_profile(self, device: Device) -> bool:
        if device.device_type != "streetlight" or device.status is not DeviceStatus.ACTIVE:
            return False
        is_ours = self._tenure is None or device.municipality in self._own
        return is_ours and control_of(device.attributes) is Control.PROFILE

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
        if changes:
            apply_alert_changes(changes, self._state, self._publish, self._topics, utc_now())
            metrics.alert_changes.inc(len(changes))
        self._bins.write_emptyings(self._state)

    def _acknowledge_messages(self, messages: list[Message]) -> None:
        self._acknowledge([(message.connection, message.mid) for message in messages if message.qos])
