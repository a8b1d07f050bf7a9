"""A real PostgreSQL in a temporary folder behind a Unix socket, or a skip that says what is missing."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from tests.patience import PATIENCE_S
from tests.required import missing

GIVEN = "KREISPULS_TEST_STATE_URL"
HOW = f"apt-get install postgresql, or set {GIVEN}=postgresql://..."
REQUIRE = "KREISPULS_REQUIRE_POSTGRESQL"


def _binary(name: str) -> str | None:
    newest_first = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return str(newest_first[0]) if newest_first else shutil.which(name)


class Postgresql:
    """A cluster of our own, made but not started; `kill` and `start` again keep its folder and its `url`."""

    def __init__(self) -> None:
        initdb, postgres = _binary("initdb"), _binary("postgres")
        if initdb is None or postgres is None:
            missing("PostgreSQL", HOW, REQUIRE)
        self._postgres = str(postgres)
        self._user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
        self._folder = Path(tempfile.mkdtemp(prefix="kreispuls-pg-"))  # pytest's folders are closed to other users
        self.url = f"postgresql://kreispuls@/postgres?host={self._folder}"
        self.process: subprocess.Popen[bytes] | None = None
        if self._user is not None:
            try:
                shutil.chown(self._folder, self._user)
            except LookupError:
                self.remove()
                missing("PostgreSQL's user postgres", HOW, REQUIRE)
        options = ["--username=kreispuls", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(
            [str(initdb), f"--pgdata={self._folder / 'data'}", *options],
            user=self._user, cwd=self._folder, check=True, capture_output=True,
        )  # fmt: skip

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = ["listen_addresses=", f"unix_socket_directories={self._folder}", "timezone=America/New_York"]
        settings += ["fsync=off"]
        options = [part for each in settings for part in ("-c", each)]
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self._postgres, "-D", str(self._folder / "data"), *options],
                user=self._user, cwd=self._folder, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                psycopg.connect(host=str(self._folder), user="kreispuls", dbname="postgres").close()
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"PostgreSQL does not start: {(self._folder / 'log').read_text()}")
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)  # fast shutdown
            self.process.wait(timeout=PATIENCE_S)
            self.process = None

    def remove(self) -> None:
        """Stop it and forget its folder."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
