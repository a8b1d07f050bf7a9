"""Kreispuls as real processes that need not load it first: each is forked from a process that has done only that.

A fresh interpreter works for more than a second before ingest begins; with dozens of starts tests would wait for little
else. It also is killed more often in its work this way than in its imports.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import psutil

from core.settings import Settings, environment_name
from tests.patience import PATIENCE_S, wait_until

_processes: Final = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    # pytest: it is the main module when tests run without workers, and that is loaded too
    [__name__, "pytest", "cli.main", "cli.programs", "ingest.program", "ingest.keeping.process"]
)


class Program:
    """`kreispuls` with these arguments and exactly this environment, as a `subprocess.Popen`; it runs from now on."""

    def __init__(self, *arguments: str, environment: Mapping[str, str]) -> None:
        self._process = _processes.Process(target=_run, args=(arguments, dict(environment)))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Its exit status, negative if a signal ended it; None: it runs."""
        return self._process.exitcode

    def wait(self, timeout: float = PATIENCE_S) -> int:
        """Wait for its end; its exit status."""
        self._process.join(timeout)
        status = self._process.exitcode
        assert status is not None, f"kreispuls has not ended within {timeout:g} s"
        return status

    def send_signal(self, number: signal.Signals) -> None:
        """To one that has ended, nothing."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, and not what it has started."""
        self.send_signal(signal.SIGKILL)


Running = Program | subprocess.Popen[bytes]


def environment_of(settings: Settings) -> dict[str, str]:
    """Ours, with what differs from the defaults of the settings."""
    changed = settings.model_dump(include=settings.model_fields_set)
    chosen = {environment_name(name): str(value) for name, value in changed.items()}
    return os.environ | chosen | {"INFLUXDB_V2_TOKEN": settings.influxdb_token.get_secret_value()}


def metric_of(settings: Settings, name: str) -> float:
    """A metric of the ingest that runs with these settings.

    Raises:
        OSError: it does not serve them yet.
    """
    url = f"http://127.0.0.1:{settings.ingest_metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        text = answer.read().decode()
    values = [float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} ")]
    assert values, f"no {name} in {text}"
    return values[0]


def kill(process: Running) -> None:
    """Kill ingest; returns when its second process is gone too."""
    children: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.kill()
    process.wait(PATIENCE_S)
    wait_until(lambda: not any(map(_runs, children)), "the second process of ingest ends with the first")


def _runs(process: psutil.Process) -> bool:
    """Whether it has not ended, even if nobody has asked for its status yet."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _run(arguments: tuple[str, ...], environment: dict[str, str]) -> None:
    from cli.main import main  # noqa: PLC0415 - here the environment is not yet its own

    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["kreispuls", *arguments]
    main()
