"""A bucket of a real InfluxDB, filled as the platform would fill it."""

import csv
import io
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from actions.lights.energy_report import show_energy
from core.reading import Reading
from core.settings import Settings
from readings.influx.operations import IngestReport, device_lines, ingest_lines
from readings.influx.store import InfluxReadings
from simulators.fleet import Fleet, build_fleet
from simulators.history import write_history
from simulators.region import load_region
from state.state import State, open_state

WINDOW = "1m0s"
"""A day on a wide panel, as Grafana's server prints it."""
LETTERS = {"h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class Table:
    """One result of a query: columns in the group key, the other columns, rows by column."""

    group: set[str]
    data: list[str]
    rows: list[dict[str, str]]


@dataclass
class Filled:
    """The bucket, the fleet that is in it, and how to ask it as Grafana does."""

    client: httpx.Client
    org: str
    bucket: str
    store: InfluxReadings
    fleet: Fleet
    end: datetime
    state: State
    faulty: str = ""
    full: str = ""
    variables: dict[str, str] = field(default_factory=lambda: {"municipality": ".*", "device": ".*"})

    def ask(self, query: str, start: str = "now-24h", **variables: str) -> list[Table]:
        """The results of a query, its variables replaced as Grafana's front end and server do it."""
        span = timedelta(**{LETTERS[start[-1]]: int(start.removeprefix("now-")[:-1])})
        replaced = {
            "v.timeRangeStart": (self.end - span).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "v.timeRangeStop": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "v.windowPeriod": WINDOW,
            "v.defaultBucket": f'"{self.bucket}"',
            **{f"${{{name}:regex}}": value for name, value in (self.variables | variables).items()},
        }
        for name, value in replaced.items():
            query = query.replace(name, value)
        answer = self.client.post(
            "/api/v2/query",
            params={"org": self.org},
            json={"query": query, "dialect": {"annotations": ["group"], "header": True}},
            headers={"Accept": "application/csv"},
        )
        assert answer.status_code == 200, f"{answer.text}\n{query}"
        return list(_tables(answer.text))

    def rows(self, query: str, **variables: str) -> list[dict[str, str]]:
        return [row for table in self.ask(query, **variables) for row in table.rows]

    def write_lines(self, lines: list[str]) -> None:
        where = {"org": self.org, "bucket": self.bucket, "precision": "us"}
        self.client.post("/api/v2/write", params=where, content="\n".join(lines).encode()).raise_for_status()


def _tables(text: str) -> Iterator[Table]:
    # https://docs.influxdata.com/influxdb/v2/reference/syntax/annotated-csv/ : blocks, each with its own header.
    for block in text.replace("\r\n", "\n").split("\n\n"):
        lines = list(csv.reader(io.StringIO(block.strip("\n"))))
        if len(lines) < 3:
            continue
        groups, header, *rows = (line[3:] for line in lines)  # annotation, result, table
        yield Table(
            {name for name, grouped in zip(header, groups, strict=True) if grouped == "true"},
            [name for name, grouped in zip(header, groups, strict=True) if grouped == "false"],
            [dict(zip(header, row, strict=True)) for row in rows],
        )


@pytest.fixture(scope="session")
def filled(influxdb_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """One day of a small fleet up to now, one lamp with a fault, one full bin, an hour of ingest's own state."""
    end = datetime.now(UTC)
    fleet = build_fleet(load_region("marburg-biedenkopf"), lamps=30, bins=12, seed=3)
    bucket = f"grafana-{uuid.uuid4().hex[:8]}"
    store = InfluxReadings(url=influxdb_server.url, token=influxdb_server.token, org=influxdb_server.org, bucket=bucket)
    write_history(fleet, store, start=end - timedelta(days=1), end=end, progress=lambda _: None)
    faulty, full = next(iter(fleet.lamps)), next(iter(fleet.bins))
    ours = {device.device_id: device for device in fleet.devices}
    state = open_state(f"sqlite:///{tmp_path_factory.mktemp('grafana') / 'state.db'}")
    state.devices.put_many(fleet.devices)
    show_energy(state, store, Settings(_env_file=None), end)
    store.write(
        [
            Reading(faulty, "streetlight", ours[faulty].municipality, end, end, {"faults": "lamp_failure"}),
            Reading(full, "waste_bin", ours[full].municipality, end, end, {"filling_level": 0.97}),
        ]
    )
    with httpx.Client(
        base_url=influxdb_server.url, headers={"Authorization": f"Token {influxdb_server.token}"}, timeout=30
    ) as client:
        bucket_with_readings = Filled(client, influxdb_server.org, bucket, store, fleet, end, state, faulty, full)
        bucket_with_readings.write_lines(device_lines(fleet.devices, fleet.municipalities, end))
        bucket_with_readings.write_lines(
            ingest_lines(
                IngestReport(
                    session="ingest-1",
                    at=end - timedelta(seconds=10 * ago),
                    received=100_000 - 120 * ago,
                    stored=90_000 - 110 * ago,
                    rejected=1_000 - ago,
                    lag_s=0.25,
                    batch_readings=40,
                    connected_devices=42,
                )
                for ago in range(360)
            )
        )
        yield bucket_with_readings
    state.close()
    store.close()
