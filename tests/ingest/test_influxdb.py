"""Ingest with InfluxDB: readings go there, and so does what Grafana's Operations dashboard asks for."""

import json
import urllib.request
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

Wait = Callable[..., Any]


@pytest.fixture
def influx_settings(influxdb_server: Any) -> dict[str, object]:
    return {
        "readings_url": "influxdb://",
        "influxdb_url": influxdb_server.url,
        "influxdb_token": influxdb_server.token,
        "influxdb_org": influxdb_server.org,
        "influxdb_bucket": f"ingest-{uuid4().hex[:8]}",
    }


def test_readings_reports_and_devices_are_written(
    influx_settings: dict[str, object], influxdb_server: Any, make_platform: Callable[..., Any], wait_until: Wait
) -> None:
    with make_platform(**influx_settings) as platform:
        platform.say("marburg/waste_bin/b1/event/up", b'{"filling_level": 0.4}')
        wait_until(
            lambda: [item.value for item in platform.readings.latest(device_ids=["b1"])] == [0.4],
            "the reading is there",
        )

        def measurements() -> set[str]:
            flux = f"""from(bucket: "{influx_settings["influxdb_bucket"]}") |> range(start: -1h)
                |> keep(columns: ["_measurement"]) |> group(columns: ["_measurement"]) |> limit(n: 1)"""
            request = urllib.request.Request(
                f"{influxdb_server.url}/api/v2/query?org={influxdb_server.org}",
                json.dumps({"query": flux}).encode(),
                {"Authorization": f"Token {influxdb_server.token}", "Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=10) as answer:
                return {row.split(",")[-1].strip() for row in answer.read().decode().splitlines()[1:] if row.strip()}

        wait_until(
            lambda: {"waste_bin", "ingest", "device"} <= measurements(), "report and devices are written", timeout_s=30
        )
