"""What a subscriber with QoS 1 costs: messages per second through Mosquitto, by client library.

Each candidate subscribes, does nothing with the messages and acknowledges them 500 at a time, as ingest does after a
batch: plain paho-mqtt, `mqtt.client` (paho with lean reading and writing) and, if installed, gmqtt: it acknowledges a
message when the coroutine that got it ends. Candidates run in turn against the same load; broker and publisher share
the cores. The last line of output is one JSON object.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from end_to_end import broker_command, free_port, running, wait_for_port
from load import Publisher, mid_of, publish_packet
from paho.mqtt.enums import CallbackAPIVersion

from mqtt.client import Message, MqttClient

TOPIC = "kreispuls/v1/marburg/streetlight/lamp-{}/event/up"
FILTER = "kreispuls/v1/+/+/+/event/up"
PAYLOAD = b'{"dim_level":0.2,"active_power_w":8.0,"active_energy_kwh":100.5,"voltage_v":230.0,"temperature_c":4.5}'
AT_ONCE = 500


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    mosquitto = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    if mosquitto is None:
        sys.exit("mosquitto is not installed")
    candidates: dict[str, Callable[[int, int, Connection], None]] = {"paho": with_paho, "mqtt.client": with_ours}
    if find_spec("gmqtt") is None:
        print("gmqtt is not installed: it is not measured")
    else:
        candidates["gmqtt"] = with_gmqtt
    load = [publish_packet(TOPIC.format(index % 1000), PAYLOAD, mid_of(index)) for index in range(options.messages)]
    rates: dict[str, list[int]] = {name: [] for name in candidates}
    for _ in range(options.rounds):
        for name, candidate in candidates.items():
            rates[name].append(round(options.messages / measure(candidate, mosquitto, load)))
            print(f"{name:10} {rates[name][-1]:7} messages/s")
    figures = {
        "benchmark": "mqtt_clients",
        "messages": options.messages,
        **{f"{name}_messages_per_s": round(statistics.median(found)) for name, found in rates.items()},
        "runs": rates,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version_of(name) for name in ("paho-mqtt", "gmqtt")},
    }
    print(json.dumps(figures))


def version_of(package: str) -> str | None:
    """The installed version, if any."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def measure(candidate: Callable[[int, int, Connection], None], mosquitto: str, load: list[bytes]) -> float:
    """Seconds from the first message sent until the candidate has acknowledged the last one."""
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="kreispuls-bench-") as name,
        running(broker_command("mosquitto", Path(name), port, mosquitto), dict(os.environ)),
    ):
        wait_for_port(port)
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=candidate, args=(port, len(load), theirs))
        process.start()
        ours.recv()
        publisher = Publisher(port, "bench-load")
        began = time.perf_counter()
        publisher.publish(load)
        seconds = float(ours.recv()) - began  # the clock is the same in all processes
        publisher.close()
        process.join()
    return seconds


def with_paho(port: int, count: int, pipe: Connection) -> None:
    """The library as it is."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="bench", clean_session=False, manual_ack=True)
    waiting: list[paho.MQTTMessage] = []
    seen = 0

    def received(_client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        nonlocal seen
        seen += 1
        waiting.append(message)
        if len(waiting) == AT_ONCE or seen == count:
            for each in waiting:
                client.ack(each.mid, each.qos)
            waiting.clear()
        if seen == count:
            pipe.send(time.perf_counter())

    client.on_message = received
    client.on_subscribe = lambda *_: pipe.send("subscribed")

    def connected(*_: object) -> None:
        client.subscribe(FILTER, 1)

    client.on_connect = connected
    client.connect("127.0.0.1", port)
    client.loop_start()
    while seen < count:
        time.sleep(0.1)
    client.disconnect()
    client.loop_stop()


def with_ours(port: int, count: int, pipe: Connection) -> None:
    """The platform's client."""
    waiting: list[tuple[int, int]] = []
    seen = 0

    def received(message: Message) -> None:
        nonlocal seen
        seen += 1
        waiting.append((message.connection, message.mid))
        if len(waiting) == AT_ONCE or seen == count:
            client.acknowledge_all(waiting)
            waiting.clear()
        if seen == count:
            pipe.send(time.perf_counter())

    client = MqttClient(f"mqtt://127.0.0.1:{port}", "bench", on_message=received, persistent=True, manual_ack=True)
    client.start()
    client.wait_connected(10)
    client.subscribe([FILTER])
    pipe.send("subscribed")
    while seen < count:
        time.sleep(0.1)
    client.stop()


def with_gmqtt(port: int, count: int, pipe: Connection) -> None:
    """The library of asyncio."""
    import gmqtt  # noqa: PLC0415 - only where it is installed

    async def subscribe() -> None:
        client = gmqtt.Client("bench", clean_session=False, optimistic_acknowledgement=False)
        batch = asyncio.get_running_loop().create_future()
        finished = asyncio.Event()
        seen = 0

        async def received(*_: Any) -> int:
            nonlocal seen, batch
            seen += 1
            mine = batch
            if seen % AT_ONCE == 0 or seen == count:
                mine.set_result(None)
                batch = asyncio.get_running_loop().create_future()
            else:
                await mine
            if seen == count:
                finished.set()
            return 0

        client.on_message = received
        client.on_subscribe = lambda *_: pipe.send("subscribed")
        await client.connect("127.0.0.1", port, version=gmqtt.constants.MQTTv311)
        client.subscribe(FILTER, qos=1)
        await finished.wait()
        pipe.send(time.perf_counter())
        await asyncio.sleep(1)  # the last batch is being acknowledged
        await client.disconnect()

    asyncio.run(subscribe())


if __name__ == "__main__":
    main()
