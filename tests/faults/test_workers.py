"""Several ingest workers as real processes that join, leave and are killed: nothing by none, nothing by two."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.alert import AlertState
from core.clock import utc_now
from core.device import Device, Municipality
from core.errors import ConflictError
from core.settings import Settings
from core.topics import Topics
from ingest.program import run
from ingest.sharing import CATCH_ALL, WorkerNumber, keeper_of, slot_of
from mqtt.client import Message, MqttClient
from readings.open import open_readings
from state.alerts import AlertFilter
from state.rejected import RejectedFilter
from state.shares import Share
from state.state import State, open_state

Wait = Callable[..., Any]
TOWNS = [f"town-{number}" for number in range(8)]
START_MS = 1_700_000_000_000
LONG_AGO, LATER = datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
LEASE_S = 3.0
ROUND_S = 0.05


class County:
    """Workers by number, the stores they share, a bin and lamps far apart in every town."""

    def __init__(self, settings: Settings, state: State, wait_until: Wait) -> None:
        self.settings = settings
        self.state = state
        self.wait_until = wait_until
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.lit: Counter[str] = Counter()
        self.device = MqttClient(
            settings.mqtt_url, "devices", filters=["kreispuls/v1/+/+/+/command/set_light"], on_message=self._light
        )
        self.device.start()
        self.device.wait_connected(10)

    def _light(self, message: Message) -> None:
        """Lamps answer: what is not answered is sent again."""
        self.lit[message.topic.split("/")[4]] += 1
        answer = {"command_id": json.loads(message.payload)["command_id"], "result": "done", "detail": ""}
        topic = message.topic.replace("command/set_light", "event/ack")
        self.device.publish(topic, json.dumps(answer).encode())

    def start(self, *numbers: str) -> None:
        """Start workers `I/N`; `0`: ingest without workers."""
        environment = os.environ | {
            "KREISPULS_DATA_DIR": str(self.settings.data_dir),
            "KREISPULS_MQTT_URL": self.settings.mqtt_url,
            "KREISPULS_INGEST_METRICS_PORT": "0",
            "KREISPULS_PRESENCE_HOLD_S": "600",
            "KREISPULS_WORKER_LEASE_S": str(LEASE_S),
        }
        for number in numbers:
            options = ["--worker", number] if number != "0" else []
            command = [sys.executable, "-P", "-m", "cli.main", "ingest", *options]
            self.processes[int(number.partition("/")[0])] = subprocess.Popen(command, env=environment)

    def end(self, *indices: int, by: signal.Signals = signal.SIGKILL) -> None:
        for index in indices:
            self.processes[index].send_signal(by)
        for index in indices:  # one that does not end stays known, and is killed with the county
            assert self.processes[index].wait(60) == (-signal.SIGKILL if by is signal.SIGKILL else 0)
            del self.processes[index]

    def make_session(self) -> None:
        """Ingest has run before: its session is there, what is said now is kept."""
        filters = Topics(self.settings.mqtt_topic_root).ingest_filters
        session = MqttClient(
            self.settings.mqtt_url, self.settings.mqtt_client_id, filters=filters, persistent=True, manual_ack=True
        )
        session.start()
        session.wait_connected(10)
        session.flush()
        session.stop()

    def workers(self) -> set[WorkerNumber]:
        """Those that have their place now."""
        live = [lease for lease in self.state.leases.all() if lease.live and lease.name.startswith("worker/")]
        return {WorkerNumber.parse(lease.holder.split()[0]) for lease in live}

    def slots(self) -> dict[str, str]:
        """Who keeps which slot."""
        return {lease.name: lease.holder for lease in self.state.leases.all() if lease.name.startswith("slot/")}

    def wait_settled(self, live: set[int], count: int) -> None:
        """Every slot is kept by its right worker and every town has gone over to its right slot."""
        right = {town: slot_of(town, count) for town in TOWNS}

        def settled() -> bool:
            holders = {lease.name: lease.holder for lease in self.state.leases.all() if lease.live}
            shares = self.state.shares.all()
            return (
                self.workers() == {WorkerNumber(index, count) for index in live}
                and all(
                    holders.get(f"slot/{slot}") == holders.get(f"worker/{keeper_of(slot, live)}", "nobody")
                    for slot in range(count + 1)
                )
                and {town: share.slot for town, share in shares.items() if share.settled} == right
                and holders.get("jobs") == holders.get(f"worker/{keeper_of(CATCH_ALL, live)}")
            )

        self.wait_until(settled, f"workers {live} of {count} have shared out", 120)

    def say(self, topic: str, payload: bytes) -> None:
        self.device.publish_confirmed(f"kreispuls/v1/{topic}", payload)

    def commands_to(self, lamp: str) -> list[int]:
        """How often the lamps of that name, at which nobody was before, are told to light up, town by town."""
        lamps = [f"{lamp}-{town}" for town in TOWNS]
        for town, name in zip(TOWNS, lamps, strict=True):
            self.say(f"{town}/streetlight/{name}/event/up", b'{"presence": true}')
        self.wait_until(lambda: all(self.lit[name] for name in lamps), "every lamp is lit", 60)
        self.device.flush(30)  # what was sent beside it has come by now
        return [self.lit[name] for name in lamps]

    def presences(self) -> list[int]:
        """How many presences are stored of the lamp of each town: none says its time, so each is handled at another."""
        readings = open_readings(self.settings)
        try:
            span = utc_now() - timedelta(days=1), utc_now() + timedelta(minutes=1)
            return [len(readings.series(f"lamp-{town}", ["presence"], *span)) for town in TOWNS]
        finally:
            readings.close()

    def stored(self) -> dict[str, list[int]]:
        readings = open_readings(self.settings)
        try:
            series = {town: readings.series(f"bin-{town}", ["weight_kg"], LONG_AGO, LATER) for town in TOWNS}
            return {town: [int(item.value) for item in found] for town, found in series.items()}
        finally:
            readings.close()

    def wait_stored(self, rounds: int) -> None:
        """Every reading that the broker has acknowledged is stored, once."""
        expected = {town: list(range(rounds)) for town in TOWNS}

        self.wait_until(lambda: self.stored() == expected, "every acknowledged reading is stored once", 60)
        assert self.state.rejected.page(RejectedFilter(), 10).items == []


@pytest.fixture
def county(mosquitto: Any, tmp_path: Path, wait_until: Wait) -> Iterator[County]:
    settings = Settings(_env_file=None, data_dir=tmp_path / "data", mqtt_url=mosquitto.url, ingest_metrics_port=0)
    state = open_state(settings.state_url)
    for town in TOWNS:
        state.municipalities.put(Municipality(municipality=town, name=town))
        kinds = {"bin": "waste_bin"} | dict.fromkeys(["lamp", "door", "gate", "yard"], "streetlight")
        state.devices.put_many(
            [Device(device_id=f"{name}-{town}", device_type=kind, municipality=town) for name, kind in kinds.items()]
        )
    open_readings(settings).close()
    made = County(settings, state, wait_until)
    yield made
    made.end(*made.processes)
    made.device.stop()
    state.close()


class Load:
    """Every bin numbers its readings and somebody is at every lamp, round after round until told to stop."""

    def __init__(self, county: County) -> None:
        self._county = county
        self._client = MqttClient(county.settings.mqtt_url, "load")
        self._client.start()
        self._client.wait_connected(10)
        self._stop = threading.Event()
        self._acknowledged = 0
        self.rounds = 0
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()

    def _publish(self) -> None:
        def messages() -> Iterator[tuple[str, bytes]]:
            while not self._stop.wait(ROUND_S):
                at = START_MS + self.rounds * 1000
                payload = f'{{"observed_at":{at},"weight_kg":{self.rounds}}}'.encode()
                for town in TOWNS:
                    yield f"kreispuls/v1/{town}/waste_bin/bin-{town}/event/up", payload
                    yield f"kreispuls/v1/{town}/streetlight/lamp-{town}/event/up", b'{"presence": true}'
                self.rounds += 1

        for done in self._client.publish_all(messages()):
            self._acknowledged = done

    def wait_rounds(self, more: int) -> None:
        target = self.rounds + more
        self._county.wait_until(lambda: self.rounds >= target, "load goes on", 60)

    def finish(self) -> int:
        self._stop.set()
        self._thread.join(60)
        assert self._acknowledged == self.rounds * len(TOWNS) * 2
        self._client.stop()
        return self.rounds


def test_workers_join_and_leave_under_load_and_everything_is_handled_once(county: County) -> None:
    """From the only process to three workers, one away for a while, to four, to two; each told to stop in order.

    In between the state database is away for longer than a lease.
    """
    online: list[Message] = []
    filters = ["kreispuls/v1/_platform/ingest/kreispuls-ingest/#"]
    watcher = MqttClient(county.settings.mqtt_url, "watcher", filters=filters, on_message=online.append)
    watcher.start()
    county.start("0")
    county.wait_until(lambda: any(message.payload == b"online" for message in online), "the only process runs", 60)
    watcher.stop()
    load = Load(county)
    load.wait_rounds(10)
    county.end(0, by=signal.SIGTERM)
    county.start("1/3", "2/3", "3/3")
    county.wait_settled({1, 2, 3}, 3)
    kept = county.slots()
    with closing(sqlite3.connect(county.settings.data_dir / "state.db", isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        load.wait_rounds(int(1.5 * LEASE_S / ROUND_S))
    county.wait_settled({1, 2, 3}, 3)
    assert county.slots() == kept, "nobody could renew his leases, and nobody takes them from the others"
    county.end(2, by=signal.SIGTERM)
    county.wait_settled({1, 3}, 3)
    county.start("2/3", "4/4")
    county.wait_until(lambda: len(county.workers()) == 4, "three of three and one of four run", 60)
    load.wait_rounds(10)
    assert {share.slot for share in county.state.shares.all().values()} <= {1, 2, 3}, "nothing moves until they agree"
    county.end(1, 2, 3, by=signal.SIGTERM)
    county.start("1/4", "2/4", "3/4")
    county.wait_settled({1, 2, 3, 4}, 4)
    county.end(1, 2, 3, 4, by=signal.SIGTERM)
    county.start("1/2", "2/2")
    county.wait_settled({1, 2}, 2)
    rounds = load.finish()
    county.wait_stored(rounds)
    county.wait_until(lambda: min(county.presences()) >= rounds, "every presence is stored")
    assert county.presences() == [rounds] * len(TOWNS)
    assert county.commands_to("door") == [1] * len(TOWNS)


def test_workers_killed_under_load_at_any_moment_lose_nothing(county: County) -> None:
    """Also while they share out for the first time, and while the number of workers changes; at the end one is left."""
    chance = random.Random(5)
    county.make_session()
    load = Load(county)
    county.start("1/3", "2/3", "3/3")
    county.wait_until(county.workers, "one has its place", 60)
    for _ in range(2):
        load.wait_rounds(chance.randrange(10, 40))
        victim = chance.choice((1, 2, 3))
        county.end(victim)
        county.start(f"{victim}/3")
    county.wait_settled({1, 2, 3}, 3)
    county.end(1, 2, 3)
    county.start("1/2", "2/2")
    county.wait_until(lambda: WorkerNumber(1, 2) in county.workers(), "the first of two has its place", 60)
    load.wait_rounds(chance.randrange(5, 20))
    county.end(2)
    county.wait_settled({1}, 2)
    rounds = load.finish()
    county.wait_stored(rounds)
    county.wait_until(lambda: min(county.presences()) >= rounds, "every presence is stored; after a crash some twice")
    for lamp in ("door", "gate", "yard"):
        assert county.commands_to(lamp) == [1] * len(TOWNS)


def test_alerts_of_a_killed_worker_are_taken_over_and_unknown_municipalities_are_heard(county: County) -> None:
    county.start("1/2", "2/2")
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
    assert county.state.leases.acquire("slot/1", "somebody")
    county.state.shares.claim([Share("town-1", 1, CATCH_ALL, "marker")], "slot/1", "somebody")
    with pytest.raises(ConflictError, match="--worker 1/1"):
        run(county.settings, threading.Event(), own_process=False)
