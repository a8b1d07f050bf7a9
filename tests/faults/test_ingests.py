"""Several ingests as real processes: standby, fixed shares, towns that move, sessions emptied; nothing is lost."""

import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.alert import AlertState
from core.clock import utc_now
from core.device import Device, Municipality
from core.settings import Settings, environment_name
from core.topics import Topics
from mqtt.client import Message, MqttClient
from readings.open import open_readings
from state.alerts import AlertFilter
from state.ingests import IngestRow
from state.rejected import RejectedFilter
from state.state import State, open_state
from tests.faults.program import Program, kill
from tests.patience import PATIENCE_S

Wait = Callable[..., Any]
TOWNS = [f"town-{number}" for number in range(6)]
WEST, EAST = "town-0,town-1", "town-2,town-3"
START_MS = 1_700_000_000_000
LONG_AGO, LATER = datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
LEASE_S = 2.0
ROUND_S = 0.05
WAITING = 1_000


class County:
    """Ingests by name, the stores they share, a bin and lamps far apart in every town."""

    def __init__(self, settings: Settings, state: State, wait_until: Wait) -> None:
        self.settings = settings
        self.state = state
        self.wait_until = wait_until
        self.processes: dict[str, Program] = {}
        self.loads: list[Load] = []
        self.lit: defaultdict[str, set[str]] = defaultdict(set)
        """Commands by lamp; one that is repeated, because its answer came late, is one."""
        self.device = MqttClient(
            settings.mqtt_url, "devices", filters=["kreispuls/v1/+/+/+/command/set_light"], on_message=self._light
        )
        self.device.start()
        self.device.wait_connected(PATIENCE_S)

    def _light(self, message: Message) -> None:
        """Lamps answer: what is not answered is sent again."""
        command_id = json.loads(message.payload)["command_id"]
        self.lit[message.topic.split("/")[4]].add(command_id)
        answer = {"command_id": command_id, "result": "done", "detail": ""}
        topic = message.topic.replace("command/set_light", "event/ack")
        self.device.publish(topic, json.dumps(answer).encode())

    def environment(self, municipalities: str = "*", **changes: object) -> dict[str, str]:
        chosen: dict[str, object] = {
            "data_dir": self.settings.data_dir,
            "mqtt_url": self.settings.mqtt_url,
            "ingest_metrics_port": 0,
            "presence_hold_s": 600,
            "lease_s": LEASE_S,
            "municipalities": municipalities,
        }
        return os.environ | {environment_name(name): str(value) for name, value in (chosen | changes).items()}

    def start(self, name: str, municipalities: str = "*", **changes: object) -> None:
        self.processes[name] = Program("ingest", environment=self.environment(municipalities, **changes))

    def end(self, name: str, by: signal.Signals = signal.SIGKILL) -> None:
        process = self.processes[name]
        if by is signal.SIGKILL:
            kill(process)
        process.send_signal(by)
        assert process.wait() == (-signal.SIGKILL if by is signal.SIGKILL else 0)
        del self.processes[name]

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-P", "-m", "cli.main", *arguments]
        return subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=False)

    def session(self, name: str, filters: list[str]) -> None:
        """An ingest has run before: its session is there, what is said now is kept."""
        client = MqttClient(self.settings.mqtt_url, name, filters=filters, persistent=True, manual_ack=True)
        client.start()
        client.wait_connected(PATIENCE_S)
        client.flush(PATIENCE_S)
        client.stop()

    def wait_listed(self, *sessions: str) -> None:
        """These are subscribed, and their lists known to all."""
        names = {f"kreispuls-ingest{session}" for session in sessions}
        self.wait_until(lambda: {row.session for row in self.state.ingests.all()} >= names, f"{names} run")

    def served(self) -> dict[str, str]:
        """Who serves which session."""
        return {lease.name: lease.holder for lease in self.state.leases.all() if lease.live}

    def say(self, topic: str, payload: bytes) -> None:
        self.device.publish_confirmed(f"kreispuls/v1/{topic}", payload, timeout_s=PATIENCE_S)

    def commands_to(self, lamp: str) -> dict[str, int]:
        """How many commands the lamps of that name get, at which nobody was before, to light up; by town."""
        lamps = {town: f"{lamp}-{town}" for town in TOWNS}
        for town, name in lamps.items():
            self.say(f"{town}/streetlight/{name}/event/up", b'{"presence": true}')
        self.wait_until(lambda: all(self.lit[name] for name in lamps.values()), "every lamp is lit")
        self.device.flush(PATIENCE_S)  # what was sent beside it has come by now
        return {town: len(self.lit[name]) for town, name in lamps.items()}

    def presences(self) -> list[int]:
        """How many presences are stored of the lamp of each town: none says its time, so each is kept at another."""
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
        self.wait_until(lambda: self.stored() == expected, "every acknowledged reading is stored once")
        assert self.state.rejected.page(RejectedFilter(), 10).items == []

    def weigh(self, town: str, numbers: range) -> None:
        """A town's bin says its numbers; the broker has all of them."""
        sender = MqttClient(self.settings.mqtt_url, f"sender-{town}")
        sender.start()
        sender.wait_connected(PATIENCE_S)
        messages = (
            (
                f"kreispuls/v1/{town}/waste_bin/bin-{town}/event/up",
                f'{{"observed_at":{START_MS + number * 1000},"weight_kg":{number}}}'.encode(),
            )
            for number in numbers
        )
        assert max(sender.publish_all(messages, timeout_s=PATIENCE_S)) == len(numbers)
        sender.stop()


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
    for load in made.loads:  # of a test that failed
        load.stop()
    for process in made.processes.values():
        kill(process)
    made.device.stop()
    state.close()


class Load:
    """Every bin numbers its readings and somebody is at every lamp, round after round until told to stop."""

    def __init__(self, county: County) -> None:
        self._county = county
        self._client = MqttClient(county.settings.mqtt_url, "load")
        self._client.start()
        self._client.wait_connected(PATIENCE_S)
        self._stop = threading.Event()
        self._acknowledged = 0
        self.rounds = 0
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()
        county.loads.append(self)

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
        self._county.wait_until(lambda: self.rounds >= target, "load goes on")

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)

    def finish(self) -> int:
        self.stop()
        assert self._acknowledged == self.rounds * len(TOWNS) * 2
        self._client.stop()
        return self.rounds


def test_a_standby_takes_over_the_session_of_a_killed_ingest_and_nothing_is_lost(county: County) -> None:
    """Killed, told to stop, and killed after the state database was away for longer than a lease."""
    county.start("first")
    county.wait_listed("")
    county.start("second")
    load = Load(county)
    load.wait_rounds(10)
    first = county.served()["ingest/kreispuls-ingest"]
    county.end("first")
    county.wait_until(lambda: county.served().get("ingest/kreispuls-ingest", first) != first, "the second serves")
    county.start("third")
    load.wait_rounds(10)
    second = county.served()["ingest/kreispuls-ingest"]
    with closing(sqlite3.connect(county.settings.data_dir / "state.db", isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        load.wait_rounds(int(1.5 * LEASE_S / ROUND_S))
    load.wait_rounds(int(1.5 * LEASE_S / ROUND_S))
    assert county.processes["second"].poll() is None
    assert county.served()["ingest/kreispuls-ingest"] == second, "nobody could renew, and nobody takes it"
    county.end("second", by=signal.SIGTERM)
    county.wait_until(lambda: county.served().get("ingest/kreispuls-ingest", second) != second, "the third serves")
    rounds = load.finish()
    county.wait_stored(rounds)
    county.wait_until(lambda: min(county.presences()) >= rounds, "every presence is stored")
    assert set(county.commands_to("door").values()) == {1}


def stands_still(pid: int) -> bool:
    """Whether no thread of a process is still on its way out of the kernel, where it may just take a lock."""
    threads = Path(f"/proc/{pid}/task").glob("*/status")
    return all("State:\tT" in thread.read_text() for thread in threads)


def test_an_ingest_that_stood_still_gives_way_to_its_standby_and_nothing_is_lost(county: County) -> None:
    """Frozen for longer than a lease and woken up, it finds that the session is another's, and ends."""
    county.start("frozen")
    county.wait_listed("")
    county.start("standby")
    load = Load(county)
    load.wait_rounds(10)
    first = county.served()["ingest/kreispuls-ingest"]
    frozen = county.processes["frozen"]
    children = Path(f"/proc/{frozen.pid}/task/{frozen.pid}/children").read_text().split()
    both = [frozen.pid, *map(int, children)]

    def stand_still() -> bool:
        """Freeze it, but not while it writes to the state database: SQLite would let nobody else write."""
        for pid in both:
            os.kill(pid, signal.SIGSTOP)
            county.wait_until(lambda pid=pid: stands_still(pid), "all its threads are frozen")
        with closing(sqlite3.connect(county.settings.data_dir / "state.db", timeout=1, isolation_level=None)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                go_on()
                return False
        return True

    def go_on() -> None:
        for pid in both:
            os.kill(pid, signal.SIGCONT)

    county.wait_until(stand_still, "it is frozen")
    try:
        county.wait_until(lambda: county.served().get("ingest/kreispuls-ingest", first) != first, "the standby serves")
        load.wait_rounds(10)
    finally:
        go_on()
    assert frozen.wait() == 1
    del county.processes["frozen"]
    rounds = load.finish()
    county.wait_stored(rounds)
    assert set(county.commands_to("door").values()) == {1}


def test_ingests_with_lists_killed_under_load_lose_nothing_and_each_lamp_is_lit_by_one(county: County) -> None:
    chance = random.Random(5)
    lists = {"rest": "*", "west": WEST, "east": EAST}
    for name, municipalities in lists.items():
        county.start(name, municipalities)
    county.wait_listed("", "-town-0", "-town-2")
    load = Load(county)
    for _ in range(5):
        load.wait_rounds(chance.randrange(5, 30))
        victim = chance.choice(list(lists))
        county.end(victim)
        county.start(victim, lists[victim])
    county.wait_until(lambda: len(county.served()) == 4, "all serve their sessions again, one the jobs")
    rounds = load.finish()
    county.wait_stored(rounds)
    county.wait_until(lambda: min(county.presences()) >= rounds, "every presence is stored; after a crash some twice")
    for lamp in ("door", "gate"):
        assert set(county.commands_to(lamp).values()) == {1}
    checked = county.run("check")
    assert "ingests: 3 sessions at the broker, each served" in checked.stdout


class SlowWire:
    """A proxy before the broker through which one session hears everything later."""

    def __init__(self, port: int, delay_s: float) -> None:
        self._port = port
        self._delay_s = delay_s
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._port))
            for source, sink, delay_s in ((near, far, 0.0), (far, near, self._delay_s)):
                threading.Thread(target=self._carry, args=(source, sink, delay_s), daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, sink: socket.socket, delay_s: float) -> None:
        try:
            while data := source.recv(65_536):
                time.sleep(delay_s)
                sink.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, sink):
                with closing(end):
                    pass


@pytest.mark.parametrize("delay_s", [0.0, 0.2], ids=["in order", "the old session hears all later"])
def test_a_town_moves_while_messages_wait_in_its_old_session_and_nothing_is_lost(
    county: County, mosquitto: Any, delay_s: float
) -> None:
    """Its lamps go with it; the broker need not keep an order between sessions."""
    county.start("west", WEST)
    county.start("east", EAST)
    county.wait_listed("-town-0", "-town-2")
    for name in ("west", "east"):
        county.end(name, by=signal.SIGTERM)
    county.weigh("town-1", range(WAITING))
    wire = SlowWire(mosquitto.port, delay_s)
    county.start("east", f"{EAST},town-1")
    county.start("west", "town-0", mqtt_url=wire.url if delay_s else mosquitto.url)
    county.weigh("town-1", range(WAITING, 2 * WAITING))
    county.wait_until(
        lambda: (
            {row.session: row.subscribed for row in county.state.ingests.all()}
            == {
                "kreispuls-ingest-town-0": {"town-0"},
                "kreispuls-ingest-town-2": {"town-1", "town-2", "town-3"},
            }
        ),
        "the town has moved",
    )
    county.weigh("town-1", range(2 * WAITING, 3 * WAITING))
    expected = list(range(3 * WAITING))
    county.wait_until(lambda: county.stored()["town-1"] == expected, "all are stored")
    county.say("town-1/streetlight/gate-town-1/event/up", b'{"presence": true}')
    county.wait_until(lambda: county.lit["gate-town-1"], "its lamps are lit")
    county.device.flush(PATIENCE_S)
    assert len(county.lit["gate-town-1"]) == 1
    assert county.state.rejected.page(RejectedFilter(), 10).items == []
    wire.close()


def test_a_town_that_nobody_lists_any_more_is_still_heard(county: County) -> None:
    county.start("west", WEST)
    county.wait_listed("-town-0")
    county.end("west", by=signal.SIGTERM)
    county.start("west", "town-0")
    county.weigh("town-1", range(10))
    county.wait_until(lambda: county.stored()["town-1"] == list(range(10)), "it is stored")
    row = IngestRow("kreispuls-ingest-town-0", frozenset({"town-0"}), frozenset({"town-0", "town-1"}))
    county.wait_until(lambda: county.state.ingests.all() == [row], "it stays subscribed")


def test_alerts_go_with_their_town_and_what_is_on_no_list_is_the_rest(county: County) -> None:
    """From the rest to a list of its own, and back when that list is drained; garbage is kept once."""
    full, empty = (json.dumps({"filling_level": level}).encode() for level in (0.95, 0.05))

    def alerts() -> list[AlertState]:
        return [alert.state for alert in county.state.alerts.page(AlertFilter(rule="bin_full"), 10).items]

    fresh = [f"fresh-{number}" for number in range(1000)]
    county.state.devices.put_many(
        [Device(device_id=name, device_type="streetlight", municipality="town-1") for name in fresh]
    )
    county.start("rest")
    county.wait_listed("")
    county.say("town-1/waste_bin/bin-town-1/event/up", full)
    county.wait_until(lambda: alerts() == [AlertState.FIRING], "the bin is full")
    county.say("nowhere/waste_bin/stranger/event/up", full)
    county.wait_until(lambda: county.state.devices.find("stranger"), "an unknown municipality is heard")
    county.start("west", WEST)
    county.wait_listed("", "-town-0")
    lamps, last = iter(fresh), deque[str](maxlen=20)

    def lit_by_one() -> bool:
        """While a town moves a lamp may be told twice, the second time perhaps only when the next one is asked."""
        lamp = next(lamps)
        last.append(lamp)
        county.say(f"town-1/streetlight/{lamp}/event/up", b'{"presence": true}')
        county.wait_until(lambda: county.lit[lamp], "it is lit")
        county.device.flush(PATIENCE_S)
        return len(last) == last.maxlen and all(len(county.lit[each]) == 1 for each in last)

    county.wait_until(lit_by_one, "the town has moved")
    assert set(county.commands_to("yard").values()) == {1}
    county.say("town-1/streetlight/door-town-1/event/up", b"garbage")
    county.say("town-1/waste_bin/bin-town-1/event/up", empty)
    county.wait_until(lambda: alerts() == [AlertState.RESOLVED], "who has the town goes on with its alert")
    county.say("hello", b"?")
    county.wait_until(lambda: len(county.state.rejected.page(RejectedFilter(), 10).items) == 2, "garbage is kept once")
    county.end("west", by=signal.SIGTERM)
    county.weigh("town-0", range(10))
    checked = county.run("check")
    assert "nobody serves the session kreispuls-ingest-town-0" in checked.stdout.replace("\n", " ")
    drained = county.run("drain", "kreispuls-ingest-town-0")
    assert drained.returncode == 0, drained.stderr
    assert "the session is gone" in drained.stdout
    assert [row.session for row in county.state.ingests.all()] == ["kreispuls-ingest"]

    def full_again() -> bool:
        county.say("town-1/waste_bin/bin-town-1/event/up", full)
        return sorted(alerts()) == [AlertState.FIRING, AlertState.RESOLVED]

    county.wait_until(full_again, "it is the rest's again")


def test_what_waits_in_sessions_of_workers_is_stored_by_one_command(county: County) -> None:
    """As version 0.1 leaves them: a slot's session with messages in it, and its lease."""
    topics = Topics(county.settings.mqtt_topic_root)
    county.session("kreispuls-ingest-slot-1", [topics.events_of("town-4")])
    county.state.leases.acquire("slot/1", "1/1 somebody", hold=timedelta(seconds=0))
    county.weigh("town-4", range(WAITING))
    refused = county.run("drain", "kreispuls-ingest-slot-1")
    assert refused.returncode == 1
    assert "no other ingest hears" in refused.stderr
    county.start("rest")
    county.wait_listed("")
    county.weigh("town-4", range(WAITING, WAITING + 10))
    assert "kreispuls drain kreispuls-ingest-slot-1" in county.run("check").stdout.replace("\n", " ")
    drained = county.run("drain", "kreispuls-ingest-slot-1")
    assert drained.returncode == 0, drained.stderr
    assert drained.stdout.startswith(f"kreispuls-ingest-slot-1: {WAITING + 10} messages stored")
    assert county.stored()["town-4"] == list(range(WAITING + 10))
    assert "each served" in county.run("check").stdout
    again = county.run("drain", "kreispuls-ingest-slot-1")
    assert again.stdout.startswith("kreispuls-ingest-slot-1: 0 messages stored")
