"""Overriding one large group of lamps: from the request's begin until the broker has taken every command.

    .venv/bin/python benchmarks/group_override.py [--lamps 5000] [--rounds 5]

A Mosquitto of its own and a state database in SQLite; the parts of `POST /v1/light-groups/{id}/override` are timed
one by one, without HTTP. The last line of output is one JSON object.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from end_to_end import broker_command, free_port, running, wait_for_port

from actions.lights.override_group import plan_group_override, send_group_override
from core.clock import utc_now
from core.device import Device, Municipality
from core.lighting import LightGroup
from core.settings import Settings
from core.topics import Topics
from mqtt.client import MqttClient
from state.state import open_state


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lamps", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    mosquitto = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    if mosquitto is None:
        sys.exit("mosquitto is not installed")
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        settings = Settings(_env_file=None, data_dir=Path(folder), mqtt_url=f"mqtt://127.0.0.1:{port}")
        with running(broker_command("mosquitto", Path(folder), port, mosquitto), dict(os.environ)):
            wait_for_port(port)
            figures = measure(settings, options.lamps, options.rounds)
    figures |= {"lamps": options.lamps, "python": platform.python_version(), "cores": os.cpu_count()}
    for name, value in figures.items():
        print(f"{name:24} {value}")
    print(json.dumps(figures))


def measure(settings: Settings, lamps: int, rounds: int) -> dict[str, object]:
    """Seconds to plan, and to keep and send, at the median."""
    state = open_state(settings.state_url)
    state.municipalities.put(Municipality(municipality="marburg", name="Marburg"))
    state.devices.put_many(
        [
            Device(
                device_id=f"lamp-{number}",
                device_type="streetlight",
                municipality="marburg",
                latitude=50.8,
                longitude=8.77,
                attributes={"circuit": "K 1"},
            )
            for number in range(lamps)
        ]
    )
    state.lighting.add_group(LightGroup(light_group_id="all", municipality="marburg", name="All", circuit="K 1"))
    client = MqttClient(settings.mqtt_url, "bench-override")
    client.start()
    client.wait_connected(10)
    plan_s, send_s = [], []
    for _ in range(rounds):
        now = utc_now()
        began = time.perf_counter()
        planned = plan_group_override(state, settings, "all", dim_level=1.0, duration_s=600, now=now)
        plan_s.append(time.perf_counter() - began)
        began = time.perf_counter()
        topics = Topics(settings.mqtt_topic_root)
        sent = send_group_override(
            client, topics, state, planned, fade_s=1, good_for_s=settings.command_expires_s, now=now
        )
        send_s.append(time.perf_counter() - began)
        assert len(sent) == lamps
    client.stop()
    state.close()
    return {
        "plan_s": round(statistics.median(plan_s), 2),
        "keep_and_send_s": round(statistics.median(send_s), 2),
        "worst_s": round(max(map(sum, zip(plan_s, send_s, strict=True))), 2),
    }


if __name__ == "__main__":
    main()
