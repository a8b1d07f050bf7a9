"""The application over real SQLite files, things to put into it, and a server for what needs a socket."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
import uvicorn
from fastapi.testclient import TestClient
from sqlalchemy import delete

from api.app import create_app
from api.resources import Resources
from core.alert import Alert, AlertState, Severity
from core.device import Device, DeviceStatus, Municipality
from core.quantity import Value
from core.reading import Reading
from core.settings import Settings
from planner.program import run as run_planner
from state.plan_queue import LEASE
from state.tables import metadata, revision

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
NO_BROKER = "mqtt://127.0.0.1:1"


def settings_in(folder: Path, mqtt_url: str) -> Settings:
    return Settings(
        _env_file=None,
        data_dir=folder,
        mqtt_url=mqtt_url,
        readings_url=f"sqlite:///{folder / 'readings.db'}",
        state_url=f"sqlite:///{folder / 'state.db'}",
        api_host="127.0.0.1",
        api_port=0,
        timezone="Europe/Berlin",
        log_level="warning",
    )


@pytest.fixture(scope="session")
def _opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One application for all tests that need no broker: opening one takes as long as twenty requests."""
    with TestClient(create_app(settings_in(tmp_path_factory.mktemp("api"), NO_BROKER))) as opened:
        yield opened


@pytest.fixture
def client(_opened: TestClient) -> TestClient:
    """The application with empty stores and without a broker."""
    resources = resources_of(_opened)
    with resources.state.engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            if table is not revision:
                connection.execute(delete(table))
    resources.readings.delete(before=datetime(2200, 1, 1, tzinfo=UTC))
    return _opened


@pytest.fixture
def planner(resources: Resources) -> Iterator[None]:
    """A planner beside `client` that makes what is asked for and nothing else: another has the lease."""
    assert resources.state.leases.acquire(LEASE, "another", hold=timedelta(hours=1))
    stop = threading.Event()
    program = threading.Thread(target=run_planner, args=(resources.settings, stop))
    program.start()
    yield
    stop.set()
    program.join(60)
    assert not program.is_alive()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Everything in the test's folder, and no broker."""
    return settings_in(tmp_path, NO_BROKER)


@pytest.fixture
def resources(client: TestClient) -> Resources:
    """What `client` holds open."""
    return resources_of(client)


def resources_of(client: TestClient) -> Resources:
    found = client.app.state.resources  # type: ignore[attr-defined]
    assert isinstance(found, Resources)
    return found


@pytest.fixture
def broker_client(mosquitto: Any, tmp_path: Path) -> Iterator[TestClient]:
    """The application with a real broker."""
    with TestClient(create_app(settings_in(tmp_path, mosquitto.url))) as opened:
        resources_of(opened).mqtt.wait_connected(10)
        yield opened


class Fill(Protocol):
    """Puts things into the stores of a client."""

    def device(self, device_id: str = "bin-1", device_type: str = "waste_bin", **changes: Any) -> Device: ...

    def reading(self, device_id: str, at: datetime, values: Mapping[str, Value]) -> None: ...

    def alert(self, alert_id: str, **changes: Any) -> Alert: ...

    def municipality(self, municipality: str = "marburg", **changes: Any) -> Municipality: ...


@dataclass
class _Fill:
    resources: Resources

    def municipality(self, municipality: str = "marburg", **changes: Any) -> Municipality:
        made = Municipality(municipality=municipality, name=municipality.title(), **changes)
        self.resources.state.municipalities.put(made)
        return made

    def device(self, device_id: str = "bin-1", device_type: str = "waste_bin", **changes: Any) -> Device:
        device = Device(
            **{
                "device_id": device_id,
                "device_type": device_type,
                "municipality": "marburg",
                "name": f"Place {device_id}",
                "latitude": 50.81,
                "longitude": 8.77,
                "street": "Marktplatz",
                "status": DeviceStatus.ACTIVE,
                **changes,
            }
        )
        self.resources.state.municipalities.ensure(device.municipality)
        return self.resources.state.devices.add(device)

    def reading(self, device_id: str, at: datetime, values: Mapping[str, Value]) -> None:
        device = self.resources.state.devices.get(device_id)
        reading = Reading(device_id, device.device_type, device.municipality, at, at, values)
        self.resources.readings.write([reading])

    def alert(self, alert_id: str, **changes: Any) -> Alert:
        alert = Alert(
            **{
                "alert_id": alert_id,
                "rule": "bin_full",
                "device_id": "bin-1",
                "device_type": "waste_bin",
                "municipality": "marburg",
                "severity": Severity.WARNING,
                "state": AlertState.FIRING,
                "summary": "Marktplatz is 92% full",
                "value": 0.92,
                "started_at": NOON,
                "fired_at": NOON,
                **changes,
            }
        )
        self.resources.state.alerts.save([alert])
        return alert


@pytest.fixture
def fill(resources: Resources) -> Fill:
    """Puts things into the stores of `client`."""
    return _Fill(resources)


@pytest.fixture
def fill_broker_client(broker_client: TestClient) -> Fill:
    """Puts things into the stores of `broker_client`."""
    return _Fill(resources_of(broker_client))


@dataclass
class Served:
    """A real server with the application."""

    url: str
    resources: Resources


@contextmanager
def serving(settings: Settings) -> Iterator[Served]:
    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="on", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < deadline
        assert thread.is_alive()
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    try:
        yield Served(f"http://{host}:{port}", app.state.resources)
    finally:
        server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def served(mosquitto: Any, tmp_path: Path) -> Iterator[Served]:
    """The application behind a socket, with a real broker."""
    with serving(settings_in(tmp_path, mosquitto.url)) as opened:
        opened.resources.mqtt.wait_connected(10)
        yield opened


@pytest.fixture(scope="module")
def served_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The application behind a socket without a broker, the same for all tests of a file."""
    with serving(settings_in(tmp_path_factory.mktemp("served"), NO_BROKER)) as opened:
        yield opened


@pytest.fixture(scope="module")
def fill_served_alone(served_alone: Served) -> Fill:
    """Puts things into the stores of `served_alone`."""
    return _Fill(served_alone.resources)


@pytest.fixture
def fill_served(served: Served) -> Fill:
    """Puts things into the stores of `served`."""
    return _Fill(served.resources)
