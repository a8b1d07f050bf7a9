"""CPU and wall time from start to ready: `--help`, `check`, `api` and `ingest`, with 1,000 and with 35,000 devices.

`ingest` is ready when its lamps are lit by presence: all its processes count, those that have ended too. `--beside DIR`
starts another checkout the same way in turn (with the interpreter of its `.venv`), for a comparison in one run; each
figure is the median of `--rounds`. The last line of output is one JSON object.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from end_to_end import broker_command, free_port, running, wait_for_port, wait_until

HERE = Path(__file__).resolve().parents[1]
REGISTER = """
import sys
from datetime import UTC, datetime
from core.device import Device, Municipality
from core.settings import load_settings
try:
    from state.state import open_state
except ImportError:  # of version 0.1
    from storage.state import open_state
state = open_state(load_settings().state_url)
count = int(sys.argv[1])
towns = [f"town-{number}" for number in range(22)]
east = (-15 * datetime.now(UTC).hour + 180) % 360 - 180  # the county lies where it is midnight now: its lamps are on
for number, town in enumerate(towns):
    state.municipalities.put(
        Municipality(municipality=town, name=town, latitude=50.8, longitude=east + number * 0.05)
    )
lamps = [
    Device(
        device_id=f"lamp-{number}", device_type="streetlight", municipality=towns[number % 22],
        street=f"Street {number // 880}", attributes={"rated_power_w": 40.0, "controller": "NEMA"},
        latitude=50.8 + number // 880 * 0.0005, longitude=east + number % 22 * 0.05 + number // 22 % 40 * 0.0004,
    )
    for number in range(count)
]
for first in range(0, count, 5000):
    state.devices.put_many(lamps[first : first + 5000])
state.close()
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", type=Path, help="another checkout, started in turn")
    parser.add_argument("--devices", type=int, nargs="+", default=[1_000, 35_000])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    mosquitto = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    if mosquitto is None:
        sys.exit("mosquitto is not installed")
    checkouts = {"": HERE} | ({"beside_": options.beside.resolve()} if options.beside else {})
    found: dict[str, list[tuple[float, float]]] = {}
    for devices in options.devices:
        with tempfile.TemporaryDirectory(prefix="kreispuls-bench-") as name:
            for prefix, checkout in checkouts.items():
                prepare(checkout, Path(name) / (prefix or "own"), devices)
            for _ in range(options.rounds):
                for prefix, checkout in checkouts.items():
                    folder = Path(name) / (prefix or "own")
                    for what, seconds in measure(checkout, folder, mosquitto).items():
                        found.setdefault(f"{prefix}{what}_{devices}", []).append(seconds)
    figures: dict[str, object] = {"benchmark": "start", "rounds": options.rounds}
    for what, times in found.items():
        figures[f"{what}_cpu_s"] = round(statistics.median(cpu for cpu, _ in times), 2)
        figures[f"{what}_wall_s"] = round(statistics.median(wall for _, wall in times), 2)
    figures |= {"cores": os.cpu_count(), "python": platform.python_version()}
    figures["system"] = f"{platform.system()} {platform.machine()}"
    for name, value in figures.items():
        print(f"{name:32} {value}")
    print(json.dumps(figures))


def environment(folder: Path, **more: object) -> dict[str, str]:
    """Of a program of a checkout whose data are in `folder`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KREISPULS_")}
    chosen = {"KREISPULS_DATA_DIR": folder, "KREISPULS_INGEST_METRICS_PORT": 0} | more
    return clean | {name: str(value) for name, value in chosen.items()}


def python(checkout: Path) -> str:
    """The interpreter of a checkout."""
    return str(checkout / ".venv" / "bin" / "python")


def prepare(checkout: Path, folder: Path, devices: int) -> None:
    """Tables and devices; compiles what is imported."""
    folder.mkdir()
    command = [python(checkout), "-c", REGISTER, str(devices)]
    subprocess.run(command, cwd=checkout, env=environment(folder), check=True)
    for arguments in (["--help"], ["check"]):
        subprocess.run(kreispuls(checkout, *arguments), cwd=checkout, env=environment(folder), capture_output=True)  # noqa: PLW1510


def kreispuls(checkout: Path, *arguments: str) -> list[str]:
    """The command of a checkout."""
    return [python(checkout), "-m", "cli.main", *arguments]


def measure(checkout: Path, folder: Path, mosquitto: str) -> dict[str, tuple[float, float]]:
    """CPU and wall seconds by what is started."""
    port, api_port = free_port(), free_port()
    url = f"mqtt://127.0.0.1:{port}"
    settings = environment(folder, KREISPULS_MQTT_URL=url, KREISPULS_API_PORT=api_port)
    with running(broker_command("mosquitto", folder, port, mosquitto), settings):
        wait_for_port(port)
        times = {
            "help": to_end(kreispuls(checkout, "--help"), checkout, settings),
            "check": to_end(kreispuls(checkout, "check"), checkout, settings),
            "api": to_ready(
                kreispuls(checkout, "api"), checkout, settings, lambda: answers(f"http://127.0.0.1:{api_port}/readyz")
            ),
        }
        with presence(port) as is_lit:
            times["ingest"] = to_ready(kreispuls(checkout, "ingest"), checkout, settings, is_lit)
        return times


def to_end(command: list[str], checkout: Path, settings: dict[str, str]) -> tuple[float, float]:
    """CPU and wall seconds of a command that ends by itself."""
    before, began = os.times(), time.perf_counter()
    subprocess.run(command, cwd=checkout, env=settings, capture_output=True)  # noqa: PLW1510
    after = os.times()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return cpu, time.perf_counter() - began


def to_ready(
    command: list[str], checkout: Path, settings: dict[str, str], is_ready: Callable[[], bool]
) -> tuple[float, float]:
    """CPU seconds of a program and all that it started, and wall seconds, until it is ready."""
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=checkout, env=settings, stderr=subprocess.DEVNULL)
    try:
        wait_until(is_ready)
        wall = time.perf_counter() - began
        here = psutil.Process(process.pid)
        cpu = 0.0
        for each in [here, *here.children(recursive=True)]:
            with suppress(psutil.Error):
                times = each.cpu_times()
                cpu += times.user + times.system + times.children_user + times.children_system
        return cpu, wall
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def answers(url: str) -> bool:
    """Whether a URL answers with success."""
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except OSError:
        return False


@contextmanager
def presence(port: int) -> Iterator[Callable[[], bool]]:
    """Somebody walks along a street until a lamp is told to light up; says whether one is."""
    heard = threading.Event()
    topic, filter_ = b"kreispuls/v1/town-%d/streetlight/lamp-%d/event/up", b"kreispuls/v1/+/+/+/command/set_light"
    wire = socket.create_connection(("127.0.0.1", port), timeout=10)
    wire.settimeout(None)  # with a timeout MSG_WAITALL does not wait for all
    body = b"\x00\x01" + len(filter_).to_bytes(2, "big") + filter_ + b"\x00"
    wire.sendall(b"\x10\x12\x00\x04MQTT\x04\x02\x00\x00\x00\x06walker" + b"\x82" + bytes([len(body)]) + body)
    wire.recv(9, socket.MSG_WAITALL)

    def listen() -> None:
        with suppress(OSError):
            if wire.recv(1):
                heard.set()

    threading.Thread(target=listen, daemon=True).start()
    step = 0

    def is_lit() -> bool:
        nonlocal step
        name = topic % (step % 22, step)
        payload = b'{"presence":true}'
        rest = len(name).to_bytes(2, "big") + name + payload
        wire.sendall(b"\x30" + bytes([len(rest)]) + rest)
        step = (step + 1) % 900
        return heard.wait(0.01)

    try:
        yield is_lit
    finally:
        wire.close()


if __name__ == "__main__":
    main()
