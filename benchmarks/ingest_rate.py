"""Throughput of ingest: messages per second from publisher to durable, per store, and beside it a peer's.

Real processes on loopback: Mosquitto, one ingest (rules and light control on) and one publisher share the
cores. QoS 1, persistent session, five values a message, one message in a hundred a presence. The clock runs from the
first message sent until the last one is durable and counted in the store.

With `--peer telegraf` (a `telegraf` on PATH) Telegraf's `mqtt_consumer` to `influxdb_v2` does the transport alone, with
the same load, broker and InfluxDB. Rounds are interleaved: compare ratios, not figures of different runs.
The last line of output is one JSON object.
"""

import argparse
import json
import os
import platform
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path

import httpx
from end_to_end import broker_command, counter, free_port, kreispuls, register, running, wait_for_port, wait_until
from influxd import running_influxdb
from load import Publisher, mid_of, publish_packet

from devices.base import encode_json

PACKAGES = ("paho-mqtt", "msgspec", "sqlalchemy", "influxdb-client")
COUNT = (
    'from(bucket: "{bucket}") |> range(start: -1h) |> filter(fn: (r) => r._field == "voltage_v") '
    '|> group() |> count() |> keep(columns: ["_value"])'
)
TELEGRAF = """
[agent]
  interval = "1s"
  flush_interval = "1s"
  metric_batch_size = 1000
  metric_buffer_limit = 100000
  omit_hostname = true
[[inputs.mqtt_consumer]]
  servers = ["tcp://127.0.0.1:{mqtt_port}"]
  topics = ["kreispuls/v1/+/+/+/event/up"]
  client_id = "telegraf"
  qos = 1
  persistent_session = true
  max_undelivered_messages = {undelivered}
  topic_tag = ""
  name_override = "streetlight"
  data_format = "json"
  json_string_fields = ["presence"]
  [[inputs.mqtt_consumer.topic_parsing]]
    topic = "+/+/+/+/+/+/+"
    tags = "_/_/municipality/_/device_id/_/_"
[[outputs.influxdb_v2]]
  urls = ["{url}"]
  token = "{token}"
  organization = "bench"
  bucket = "b"
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--devices", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("sqlite", "influxdb"))
    parser.add_argument("--peer", choices=("telegraf",))
    parser.add_argument("--undelivered", type=int, default=10_000, help="messages Telegraf may hold; its default: 1000")
    options = parser.parse_args()
    mosquitto = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    if mosquitto is None:
        sys.exit("mosquitto is not installed")
    load = packets(options)
    candidates = chosen(options, mosquitto, load)
    rates: dict[str, list[int]] = {name: [] for name in candidates}
    for _ in range(options.rounds):
        for name, measure in candidates.items():
            rates[name].append(round(options.messages / measure()))
            print(f"{name:12} {rates[name][-1]:7} messages/s")
    figures: dict[str, object] = {
        "benchmark": "ingest",
        "messages": options.messages,
        "values_per_message": 5,
        "devices": options.devices,
    }
    for name, found in rates.items():
        figures[f"{name}_messages_per_s"] = round(statistics.median(found))
        figures[f"{name}_runs"] = found
    if "telegraf" in rates and "influxdb" in rates:
        ratios = [ours / theirs for ours, theirs in zip(rates["influxdb"], rates["telegraf"], strict=True)]
        figures["influxdb_to_telegraf"] = round(statistics.median(ratios), 2)
    figures |= {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {package: version(package) for package in PACKAGES},
    }
    print(json.dumps(figures))


def packets(options: argparse.Namespace) -> list[bytes]:
    """The load, encoded."""
    return [
        publish_packet(
            f"kreispuls/v1/marburg/streetlight/lamp-{index % options.devices}/event/up",
            encode_json(
                {"presence": index % 100 == 0, "dim_level": 0.2, "active_power_w": 8.0 + index % 7,
                 "active_energy_kwh": 100 + index / 1000, "voltage_v": 230.0},
                seq=index,
            ),
            mid_of(index),
        )
        for index in range(options.messages)
    ]  # fmt: skip


def chosen(options: argparse.Namespace, mosquitto: str, load: list[bytes]) -> dict[str, Callable[[], float]]:
    """What can be measured here, by name."""
    found: dict[str, Callable[[], float]] = {}
    if options.only != "influxdb":
        found["sqlite"] = lambda: ingest_on_sqlite(options, mosquitto, load)
    influxd, telegraf = shutil.which("influxd"), shutil.which("telegraf")
    if options.only != "sqlite" and influxd is not None:
        found["influxdb"] = lambda: ingest_on_influxdb(options, mosquitto, influxd, load)
        if options.peer == "telegraf" and telegraf is not None:
            found["telegraf"] = lambda: telegraf_on_influxdb(options, mosquitto, influxd, telegraf, load)
    if options.only != "sqlite" and influxd is None:
        print("no influxd on PATH: only SQLite is measured")
    if options.peer is not None and "telegraf" not in found:
        print("no telegraf or no influxd on PATH: no peer is measured")
    return found


def ingest_on_sqlite(options: argparse.Namespace, mosquitto: str, load: list[bytes]) -> float:
    """Seconds of ingest with the default store."""
    with ingest(options, mosquitto, {}) as (mqtt_port, metrics_port):
        return timed(load, mqtt_port, lambda: counter(metrics_port, "kreispuls_readings_stored"))


def ingest_on_influxdb(options: argparse.Namespace, mosquitto: str, influxd: str, load: list[bytes]) -> float:
    """Seconds of ingest with InfluxDB."""
    with influxdb(influxd) as (url, token):
        changes = {
            "KREISPULS_READINGS_URL": "influxdb://", "INFLUXDB_V2_URL": url, "INFLUXDB_V2_TOKEN": token,
            "INFLUXDB_V2_ORG": "bench", "KREISPULS_INFLUXDB_BUCKET": "b",
        }  # fmt: skip
        with ingest(options, mosquitto, changes) as (mqtt_port, _):
            return timed(load, mqtt_port, lambda: points(url, token))


def telegraf_on_influxdb(
    options: argparse.Namespace, mosquitto: str, influxd: str, telegraf: str, load: list[bytes]
) -> float:
    """Seconds of Telegraf with InfluxDB."""
    mqtt_port = free_port()
    with influxdb(influxd) as (url, token), tempfile.TemporaryDirectory(prefix="kreispuls-bench-") as name:
        folder = Path(name)
        config = folder / "telegraf.conf"
        config.write_text(TELEGRAF.format(mqtt_port=mqtt_port, url=url, token=token, undelivered=options.undelivered))
        with running(broker_command("mosquitto", folder, mqtt_port, mosquitto), dict(os.environ)):
            wait_for_port(mqtt_port)
            process = subprocess.Popen([telegraf, "--config", str(config), "--quiet"])
            try:
                greet(mqtt_port, lambda: points(url, token))
                return timed(load, mqtt_port, lambda: points(url, token) - 1)
            finally:
                process.terminate()
                process.wait(30)


def greet(mqtt_port: int, stored: Callable[[], float]) -> None:
    """Send a message until one arrives: the peer is connected and subscribed then."""
    publisher = Publisher(mqtt_port, "bench-greeting")
    packet = publish_packet("kreispuls/v1/marburg/streetlight/lamp-0/event/up", b'{"voltage_v":230.0}', 1)
    retained = b"\x33" + packet[1:]  # kept for whoever subscribes later
    publisher.publish([retained])
    wait_until(lambda: stored() == 1, pause_s=0.2)
    publisher.close()


def timed(load: list[bytes], mqtt_port: int, stored: Callable[[], float]) -> float:
    """Publish all; seconds from the first until all are in the store. The store is not asked while we publish."""
    publisher = Publisher(mqtt_port, "bench-load")
    began = time.perf_counter()
    publisher.publish(load)
    wait_until(lambda: stored() >= len(load), timeout_s=600, pause_s=0.1)
    seconds = time.perf_counter() - began
    publisher.close()
    return seconds


@contextmanager
def ingest(options: argparse.Namespace, mosquitto: str, changes: dict[str, str]) -> Iterator[tuple[int, int]]:
    """Broker and a connected ingest with an empty registry's worth of lamps; ports of MQTT and metrics."""
    mqtt_port, metrics_port = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="kreispuls-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        environment = os.environ | {
            "KREISPULS_DATA_DIR": str(folder),
            "KREISPULS_MQTT_URL": f"mqtt://127.0.0.1:{mqtt_port}",
            "KREISPULS_INGEST_METRICS_PORT": str(metrics_port),
        } | changes  # fmt: skip
        register(folder, options.devices)
        stack.enter_context(running(broker_command("mosquitto", folder, mqtt_port, mosquitto), environment))
        wait_for_port(mqtt_port)
        stack.enter_context(running(kreispuls("ingest"), environment))
        wait_until(lambda: counter(metrics_port, "kreispuls_broker_connected") == 1)
        yield mqtt_port, metrics_port


@contextmanager
def influxdb(influxd: str) -> Iterator[tuple[str, str]]:
    """A fresh InfluxDB; its URL and token."""
    token = secrets.token_urlsafe()
    with (
        tempfile.TemporaryDirectory(prefix="kreispuls-bench-") as name,
        running_influxdb(influxd, Path(name), token) as url,
    ):
        yield url, token


def points(url: str, token: str) -> float:
    """How many messages the bucket holds."""
    answer = httpx.post(
        f"{url}/api/v2/query",
        params={"org": "bench"},
        headers={"Authorization": f"Token {token}", "Accept": "application/csv"},
        json={"query": COUNT.format(bucket="b"), "dialect": {"header": False, "annotations": []}},
        timeout=60,
    )
    answer.raise_for_status()
    return max((float(line.rsplit(",", 1)[1]) for line in answer.text.split()), default=0)


if __name__ == "__main__":
    main()
