"""Fixtures that several areas use: real servers on free loopback ports, stopped by their process id."""

import json
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from sqlalchemy import make_url

from state.state import State, open_state
from tests.patience import PATIENCE_S, wait_until
from tests.postgresql import GIVEN, Postgresql
from tests.required import missing

settings.register_profile("untimed", deadline=None)  # speed is measured in benchmarks/, no test fails by the clock
settings.load_profile("untimed")
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
_CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"
"""MQTT 3.1.1: a clean session without a name."""


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _user() -> str:
    """Mosquitto started by root changes to another user, who may not write the test's folder."""
    return pwd.getpwuid(os.geteuid()).pw_name


@dataclass
class Mosquitto:
    """A real broker with persistence; `kill` and `start` again keep port and sessions."""

    folder: Path
    port: int = field(default_factory=a_free_port)
    autosave_changes: int = 1
    """It writes its database after so many changes: with thousands of messages waiting, 1 makes it slow."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nuser {_user()}\nallow_anonymous true\n"
            "max_inflight_messages 0\nmax_queued_messages 0\n"
            f"persistence true\npersistence_location {self.folder}/\n"
            f"autosave_interval {self.autosave_changes}\nautosave_on_changes true\n"
        )
        assert MOSQUITTO is not None
        log = (self.folder / "mosquitto.log").open("ab")
        self.process = subprocess.Popen([MOSQUITTO, "-c", str(config)], stdout=log, stderr=log)
        log.close()
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if self._answers():
                return
            assert self.process.poll() is None, (self.folder / "mosquitto.log").read_text()
            time.sleep(0.01)
        raise AssertionError(f"mosquitto did not start within {PATIENCE_S:g} s")

    def _answers(self) -> bool:
        """Whether it answers a client: one that only listens forgets a SIGTERM, its loop is not yet begun."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as client:
                client.sendall(_CONNECT)
                return bool(client.recv(4))
        except OSError:
            return False

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE_S)


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[..., object]:
    return wait_until


@pytest.fixture
def free_port() -> int:
    """A loopback port on which nothing listens."""
    return a_free_port()


@pytest.fixture
def autosave_changes() -> int:
    """After how many changes Mosquitto writes its database."""
    return 1


@pytest.fixture
def mosquitto(tmp_path_factory: pytest.TempPathFactory, autosave_changes: int) -> Iterator[Mosquitto]:
    """A fresh Mosquitto on a free port."""
    if MOSQUITTO is None:
        missing("mosquitto", "apt-get install mosquitto", "KREISPULS_REQUIRE_MOSQUITTO")
    folder = tmp_path_factory.mktemp("mosquitto")
    folder.chmod(0o777)
    broker = Mosquitto(folder, autosave_changes=autosave_changes)
    broker.start()
    yield broker
    broker.stop()


@dataclass(frozen=True)
class InfluxdbServer:
    """An InfluxDB 2 with a token that may do everything in the organisation."""

    url: str
    token: str
    org: str


class Influxd:
    """A real InfluxDB on a free port, set up afresh; `kill` and `start` again keep port and folder."""

    def __init__(self, folder: Path) -> None:
        influxd = shutil.which("influxd")
        if influxd is None:
            missing("InfluxDB 2", "install influxd 2.7 or newer, or set INFLUXDB_V2_URL", "KREISPULS_REQUIRE_INFLUXDB")
        self._log = folder / "influxd.log"
        self.server = InfluxdbServer(f"http://127.0.0.1:{a_free_port()}", secrets.token_urlsafe(), "test")
        address = self.server.url.removeprefix("http://")
        self._command = [str(influxd), "--http-bind-address", address, "--reporting-disabled"]
        self._command += ["--bolt-path", str(folder / "influxd.bolt"), "--engine-path", str(folder / "engine")]
        self._command += ["--sqlite-path", str(folder / "influxd.sqlite"), "--ui-disabled", "--no-tasks"]
        self._command += ["--log-level", "error"]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers; the first time also make the organisation."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        _set_up_influxdb(self.server, self.process, self._log)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE_S)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE_S)


@pytest.fixture(scope="session")
def influxdb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxdbServer]:
    """The InfluxDB 2 of INFLUXDB_V2_URL (and _TOKEN, _ORG), or an `influxd` of PATH on a free port, set up afresh."""
    if url := os.environ.get("INFLUXDB_V2_URL"):
        yield InfluxdbServer(
            url, os.environ.get("INFLUXDB_V2_TOKEN", ""), os.environ.get("INFLUXDB_V2_ORG", "kreispuls")
        )
        return
    influxd = Influxd(tmp_path_factory.mktemp("influxdb"))
    try:
        influxd.start()
        yield influxd.server
    finally:
        influxd.stop()


@pytest.fixture
def own_influxd(tmp_path: Path) -> Iterator[Influxd]:
    """An `influxd` of PATH for one test that kills it."""
    folder = tmp_path / "influxd"
    folder.mkdir()
    influxd = Influxd(folder)
    try:
        influxd.start()
        yield influxd
    finally:
        influxd.stop()


def _set_up_influxdb(server: InfluxdbServer, process: subprocess.Popen[bytes], log: Path) -> None:
    setup = {"username": "test", "password": secrets.token_urlsafe(), "org": server.org, "bucket": "unused"}
    body = json.dumps({**setup, "token": server.token}).encode()
    deadline = time.monotonic() + PATIENCE_S
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, f"influxd did not start within {PATIENCE_S:g} s"
        try:
            urllib.request.urlopen(f"{server.url}/api/v2/setup", body, timeout=10).close()
        except urllib.error.HTTPError as error:
            if error.code == 422:  # set up already, before it was killed
                return
            if error.code not in {404, 503}:  # its door opens before it can answer
                raise
        except OSError:
            pass
        else:
            return
        time.sleep(0.05)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """URL of a PostgreSQL: the one given, or a cluster of our own."""
    if given := os.environ.get(GIVEN):
        yield given
        return
    server = Postgresql()
    try:
        server.start()
        yield server.url
    finally:
        server.remove()


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """A fresh schema."""
    schema = f"test_{uuid.uuid4().hex}"
    server = make_url(postgresql_server)
    libpq_url = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(libpq_url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        yield server.update_query_dict({"options": f"-csearch_path={schema}"}).render_as_string(hide_password=False)
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'new folder' / 'state.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest) -> str:
    """URL of an empty database."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def state(state_url: str) -> Iterator[State]:
    opened = open_state(state_url)
    yield opened
    opened.close()
