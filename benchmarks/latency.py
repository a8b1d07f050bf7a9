"""Latency of light: from publishing a presence to its lamp's `set_light` at a subscriber, open loop at a given rate.

Real processes on loopback: Mosquitto, one ingest on SQLite, a publisher and a subscriber of their own. Every
presence is at a lamp that is down: it is stored, raises the lamp and `--neighbours` on each side, and they are lowered
`--hold` seconds later. Beside the presences other readings are stored (`--background` a second). Open loop: a message
goes out when it is due, whatever became of the ones before. The clock runs from just before the write to just after the
read. `--beside plan,export,backup`: measured once alone, and once while such work goes on without a pause, one process
each: a day of 300 bins is planned, the registry is exported, both stores are backed up. `echo`: the same messages at
the same rate through the broker alone, without ingest. The first seconds warm up and do not count. The last line of
output is one JSON object.
"""

import argparse
import json
import multiprocessing
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path

from end_to_end import broker_command, counter, free_port, kreispuls, register, running, wait_for_port, wait_until
from load import Publisher, mid_of, publish_packet

from core.device import Device, Municipality, Place, Vehicle
from core.reading import Reading
from readings.sqlite.store import SqliteReadings
from state.state import open_state

OTHERS = 1_000
"""Lamps that only report, for the background."""
ROOT = "kreispuls/v1/marburg/streetlight"
PRESENCE = b'{"presence":true,"dim_level":0.2,"active_power_w":8.0,"active_energy_kwh":100.5,"voltage_v":230.0}'
READING = b'{"dim_level":0.2,"active_power_w":8.0,"active_energy_kwh":100.5,"voltage_v":230.0,"temperature_c":4.5}'
SETTLED_S = 3.0
"""How long the subscriber waits for stragglers."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=1_000, help="presences a second")
    parser.add_argument("--background", type=int, default=1_000, help="other readings a second")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--warm-up", type=float, default=3, help="seconds before them that do not count")
    parser.add_argument("--neighbours", type=int, default=0, help="lamps raised on each side")
    parser.add_argument("--hold", type=float, default=5, help="seconds until a raised lamp is lowered")
    parser.add_argument("--beside", default="", help="of plan,export,backup: work that goes on beside")
    options = parser.parse_args()
    mosquitto = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    if mosquitto is None:
        sys.exit("mosquitto is not installed")
    figures: dict[str, object] = {"benchmark": "latency", "rate": options.rate}
    figures |= {"background": options.background, "neighbours": options.neighbours, "hold_s": options.hold}
    with tempfile.TemporaryDirectory(prefix="kreispuls-bench-") as name:
        figures |= measure(options, Path(name), mosquitto)
    figures |= {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {package: version(package) for package in ("paho-mqtt", "msgspec", "sqlalchemy")},
    }
    for name, value in figures.items():
        print(f"{name:28} {value}")
    print(json.dumps(figures))


def measure(options: argparse.Namespace, folder: Path, mosquitto: str) -> dict[str, object]:
    """Echo first, then ingest, at the same broker."""
    mqtt_port, metrics_port = free_port(), free_port()
    environment = os.environ | {
        "KREISPULS_DATA_DIR": str(folder),
        "KREISPULS_MQTT_URL": f"mqtt://127.0.0.1:{mqtt_port}",
        "KREISPULS_INGEST_METRICS_PORT": str(metrics_port),
        "KREISPULS_PRESENCE_NEIGHBOURS": str(options.neighbours),
        "KREISPULS_PRESENCE_HOLD_S": str(options.hold),
        "KREISPULS_COMMAND_ATTEMPTS": "1",  # these lamps do not answer
    }
    wanted = round((options.seconds + options.warm_up) * (options.rate + options.background))
    presences = wanted * options.rate // (options.rate + options.background)
    register(folder, presences * (2 * options.neighbours + 1) + OTHERS)
    with running(broker_command("mosquitto", folder, mqtt_port, mosquitto), environment):
        wait_for_port(mqtt_port)
        echo = distribution(options, mqtt_port, "echo/{lamp}", "echo/+", level=1)
        with running(kreispuls("ingest"), environment):
            wait_until(lambda: counter(metrics_port, "kreispuls_broker_connected") == 1)
            greeted = greet(mqtt_port, presences * (2 * options.neighbours + 1))
            wait_until(lambda: counter(metrics_port, "kreispuls_readings_stored") >= greeted)
            topics = ROOT + "/{lamp}/event/up", ROOT + "/+/command/set_light"
            light = distribution(options, mqtt_port, *topics, level=4)
            wait_until(lambda: counter(metrics_port, "kreispuls_readings_stored") >= greeted + wanted)
            figures = {f"echo_{name}": value for name, value in echo.items()}
            figures |= {f"presence_{name}": value for name, value in light.items()}
            if options.beside:
                time.sleep(2 * options.hold)  # the lamps are down again
                with work(options.beside.split(","), folder, environment):
                    echo = distribution(options, mqtt_port, "echo/{lamp}", "echo/+", level=1)
                    light = distribution(options, mqtt_port, *topics, level=4)
                figures |= {f"beside_echo_{name}": value for name, value in echo.items()}
                figures |= {f"beside_{name}": value for name, value in light.items()}
    return figures


@contextmanager
def work(kinds: list[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Work of a county's server, again and again until the end."""
    if "plan" in kinds:
        register_bins(folder)
    commands = {
        "plan": ["plan", "--municipality", "waste", "--time-limit", "5", "--format", "json"],
        "export": ["devices", "export", "--format", "geojson"],
        "backup": ["backup", str(folder / "backup.zip")],
    }
    enough = threading.Event()

    def repeat(command: list[str]) -> None:
        while not enough.is_set():
            process = subprocess.Popen(
                kreispuls(*command), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            while process.poll() is None:
                if enough.wait(0.1):
                    process.terminate()
            (folder / "backup.zip").unlink(missing_ok=True)

    threads = [threading.Thread(target=repeat, args=(commands[kind],)) for kind in kinds]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        enough.set()
        for thread in threads:
            thread.join()


def register_bins(folder: Path) -> None:
    """A town with 300 bins, all of them full."""
    with closing(open_state(f"sqlite:///{folder / 'state.db'}")) as state:
        depot = Place("Depot", 50.8, 8.77)
        state.municipalities.put(
            Municipality(
                municipality="waste", name="Waste", depot=depot, vehicles=(Vehicle("truck", 3, 10_000.0, 8 * 3600),)
            )
        )
        state.devices.put_many(
            [
                Device(
                    device_id=f"bin-{number}",
                    device_type="waste_bin",
                    municipality="waste",
                    latitude=50.75 + number % 17 * 0.006,
                    longitude=8.7 + number % 19 * 0.008,
                    attributes={"volume_l": 240},
                )
                for number in range(300)
            ]
        )
    now = datetime.now(UTC)
    with closing(SqliteReadings(str(folder / "readings.db"))) as readings:
        readings.write(
            [Reading(f"bin-{number}", "waste_bin", "waste", now, now, {"filling_level": 0.9}) for number in range(300)]
        )


def greet(port: int, lamps: int) -> int:
    """Every lamp reports once, as those of a running county have; returns how many did."""
    publisher = Publisher(port, "bench-greeting")
    publisher.publish(
        [publish_packet(f"{ROOT}/lamp-{index}/event/up", READING, mid_of(index)) for index in range(lamps + OTHERS)]
    )
    publisher.close()
    return lamps + OTHERS


def distribution(options: argparse.Namespace, port: int, topic: str, filter_: str, level: int) -> dict[str, object]:
    """Latencies of the presences that were answered, and how many were not."""
    total_rate = options.rate + options.background
    count = round((options.seconds + options.warm_up) * total_rate)
    group = 2 * options.neighbours + 1
    lamps = [f"lamp-{options.neighbours + group * index}" for index in range(count * options.rate // total_rate)]
    others = [f"lamp-{group * len(lamps) + index}" for index in range(OTHERS)]
    packets: list[bytes] = []
    lamp_of: dict[int, str] = {}
    for index in range(count):
        is_presence = (index + 1) * options.rate // total_rate > len(lamp_of)
        lamp = lamps[len(lamp_of)] if is_presence else others[index % OTHERS]
        if is_presence:
            lamp_of[index] = lamp
        packets.append(publish_packet(topic.format(lamp=lamp), PRESENCE if is_presence else READING, mid_of(index)))
    sent: dict[str, float] = {}
    clock = time.perf_counter

    def sending(index: int) -> None:
        if index in lamp_of:
            sent[lamp_of[index]] = clock()

    ours, theirs = multiprocessing.Pipe()
    subscriber = multiprocessing.Process(target=subscribe, args=(theirs, port, filter_, level, frozenset(lamps)))
    subscriber.start()
    ours.recv()
    publisher = Publisher(port, "bench-latency")
    began = clock()
    publisher.publish_at(total_rate, packets, sending)
    publisher.close()
    seconds = clock() - began
    time.sleep(SETTLED_S)
    ours.send("enough")
    arrived = ours.recv()
    subscriber.join()
    counted_from = began + options.warm_up
    latencies = [(arrived[lamp] - out) * 1000 for lamp, out in sent.items() if out >= counted_from and lamp in arrived]
    cuts = statistics.quantiles(latencies, n=1000, method="inclusive")
    return {
        "count": len(latencies),
        "unanswered": len(sent.keys() - arrived.keys()),
        "sent_per_s": round(count / seconds),
        "p50_ms": round(cuts[499], 2),
        "p99_ms": round(cuts[989], 2),
        "p999_ms": round(cuts[998], 2),
        "max_ms": round(max(latencies), 2),
    }


def subscribe(pipe: Connection, port: int, filter_: str, level: int, lamps: frozenset[str]) -> None:
    """A process: when the first command came for each lamp, told when asked. The clock is the same in all processes."""
    name = filter_.encode()
    body = b"\x00\x01" + len(name).to_bytes(2, "big") + name + b"\x00"
    wire = socket.create_connection(("127.0.0.1", port), timeout=10)
    wire.sendall(b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05bench" + b"\x82" + bytes([len(body)]) + body)
    arrived: dict[str, float] = {}
    pipe.send("subscribed" if wire.recv(9, socket.MSG_WAITALL)[-1:] == b"\x00" else "refused")
    wire.settimeout(0.2)
    unread = b""
    while not pipe.poll():
        try:
            chunk = wire.recv(65_536)
        except TimeoutError:
            continue
        at = time.perf_counter()
        unread += chunk
        start = 0
        while (stop := end_of_packet(unread, start)) is not None:
            if unread[start] & 0xF0 == 0x30:  # noqa: PLR2004
                topic_at = start + (3 if unread[start + 1] > 127 else 2)  # noqa: PLR2004
                length = unread[topic_at] << 8 | unread[topic_at + 1]
                lamp = unread[topic_at + 2 : topic_at + 2 + length].decode().split("/")[level]
                if lamp in lamps:
                    arrived.setdefault(lamp, at)
            start = stop
        unread = unread[start:]
    pipe.recv()
    pipe.send(arrived)
    wire.close()


def end_of_packet(data: bytes, start: int) -> int | None:
    """Where the packet at `start` ends (of at most 16,383 bytes); None: not all of it is here."""
    if len(data) - start < 3:  # noqa: PLR2004
        return start + 2 if len(data) - start == 2 and data[start + 1] == 0 else None  # noqa: PLR2004
    first, second = data[start + 1], data[start + 2]
    stop = start + 2 + first if first < 128 else start + 3 + (first & 127) + (second << 7)  # noqa: PLR2004
    return stop if stop <= len(data) else None


if __name__ == "__main__":
    main()
