"""A fresh state database per test, on SQLite and on PostgreSQL; the server is given, or started here."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from storage.state import State, open_state

GIVEN = "KREISPULS_TEST_STATE_URL"
NO_SERVER = f"no PostgreSQL: install it (Debian: apt-get install postgresql) or set {GIVEN}=postgresql://..."
REQUIRED = "KREISPULS_REQUIRE_POSTGRESQL"
START_S = 60


def _missing(what: str) -> None:
    if os.environ.get(REQUIRED):
        pytest.fail(f"required here ({REQUIRED}): {what}")
    pytest.skip(what)


def _binary(name: str) -> str | None:
    newest_first = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return str(newest_first[0]) if newest_first else shutil.which(name)


def _user() -> str | None:
    """PostgreSQL refuses to run as root."""
    return "postgres" if os.geteuid() == 0 else None


def _wait_until_up(server: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            psycopg.connect(host=str(folder), user="kreispuls", dbname="postgres").close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"PostgreSQL does not start: {(folder / 'log').read_text()}")
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """URL of a PostgreSQL: the one given, or a cluster of our own in a temporary folder behind a Unix socket."""
    if given := os.environ.get(GIVEN):
        yield given
        return
    initdb, postgres = _binary("initdb"), _binary("postgres")
    if initdb is None or postgres is None:
        _missing(NO_SERVER)
        return
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="kreispuls-pg-"))  # not pytest's: its folders are closed to other users
    try:
        if user is not None:
            try:
                shutil.chown(folder, user)
            except LookupError:
                _missing(f"{NO_SERVER}; as root it needs the user postgres")
        options = ["--username=kreispuls", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(
            [initdb, f"--pgdata={folder / 'data'}", *options], user=user, cwd=folder, check=True, capture_output=True
        )
        settings = ["listen_addresses=", f"unix_socket_directories={folder}", "fsync=off", "timezone=America/New_York"]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [postgres, "-D", str(folder / "data"), *(part for each in settings for part in ("-c", each))],
                user=user,
                cwd=folder,
                stdout=log,
                stderr=log,
            )
        try:
            _wait_until_up(server, folder)
            yield f"postgresql://kreispuls@/postgres?host={folder}"
        finally:
            server.send_signal(signal.SIGINT)  # fast shutdown
            server.wait(timeout=START_S)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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


@pytest.fixture
def unused_port() -> int:
    """A port on the loopback where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
