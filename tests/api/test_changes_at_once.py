"""Two who change different things of the same at the same time: both changes stay, on SQLite and PostgreSQL."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from core.settings import Settings

PAIRS = 40
NO_BROKER = "mqtt://127.0.0.1:1"


@pytest.fixture
def client(state_url: str, tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path,
        mqtt_url=NO_BROKER,
        readings_url=f"sqlite:///{tmp_path / 'readings.db'}",
        state_url=state_url,
        notify_schemes="json,jsons",
    )
    with TestClient(create_app(settings)) as opened:
        yield opened


def at_once(send: Callable[..., httpx.Response], address: str, *bodies: dict[str, Any]) -> None:
    start = threading.Barrier(len(bodies))

    def run(body: dict[str, Any]) -> httpx.Response:
        start.wait(30)
        return send(address, json=body)

    with ThreadPoolExecutor(len(bodies)) as threads:
        for answer in threads.map(run, bodies):
            assert answer.is_success, answer.text


def test_of_a_device(client: TestClient) -> None:
    lamp = {"device_id": "lamp-1", "device_type": "streetlight", "municipality": "marburg"}
    assert client.post("/v1/devices", json=lamp).is_success
    address = "/v1/devices/lamp-1"
    for pair in range(PAIRS):
        name, street = f"name {pair}", f"street {pair}"
        changes = ({"name": name, "attributes": {"pole": name}}, {"street": street, "attributes": {"way": street}})
        at_once(client.patch, address, *changes)
        shown = client.get(address).json()
        assert (shown["name"], shown["street"]) == (name, street)
        assert shown["attributes"] == {"pole": name, "way": street}


def test_of_a_municipality(client: TestClient) -> None:
    lamp = {"device_id": "lamp-1", "device_type": "streetlight", "municipality": "marburg"}
    assert client.post("/v1/devices", json=lamp).is_success
    address = "/v1/municipalities/marburg"
    for pair in range(PAIRS):
        hour, level = pair % 24, (pair + 1) / 100
        at_once(client.patch, address, {"planning_hour": hour}, {"filling_threshold": level})
        shown = client.get(address).json()
        assert (shown["planning_hour"], shown["filling_threshold"]) == (hour, level)


def test_of_a_subscription(client: TestClient) -> None:
    """One who gives no target keeps the one that another gives meanwhile."""
    address = "/v1/notifications/subscriptions"
    made = client.post(address, json={"name": "n", "target": "json://old.example"})
    assert made.is_success, made.text
    address += f"/{made.json()['subscription_id']}"
    for pair in range(PAIRS):
        service = ("json", "jsons")[pair % 2]
        at_once(client.put, address, {"name": "a", "target": f"{service}://new.example"}, {"name": "b"})
        assert client.get(address).json()["service"] == service
