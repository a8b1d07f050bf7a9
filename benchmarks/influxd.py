"""An InfluxDB server for a measurement."""

import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx


@contextmanager
def running_influxdb(influxd: str, folder: Path, token: str) -> Iterator[str]:
    """A fresh server on a free port; gives its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [influxd, "--http-bind-address", address, "--bolt-path", str(folder / "bolt"), "--reporting-disabled"]
    command += ["--engine-path", str(folder / "engine"), "--sqlite-path", str(folder / "sqlite"), "--ui-disabled"]
    command += ["--log-level", "error", "--no-tasks", "--storage-cache-snapshot-write-cold-duration", "2s"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        setup = {
            "username": "bench",
            "password": secrets.token_urlsafe(),
            "org": "bench",
            "bucket": "b",
            "token": token,
        }
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.post(f"http://{address}/api/v2/setup", json=setup).raise_for_status()
                break
            except httpx.HTTPError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise
                time.sleep(0.05)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(60)


def wait_for_empty_log(wal: Path) -> None:
    """What has not been written to for 2 s leaves the log for compressed files."""
    deadline = time.monotonic() + 60
    while any(file.stat().st_size for file in wal.rglob("*.wal")):
        if time.monotonic() > deadline:
            raise TimeoutError("InfluxDB did not write its log out within 60 s")
        time.sleep(0.2)
