"""End to end: messages per second from publisher to durable, presence to light command, memory, start-up time.

Real processes on loopback: Mosquitto (or, with --broker embedded, the demo's), ingest on SQLite, one publisher in this
process with QoS 1. Rules and light control are on; five values a message; one message in a hundred is a presence.
The last line of output is one JSON object.
"""

import argparse
import json
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
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from urllib.request import urlopen

import psutil
from prometheus_client.parser import text_string_to_metric_families

from core.device import Device, Municipality
from core.settings import Settings
from devices.base import encode_json
from mqtt.client import Message, MqttClient
from state.state import open_state

MOST_MESSAGES = 65_000
PACKAGES = ("paho-mqtt", "amqtt", "sqlalchemy", "fastapi", "pyvrp")
APART = 5
"""Lamps between two presences, more than one lights."""
WARM_UP = 50


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--devices", type=int, default=1_000)
    parser.add_argument("--presences", type=int, default=500)
    parser.add_argument("--broker", choices=("mosquitto", "embedded"), default="mosquitto")
    options = parser.parse_args()
    if not 0 < options.messages <= MOST_MESSAGES:
        parser.error(f"--messages: at most {MOST_MESSAGES}, the publisher's client numbers what waits with 16 bits")
    mosquitto = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    if options.broker == "mosquitto" and mosquitto is None:
        print("mosquitto is not installed: measuring with the embedded broker")
        options.broker = "embedded"
    with tempfile.TemporaryDirectory(prefix="kreispuls-bench-") as folder:
        figures = measure(options, Path(folder), mosquitto)
    figures |= {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {package: version(package) for package in PACKAGES},
    }
    for name, value in figures.items():
        print(f"{name:28} {value}")
    print(json.dumps(figures))


def measure(options: argparse.Namespace, folder: Path, mosquitto: str | None) -> dict[str, object]:
    """Run broker and ingest, publish, wait until all is durable."""
    mqtt_port, metrics_port, api_port = free_port(), free_port(), free_port()
    environment = os.environ | {
        "KREISPULS_DATA_DIR": str(folder),
        "KREISPULS_MQTT_URL": f"mqtt://127.0.0.1:{mqtt_port}",
        "KREISPULS_INGEST_METRICS_PORT": str(metrics_port),
        "KREISPULS_API_PORT": str(api_port),
    }
    register(folder, options.devices + APART * (options.presences + WARM_UP))
    with running(broker_command(options.broker, folder, mqtt_port, mosquitto), environment):
        wait_for_port(mqtt_port)
        began = time.perf_counter()
        with running(kreispuls("ingest"), environment) as ingest:
            wait_until(lambda: counter(metrics_port, "kreispuls_broker_connected") == 1)
            ingest_start_s = time.perf_counter() - began
            idle_mb = memory_mb(ingest)
            seconds = publish(options, mqtt_port, metrics_port)
            busy_mb = memory_mb(ingest)
            latency = presence_latency_ms(mqtt_port, options.devices, options.presences)
            began = time.perf_counter()
            with running(kreispuls("api"), environment) as api:
                wait_until(lambda: answers(f"http://127.0.0.1:{api_port}/readyz"))
                api_start_s = time.perf_counter() - began
                api_mb = memory_mb(api)
    stored = sum(file.stat().st_size for file in folder.glob("readings.db*"))
    return {
        "benchmark": "end_to_end",
        "broker": options.broker,
        "messages": options.messages,
        "values_per_message": 5,
        "messages_per_s": round(options.messages / seconds),
        **latency,
        "ingest_start_s": round(ingest_start_s, 2),
        "api_start_s": round(api_start_s, 2),
        "ingest_memory_idle_mb": idle_mb,
        "ingest_memory_after_mb": busy_mb,
        "api_memory_mb": api_mb,
        "bytes_per_message_stored": round(stored / options.messages),
    }


def register(folder: Path, devices: int) -> None:
    """Lamps in streets of twenty, ordered; without position, so that it is dark whenever this runs."""
    state = open_state(Settings(_env_file=None, data_dir=folder).state_url)
    state.municipalities.put(Municipality(municipality="marburg", name="Marburg"))
    lamps = [
        Device(
            device_id=f"lamp-{index}", device_type="streetlight", municipality="marburg",
            street=f"street {index // 20}", attributes={"street_order": index % 20},
        )
        for index in range(devices)
    ]  # fmt: skip
    state.devices.put_many(lamps)
    state.close()


def publish(options: argparse.Namespace, mqtt_port: int, metrics_port: int) -> float:
    """Publish all messages as fast as the broker takes them; seconds from the first until all are durable."""
    payloads = [
        encode_json(
            {"presence": index % 100 == 0, "dim_level": 0.2, "active_power_w": 8.0 + index % 7,
             "active_energy_kwh": 100 + index / 1000, "voltage_v": 230.0},
            seq=index,
        )
        for index in range(options.messages)
    ]  # fmt: skip
    client = MqttClient(f"mqtt://127.0.0.1:{mqtt_port}", "bench")
    client.start()
    client.wait_connected(10)
    began = time.perf_counter()

    def publish_all() -> None:
        for index, payload in enumerate(payloads):
            client.publish(f"kreispuls/v1/marburg/streetlight/lamp-{index % options.devices}/event/up", payload)

    thread = threading.Thread(target=publish_all)
    thread.start()
    wait_until(
        lambda: counter(metrics_port, "kreispuls_readings_stored") >= options.messages, timeout_s=600, pause_s=0.1
    )
    seconds = time.perf_counter() - began
    thread.join()
    client.stop()
    return seconds


def presence_latency_ms(mqtt_port: int, first: int, presences: int) -> dict[str, float]:
    """From publishing a presence to its lamp's `set_light` back at the publisher, at most 50 a second.

    Each at a lamp that is down, from the lamp with number `first` on.
    """
    arrived: dict[str, float] = {}

    def note(message: Message) -> None:
        lamp = message.topic.split("/")[4]
        if b'"presence"' in message.payload:
            arrived.setdefault(lamp, time.perf_counter())

    client = MqttClient(
        f"mqtt://127.0.0.1:{mqtt_port}", "bench-latency", filters=["kreispuls/v1/+/+/+/command/+"], on_message=note
    )
    client.start()
    client.wait_connected(10)
    latencies: list[float] = []
    for index in range(presences + WARM_UP):
        lamp = f"lamp-{first + APART * index}"
        sent = time.perf_counter()
        client.publish(f"kreispuls/v1/marburg/streetlight/{lamp}/event/up", b'{"presence": true}')
        time.sleep(0.02)
        wait_until(lambda lamp=lamp: lamp in arrived)
        if index >= WARM_UP:
            latencies.append((arrived[lamp] - sent) * 1000)
    client.stop()
    cuts = statistics.quantiles(latencies, n=100)
    return {"presence_p50_ms": round(cuts[49], 2), "presence_p99_ms": round(cuts[98], 2)}


def broker_command(kind: str, folder: Path, port: int, mosquitto: str | None) -> list[str]:
    """How the broker is started."""
    if kind == "embedded" or mosquitto is None:
        return kreispuls("broker")
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\n"
        "max_inflight_messages 0\nmax_queued_messages 0\nset_tcp_nodelay true\n"
    )
    return [mosquitto, "-c", str(config)]


def kreispuls(*arguments: str) -> list[str]:
    """A program of the platform."""
    return [sys.executable, "-P", "-m", "cli.main", *arguments]


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[psutil.Process]:
    """A process, ended by its id."""
    process = subprocess.Popen(command, env=environment)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def memory_mb(process: psutil.Process) -> float:
    """Memory in MB of a process and its children; what they share counts once (proportional set size)."""
    family = [process, *process.children(recursive=True)]
    return round(sum(each.memory_full_info().pss for each in family) / 1e6, 1)


def counter(port: int, name: str) -> float:
    """A counter or gauge of ingest; -1 while it does not answer."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
            families = text_string_to_metric_families(answer.read().decode())
            return next((family.samples[0].value for family in families if family.name == name), -1)
    except OSError:
        return -1


def answers(url: str) -> bool:
    """Whether an address answers with success."""
    try:
        with urlopen(url, timeout=2):
            return True
    except OSError:
        return False


def wait_until(condition: object, timeout_s: float = 60, pause_s: float = 0.02) -> None:
    """Wait for a condition."""
    deadline = time.perf_counter() + timeout_s
    while not condition():  # type: ignore[operator]
        if time.perf_counter() > deadline:
            sys.exit("the benchmark waited in vain; is another ingest on these ports?")
        time.sleep(pause_s)


def wait_for_port(port: int) -> None:
    """Wait until something listens."""

    def listens() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    wait_until(listens)


def free_port() -> int:
    """A free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
