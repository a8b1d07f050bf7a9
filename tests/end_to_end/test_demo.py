"""The demo as a person starts it: real processes; everything the README promises of it."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest

from mqtt.client import Message, MqttClient

Wait = Callable[..., Any]
LIT_BY_DAY = {
    "title": "Whenever the test runs",
    "presence": {"standby_dim_level": 0.2, "dim_level": 0.8, "hold_s": 60, "fade_s": 1, "lamps_ahead": 2},
    "nights": [{"days": ["every_day"], "steps": [{"at": "00:00", "by_day": True}, {"at": "12:00", "by_day": True}]}],
}
KREISPULS = [sys.executable, "-P", "-m", "cli.main"]


@dataclass
class Demo:
    """A running demo, what it printed so far, and its addresses."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    api: str = ""
    mqtt: str = ""

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if match := re.match(r"API +(http\S+)/docs", line):
                self.api = match[1]
            if match := re.match(r"MQTT +(mqtt\S+)", line):
                self.mqtt = match[1]

    def get(self, path: str) -> Any:
        with urlopen(self.api + path, timeout=10) as answer:
            return json.load(answer)

    def get_all(self, path: str) -> list[Any]:
        items: list[Any] = []
        cursor: str | None = ""
        while cursor is not None:
            page = self.get(f"{path}{'&' if '?' in path else '?'}limit=1000" + (f"&cursor={cursor}" if cursor else ""))
            items += page["items"]
            cursor = page["next_cursor"]
        return items

    def post(self, path: str, body: object) -> Any:
        return self.send("POST", path, body)

    def put(self, path: str, body: object) -> Any:
        return self.send("PUT", path, body)

    def send(self, method: str, path: str, body: object) -> Any:
        request = Request(
            self.api + path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method
        )
        with urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def program(self, name: str) -> psutil.Process | None:
        for child in psutil.Process(self.process.pid).children():
            if child.status() != psutil.STATUS_ZOMBIE and name in child.cmdline():
                return child
        return None


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    process = subprocess.Popen(
        [*KREISPULS, "demo", "--devices", "40", "--speed", "30", "--seed", "7"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    running = Demo(process)
    reader = threading.Thread(target=running.read, daemon=True)
    reader.start()
    deadline = time.monotonic() + 120
    while not running.mqtt and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    assert running.mqtt, running.lines
    yield running
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait(60)
    reader.join(5)


@pytest.fixture
def client(demo: Demo) -> Iterator[tuple[MqttClient, list[Message]]]:
    """A foreign device or program at the demo's broker."""
    heard: list[Message] = []
    mqtt = MqttClient(demo.mqtt, "foreign", filters=["kreispuls/v1/+/+/+/command/+"], on_message=heard.append)
    mqtt.start()
    mqtt.wait_connected(10)
    yield mqtt, heard
    mqtt.stop()


def test_it_is_ready_and_knows_every_bin(demo: Demo) -> None:
    assert demo.get("/readyz")["status"] == "ok"
    bins = {device["device_id"] for device in demo.get_all("/v1/devices?device_type=waste_bin")}
    assert len(bins) == 8
    latest = demo.get_all("/v1/readings/latest?device_type=waste_bin")
    assert {item["device_id"] for item in latest} == bins
    assert all("filling_level" in item["values"] for item in latest)
    assert len(demo.get("/v1/municipalities")["items"]) == 22


def test_presence_from_a_foreign_client_lights_the_lamp_and_its_neighbours(
    demo: Demo, client: tuple[MqttClient, list[Message]], wait_until: Wait
) -> None:
    mqtt, heard = client
    lamps = [
        device
        for device in demo.get_all("/v1/devices?device_type=streetlight&municipality=marburg")
        if device["street"] == "Beltershäuser Straße"
    ]
    row = sorted(lamps, key=lambda lamp: lamp["attributes"]["street_order"])
    expected = {lamp["device_id"] for lamp in row[8:13]}
    demo.put("/v1/municipalities/marburg/lighting-profiles/default", LIT_BY_DAY)

    def told() -> dict[str, bytes]:
        by_presence = [message for message in list(heard) if b'"presence"' in message.payload]
        return {message.topic.split("/")[4]: message.payload for message in by_presence}

    def lit() -> bool:
        topic = f"kreispuls/v1/marburg/streetlight/{row[10]['device_id']}/event/up"
        mqtt.publish_confirmed(topic, b'{"presence": true}')
        return expected <= told().keys()

    wait_until(lit, "the lamp and two neighbours to each side are told")
    command = json.loads(told()[row[10]["device_id"]])

    def state() -> str:
        try:
            return str(demo.get(f"/v1/commands/{command['command_id']}")["state"])
        except HTTPError as error:  # the light is told first, the command is kept a moment later
            return str(error.code)

    wait_until(lambda: state() == "done", "the simulated lamp has obeyed")


def test_a_plan_is_made_and_the_routes_answer(demo: Demo, wait_until: Wait) -> None:
    today = demo.get("/v1/pickups/due")["items"]
    municipality = today[0]["municipality"] if today else "marburg"
    plan = demo.post("/v1/pickups/plans", {"municipality": municipality})
    done = wait_until(
        lambda: (found := demo.get(f"/v1/pickups/plans/{plan['plan_id']}"))["state"] in ("done", "failed") and found,
        "the plan is made",
        timeout_s=60,
    )
    assert done["state"] == "done", done
    routes = demo.get(f"/v1/pickups/routes?municipality={municipality}")["items"]
    stops = {stop["device_id"] for route in routes for stop in route["stops"]}
    assert stops == {stop["device_id"] for route in done["routes"] for stop in route["stops"]}


def test_garbage_on_ten_topics_shows_up_with_reasons_and_nothing_stops(
    demo: Demo, client: tuple[MqttClient, list[Message]], wait_until: Wait
) -> None:
    mqtt, _ = client
    topics = [f"kreispuls/v1/marburg/waste_bin/garbage-{index}/event/up" for index in range(8)]
    topics += ["kreispuls/v1/nonsense", "kreispuls/v1/MARBURG/x"]
    for topic in topics:
        mqtt.publish_confirmed(topic, b"\x00garbage")

    def reasons() -> dict[str, str]:
        return {item["topic"]: item["reason"] for item in demo.get_all("/v1/rejected-messages")}

    wait_until(lambda: set(topics) <= set(reasons()), "all ten are listed")
    assert all(reasons()[topic] for topic in topics)
    assert demo.get("/readyz")["status"] == "ok"


def test_killed_ingest_comes_back_and_no_acknowledged_reading_is_missing(
    demo: Demo, client: tuple[MqttClient, list[Message]], wait_until: Wait
) -> None:
    mqtt, _ = client
    topic = "kreispuls/v1/marburg/waste_bin/counted-1/event/up"
    killed = demo.program("ingest")
    assert killed is not None
    for number in range(600):
        payload = {"weight_kg": number, "observed_at": 1_700_000_000_000 + number * 1000}
        mqtt.publish_confirmed(topic, json.dumps(payload).encode())
        if number == 200:
            killed.kill()
    wait_until(lambda: (now := demo.program("ingest")) is not None and now.pid != killed.pid, "it is started again")

    def missing() -> set[int]:
        path = "/v1/devices/counted-1/readings?quantity=weight_kg&start=2023-11-14T00:00:00Z&end=2023-11-16T00:00:00Z"
        try:
            return set(range(600)) - {int(item["value"]) for item in demo.get_all(path)}
        except HTTPError:  # not registered yet
            return set(range(600))

    wait_until(lambda: not missing(), "all 600 readings are stored", timeout_s=60)
    assert any("ingest had ended and was started again" in line for line in demo.lines)


def test_interrupted_it_ends_with_a_summary_and_leaves_no_process_behind(demo: Demo, wait_until: Wait) -> None:
    family = psutil.Process(demo.process.pid).children(recursive=True)
    assert len(family) >= 4
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(60) == 0
    wait_until(lambda: any("readings stored" in line for line in demo.lines), "the summary is printed")
    wait_until(lambda: not any(process.is_running() for process in family), "all processes have ended")


def test_for_ends_by_itself_and_taken_default_ports_are_replaced_and_said(tmp_path: Path) -> None:
    occupied = subprocess.Popen([sys.executable, "-c", _LISTEN], stdout=subprocess.PIPE, text=True)
    try:
        assert occupied.stdout is not None
        assert occupied.stdout.readline() == "listening\n"
        ended = subprocess.run(
            [*KREISPULS, "demo", "--for", "3", "--devices", "10"],
            capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
        )  # fmt: skip
    finally:
        occupied.terminate()
        occupied.wait()
    assert ended.returncode == 0, ended.stderr
    assert "Port 8000 is taken: the API listens on" in ended.stdout
    assert "10 devices (8 lamps, 2 bins)" in ended.stdout
    assert not list(tmp_path.iterdir())


_LISTEN = """
import socket, time
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
try:
    listener.bind(("127.0.0.1", 8000))
    listener.listen()
except OSError:
    pass  # taken by somebody else: as good
print("listening", flush=True)
time.sleep(120)
"""


def test_a_configured_port_that_is_taken_is_one_sentence_naming_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket  # noqa: PLC0415

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("KREISPULS_API_PORT", str(taken.getsockname()[1]))
        ended = subprocess.run(
            [*KREISPULS, "demo", "--for", "3"], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
        )
    assert ended.returncode == 1
    (sentence,) = ended.stderr.strip().splitlines()
    assert sentence.startswith("kreispuls: KREISPULS_API_PORT: port")
    assert "is taken" in sentence
