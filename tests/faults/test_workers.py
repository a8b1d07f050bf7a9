"""Several ingest workers as real processes that are killed, join and leave: nothing by none, lights by one."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.alert import AlertState
from core.device import Device, Municipality
from core.mqtt import Message, MqttClient
from core.settings import Settings
from ingest.sharing import CATCH_ALL, keeper_of, slot_of
from storage.alerts import AlertFilter
from storage.readings import open_readings
from storage.rejected import RejectedFilter
from storage.state import State, open_state

Wait = Callable[..., Any]
TOWNS = [f"town-{number}" for number in range(8)]
START_MS = 1_700_000_000_000
LONG_AGO, LATER = datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)


class County:
    """Workers by number, the stores they share, and somebody who hears their commands."""

    def __init__(self, settings: Settings, state: State, wait_until: Wait) -> None:
        self.settings = settings
        self.state = state
        self.wait_until = wait_until
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.heard: list[Message] = []
        self.device = MqttClient(
            settings.mqtt_url, "devices", filters=["kreispuls/v1/+/+/+/command/+"], on_message=self.heard.append
        )
        self.device.start()
        self.device.wait_connected(10)

    def start(self, index: int, count: int) -> None:
        self.start_ingest(index, "--worker", f"{index}/{count}")

    def start_ingest(self, index: int, *options: str) -> None:
        environment = os.environ | {
            "KREISPULS_DATA_DIR": str(self.settings.data_dir),
            "KREISPULS_MQTT_URL": self.settings.mqtt_url,
            "KREISPULS_INGEST_METRICS_PORT": "0",
            "KREISPULS_PRESENCE_HOLD_S": "600",
        }
        command = [sys.executable, "-P", "-m", "cli.main", "ingest", *options]
        self.processes[index] = subprocess.Popen(command, env=environment)

    def end(self, index: int, number: signal.Signals = signal.SIGKILL) -> int:
        process = self.processes.pop(index)
        process.send_signal(number)
        return process.wait(30)

    def wait_settled(self, live: set[int], count: int) -> None:
        """Every slot is kept by its right worker and every municipality is served by its right slot."""
        right = {town: slot_of(town, count) for town in TOWNS}

        def settled() -> bool:
            holders = {lease.name: lease.holder for lease in self.state.leases.all() if lease.live}
            kept = all(
                holders.get(f"slot/{slot}") == holders.get(f"worker/{keeper_of(slot, live)}", "nobody")
                for slot in range(count + 1)
            )
            workers = {name for name in holders if name.startswith("worker/")}
            return (
                kept
                and workers == {f"worker/{index}" for index in live}
                and self.state.shares.all() == right
                and holders.get("jobs") == holders.get(f"worker/{keeper_of(CATCH_ALL, live)}")
            )

        self.wait_until(settled, f"workers {live} of {count} have shared out", 180)

    def say(self, topic: str, payload: bytes) -> None:
        self.device.publish_confirmed(f"kreispuls/v1/{topic}", payload)

    def lit(self) -> Counter[str]:
        return Counter(m.topic.split("/")[4] for m in list(self.heard) if m.topic.endswith("/set_light"))

    def wait_lights_by_one(self) -> None:
        """Presence in every municipality leads to one command each, not none, not two; soon after settling."""

        def one_each() -> bool:
            self.heard.clear()
            for town in TOWNS:
                self.say(f"{town}/streetlight/lamp-{town}/event/up", b'{"presence": true}')
            self.wait_until(lambda: len(self.lit()) == len(TOWNS), "every town lights up", 30)
            for town in TOWNS:  # a second command would be on its way before the answer to this one
                self.say(f"{town}/waste_bin/bin-{town}/event/up", b'{"weight_kg": 1}')
            self.wait_until(lambda: self.marked() == set(TOWNS), "every worker has gone on")
            lit = self.lit()
            print("commands per lamp:", sorted(lit.items()))  # noqa: T201 - shown when it fails
            return set(lit.values()) == {1}

        self.wait_until(one_each, "each municipality's lights are sent by one worker", 90)

    def marked(self) -> set[str]:
        readings = open_readings(self.settings)
        try:
            latest = readings.latest(device_type="waste_bin")
            return {item.municipality for item in latest if item.quantity == "weight_kg" and item.value == 1}
        finally:
            readings.close()


@pytest.fixture
def county(mosquitto: Any, tmp_path: Path, wait_until: Wait) -> Iterator[County]:
    settings = Settings(_env_file=None, data_dir=tmp_path / "data", mqtt_url=mosquitto.url, ingest_metrics_port=0)
    state = open_state(settings.state_url)
    for town in TOWNS:
        state.municipalities.put(Municipality(municipality=town, name=town))
        state.devices.put_many(
            [
                Device(device_id=f"bin-{town}", device_type="waste_bin", municipality=town),
                Device(device_id=f"lamp-{town}", device_type="streetlight", municipality=town),
            ]
        )
    open_readings(settings).close()
    with ExitStack() as stack:
        made = County(settings, state, wait_until)
        stack.callback(state.close)
        stack.callback(made.device.stop)
        yield made
        for index in list(made.processes):
            made.end(index)


class Load:
    """A bin in every municipality that numbers its readings, until told to stop; then `counts` says how many."""

    def __init__(self, url: str) -> None:
        self._client = MqttClient(url, "load")
        self._client.start()
        self._client.wait_connected(10)
        self._stop = threading.Event()
        self.acknowledged = 0
        self.rounds = 0
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()

    def _publish(self) -> None:
        def messages() -> Iterator[tuple[str, bytes]]:
            while not self._stop.wait(0.04):
                at = START_MS + self.rounds * 1000
                payload = f'{{"observed_at":{at},"weight_kg":{self.rounds}}}'.encode()
                for town in TOWNS:
                    yield f"kreispuls/v1/{town}/waste_bin/bin-{town}/event/up", payload
                self.rounds += 1

        for done in self._client.publish_all(messages()):
            self.acknowledged = done

    def finish(self) -> int:
        self._stop.set()
        self._thread.join(60)
        assert self.acknowledged == self.rounds * len(TOWNS)
        self._client.stop()
        return self.rounds


def wait_stored_once(county: County, rounds: int) -> None:
    readings = open_readings(county.settings)

    def stored() -> dict[str, list[int]]:
        found = {}
        for town in TOWNS:
            series = readings.series(f"bin-{town}", ["weight_kg"], LONG_AGO, LATER)
            found[town] = [int(item.value) for item in series]
        return found

    try:
        expected = list(range(rounds))
        county.wait_until(
            lambda: all(found == expected for found in stored().values()),
            "every acknowledged reading is stored once",
            180,
        )
    finally:
        readings.close()
    assert county.state.rejected.page(RejectedFilter(), 10).items == []


def test_workers_killed_under_load_and_started_again_lose_nothing(county: County) -> None:
    chance = random.Random(5)
    for index in (1, 2, 3):
        county.start(index, 3)
    county.wait_settled({1, 2, 3}, 3)
    load = Load(county.settings.mqtt_url)
    for _ in range(3):
        victim = chance.choice((1, 2, 3))
        began = load.rounds
        county.wait_until(lambda began=began: load.rounds > began + chance.randrange(20, 60), "load goes on", 60)
        county.end(victim)
        county.start(victim, 3)
    county.end(2)  # stays away: the others take over its session with what waits there
    county.wait_settled({1, 3}, 3)
    rounds = load.finish()
    wait_stored_once(county, rounds)
    county.wait_lights_by_one()


def test_the_number_of_workers_changes_under_load_and_nothing_is_lost(county: County) -> None:
    """From the only process to three workers, to four, to two; all killed once, one left at the end."""
    online: list[Message] = []
    filters = ["kreispuls/v1/_platform/ingest/kreispuls-ingest/#"]
    watcher = MqttClient(county.settings.mqtt_url, "watcher", filters=filters, on_message=online.append)
    watcher.start()
    county.start_ingest(0)
    county.wait_until(lambda: any(message.payload == b"online" for message in online), "the only process runs", 120)
    watcher.stop()
    load = Load(county.settings.mqtt_url)
    county.wait_until(lambda: load.rounds > 25, "load goes on", 60)
    county.end(0)
    for index in (1, 2, 3):
        county.start(index, 3)
    county.wait_settled({1, 2, 3}, 3)
    for index in (1, 2, 3):
        county.end(index)
    for index in (1, 2, 3, 4):
        county.start(index, 4)
    county.wait_settled({1, 2, 3, 4}, 4)
    assert [county.end(index, signal.SIGTERM) for index in (1, 2, 3, 4)] == [0, 0, 0, 0]
    for index in (1, 2):
        county.start(index, 2)
    county.wait_settled({1, 2}, 2)
    county.end(2)
    county.wait_settled({1}, 2)
    rounds = load.finish()
    wait_stored_once(county, rounds)
    county.wait_lights_by_one()


def test_alerts_of_a_killed_worker_are_taken_over_and_unknown_municipalities_are_heard(county: County) -> None:
    for index in (1, 2):
        county.start(index, 2)
    county.wait_settled({1, 2}, 2)
    town = next(town for town in TOWNS if slot_of(town, 2) == 2)
    full, empty = (json.dumps({"filling_level": level}).encode() for level in (0.95, 0.05))
    county.say(f"{town}/waste_bin/bin-{town}/event/up", full)

    def alerts() -> list[AlertState]:
        return [alert.state for alert in county.state.alerts.page(AlertFilter(rule="bin_full"), 10).items]

    county.wait_until(lambda: alerts() == [AlertState.FIRING], "the bin is full")
    county.say("nowhere/waste_bin/stranger/event/up", full)
    county.say("hello", b"?")
    county.wait_until(lambda: county.state.devices.find("stranger"), "an unknown municipality is heard")
    county.wait_until(lambda: len(county.state.rejected.page(RejectedFilter(), 10).items) == 1, "so is garbage")
    county.end(2)
    county.wait_settled({1}, 2)
    county.say(f"{town}/waste_bin/bin-{town}/event/up", empty)
    county.wait_until(lambda: alerts() == [AlertState.RESOLVED], "the other worker goes on with the alert", 30)


def test_a_single_process_does_not_start_where_workers_ran(county: County) -> None:
    county.state.shares.put(["town-1"], 1)
    environment = os.environ | {
        "KREISPULS_DATA_DIR": str(county.settings.data_dir),
        "KREISPULS_MQTT_URL": county.settings.mqtt_url,
    }
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cli.main", "ingest"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "--worker 1/1" in done.stderr
