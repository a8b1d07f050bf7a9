"""Fixtures that several areas use: real servers on free loopback ports, stopped by their process id."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def missing_server(what: str, how: str, require: str) -> None:
    """Skip, saying what to install; where `require` is set in the environment, fail."""
    if os.environ.get(require):
        pytest.fail(f"{what} is required here ({require}) and missing: {how}")
    pytest.skip(f"{what} is missing: {how}")


def _user() -> str:
    """Mosquitto started by root changes to another user, who may not write the test's folder."""
    return pwd.getpwuid(os.geteuid()).pw_name


@dataclass
class Mosquitto:
    """A real broker with persistence; `kill` and `start` again keep port and sessions."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nuser {_user()}\nallow_anonymous true\n"
            "max_inflight_messages 0\nmax_queued_messages 0\n"
            f"persistence true\npersistence_location {self.folder}/\nautosave_interval 1\nautosave_on_changes true\n"
        )
        assert MOSQUITTO is not None
        log = (self.folder / "mosquitto.log").open("ab")
        self.process = subprocess.Popen([MOSQUITTO, "-c", str(config)], stdout=log, stderr=log)
        log.close()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert self.process.poll() is None, (self.folder / "mosquitto.log").read_text()
                time.sleep(0.01)
            else:
                return
        raise AssertionError("mosquitto did not start within 10 s")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)


def wait_until(condition: Callable[[], T], what: str, timeout_s: float = 15.0) -> T:
    """Wait for a condition to become true, and give its value; fails after a deadline, saying what did not happen."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"within {timeout_s:g} s this did not happen: {what} (last seen: {value!r})")
        time.sleep(0.01)


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[..., object]:
    return wait_until


@pytest.fixture
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A fresh Mosquitto on a free port."""
    if MOSQUITTO is None:
        missing_server("mosquitto", "apt-get install mosquitto", "KREISPULS_REQUIRE_MOSQUITTO")
    folder = tmp_path_factory.mktemp("mosquitto")
    folder.chmod(0o777)
    broker = Mosquitto(folder)
    broker.start()
    yield broker
    broker.stop()
