"""The program `kreispuls simulate`: registers a fleet, writes its history, then publishes as the real one would."""

import json
import logging
import queue
import sys
import threading
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from actions.register_devices import register_devices
from core.clock import utc_now
from core.device import Connection, Device, DeviceStatus
from core.errors import BrokerError, KreispulsError, NotFoundError, StorageError
from core.logs import RepeatedTrouble
from core.settings import Settings
from mqtt.client import Message, MqttClient
from readings.open import open_readings
from simulators.collection import Collection, Reached
from simulators.fleet import Fleet, build_fleet
from simulators.history import resume, write_history
from simulators.region import load_region
from simulators.uplink import Outgoing
from state.state import State, open_state

logger = logging.getLogger(__name__)

CONNECT_WITHIN_S: Final = 30.0
LONGEST_WAIT_S: Final = 0.2
POLL_PLANS: Final = timedelta(seconds=3)
CONFIRM_EVERY: Final = 500
"""So many messages may be on their way to the broker before we wait for it: a slow broker slows us down."""
LATE: Final = timedelta(seconds=10)


class _StoppedError(KreispulsError):
    """The program was told to stop while it was writing history."""


def run(
    settings: Settings,
    *,
    lamps: int,
    bins: int,
    seed: int,
    speed: float,
    history_days: int,
    progress_json: bool,
    stop: threading.Event,
    register: bool = True,
    region: str | Path = "marburg-biedenkopf",
) -> None:
    """Stand in for a fleet of devices until `stop` is set.

    `register`: keep municipalities and devices in the state database and drive the routes in force there; without it
    only the broker is needed and bins are never emptied. `history_days`: written when the readings have none of the
    fleet yet; otherwise the fleet goes on from the newest. `progress_json`: one line `{"progress": 0-1}` on standard
    output for each percent of the history; the last is 1 also when there is nothing to write.

    Raises:
        SettingsError: the region file or a setting is wrong.
        StorageUnavailableError: a store does not answer at the start.
        BrokerError: the broker does not answer within 30 s.
    """
    fleet = build_fleet(load_region(region), lamps=lamps, bins=bins, seed=seed, topic_root=settings.mqtt_topic_root)
    state = open_state(settings.state_url) if register else None
    try:
        if state is not None:
            _register(fleet, state)
        if history_days > 0:
            _remember(settings, fleet, state, history_days, _Progress(stop, as_json=progress_json))
        _say_progress(1.0, as_json=progress_json)
        _live(settings, fleet, state, speed, stop)
    except _StoppedError:
        logger.info("told to stop while writing history")
    finally:
        if state is not None:
            state.close()


def _register(fleet: Fleet, state: State) -> None:
    """Put the fleet into the registry; what an operator has set meanwhile stays."""
    placed = {known.municipality for known in state.municipalities.all() if known.depot is not None}
    state.municipalities.put_many([new for new in fleet.municipalities if new.municipality not in placed])
    known = {device.device_id: device for device in state.devices.all()}
    register_devices(state, [_adopted(device, known.get(device.device_id)) for device in fleet.devices])


def _adopted(device: Device, known: Device | None) -> Device:
    if known is None or known.status is DeviceStatus.DISCOVERED:
        return device
    return replace(device, status=known.status)


class _Progress:
    """Tells how far the history is, in whole percents; ends it when the program is told to stop."""

    def __init__(self, stop: threading.Event, *, as_json: bool) -> None:
        self._as_json = as_json
        self._stop = stop
        self._told = 0.0

    def __call__(self, done: float) -> None:
        if self._stop.is_set():
            raise _StoppedError("stopped")
        if done - self._told >= 0.01 and done < 1:  # noqa: PLR2004 - whole percents
            self._told = done
            _say_progress(done, as_json=self._as_json)


def _say_progress(done: float, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({"progress": round(done, 2)}) + "\n")
        sys.stdout.flush()


def _remember(settings: Settings, fleet: Fleet, state: State | None, days: int, progress: _Progress) -> None:
    store = open_readings(settings)
    try:
        known = {device.device_id for device in fleet.devices}
        latest = [
            observation
            for device_type in ("streetlight", "waste_bin")
            for observation in store.latest(device_type=device_type)
            if observation.device_id in known
        ]
        if latest:
            resume(fleet, latest)
            return
        end = utc_now()
        history = write_history(fleet, store, start=end - timedelta(days=days), end=end, progress=progress)
    finally:
        store.close()
    if state is not None:
        state.devices.seen(history.last_seen)
        for emptying in history.emptyings:
            state.emptyings.record(
                emptying.device_id,
                emptying.municipality,
                emptying.at,
                emptying.level_before,
                emptying.level_after,
            )
    logger.info("wrote %d readings of %d days", history.readings, days)


def _live(settings: Settings, fleet: Fleet, state: State | None, speed: float, stop: threading.Event) -> None:
    inbox: queue.SimpleQueue[Message | bool] = queue.SimpleQueue()
    mqtt = MqttClient(
        settings.mqtt_url,
        f"kreispuls-simulator-{uuid.uuid4().hex[:12]}",
        filters=[fleet.topics.commands_of("+", "streetlight", "+")],
        on_message=inbox.put,
        on_connection=inbox.put,
        ca_file=settings.mqtt_ca_file,
    )
    mqtt.start()
    try:
        mqtt.wait_connected(CONNECT_WITHIN_S)
        fleet.start(utc_now(), speed)
        logger.info("%d devices live, %g times as fast", len(fleet.devices), speed)
        _Live(settings, fleet, mqtt, state, speed).run(inbox, stop)
    finally:
        mqtt.stop()


class _Live:
    """The loop of the program: what is due is published, commands are obeyed, routes driven."""

    def __init__(self, settings: Settings, fleet: Fleet, mqtt: MqttClient, state: State | None, speed: float) -> None:
        self._settings = settings
        self._fleet = fleet
        self._mqtt = mqtt
        self._state = state
        self._collection = Collection(speed)
        self._now = utc_now()
        self._poll_at = self._now
        self._published = 0
        self._broker_trouble = RepeatedTrouble(logger, "simulated messages are lost")
        self._plan_trouble = RepeatedTrouble(logger, "routes in force cannot be read")
        self._pace_trouble = RepeatedTrouble(logger, "the simulated world is late")

    def run(self, inbox: "queue.SimpleQueue[Message | bool]", stop: threading.Event) -> None:
        """Go on until told to stop; then the devices say goodbye."""
        while not stop.is_set():
            self._catch_up()
            try:
                item = inbox.get(timeout=self._wait_s())
            except queue.Empty:
                continue
            self._catch_up()
            if isinstance(item, Message):
                self._publish(self._fleet.receive(item.topic, item.payload, self._now))
            elif item:  # connected, perhaps to a broker that has forgotten what it retained
                self._publish(self._fleet.status(Connection.ONLINE, self._now))
        self._say_goodbye()

    def _catch_up(self) -> None:
        self._now = max(self._now, utc_now())  # the wall clock may be set back; a device's time is not
        late = self._fleet.next_at is not None and self._now - self._fleet.next_at > LATE
        if late:
            self._pace_trouble.happened("more happens than can be published; take a lower speed or fewer devices")
        else:
            self._pace_trouble.over()
        self._publish(self._fleet.due_messages(self._now))
        if self._state is not None and self._now >= self._poll_at:
            self._poll_at = self._now + POLL_PLANS
            self._look_at_plans(self._state)
        for reached in self._collection.due_stops(self._now):
            self._serve(reached)

    def _serve(self, reached: Reached) -> None:
        """Empty a bin, or not, and answer as its driver would."""
        try:
            if reached.skipped is None:
                self._fleet.empty(reached.device_id, self._now)
            if self._state is None:
                return
            if reached.skipped is None:
                self._state.pickups.stop_done(reached.stop_id, self._now)
            else:
                self._state.pickups.stop_skipped(reached.stop_id, reached.skipped.value)
        except NotFoundError:
            logger.debug("a stop at %s, which is gone or is no bin of the simulated fleet", reached.device_id)
        except StorageError as error:
            self._plan_trouble.happened(str(error))

    def _wait_s(self) -> float:
        next_at = self._fleet.next_at
        next_s = min(self._collection.next_s, next_at.timestamp() if next_at else self._collection.next_s)
        return max(0.0, min(LONGEST_WAIT_S, next_s - utc_now().timestamp()))

    def _look_at_plans(self, state: State) -> None:
        try:
            plans = state.pickups.plans_in_force(self._now.astimezone(self._settings.zone).date())
        except StorageError as error:
            self._plan_trouble.happened(str(error))
            return
        self._plan_trouble.over()
        self._collection.see(plans, self._now)

    def _publish(self, messages: Iterable[Outgoing]) -> None:
        for message in messages:
            if not self._mqtt.connected:
                self._broker_trouble.happened("the broker is away")  # as radio devices, ours keep nothing for later
                continue
            self._published += 1
            if self._published % CONFIRM_EVERY:
                self._mqtt.publish(message.topic, message.payload, qos=message.qos, retain=message.retain)
            else:
                self._publish_confirmed(message)
            self._broker_trouble.over()

    def _publish_confirmed(self, message: Outgoing) -> None:
        try:
            self._mqtt.publish_confirmed(message.topic, message.payload, retain=message.retain)
        except BrokerError as error:
            self._broker_trouble.happened(str(error))

    def _say_goodbye(self) -> None:
        goodbye: Sequence[Outgoing] = self._fleet.status(Connection.OFFLINE, self._now)
        self._publish(goodbye[:-1])
        if goodbye and self._mqtt.connected:
            self._publish_confirmed(goodbye[-1])
