"""The disk of the spool, or of spool and store, is full: what ingest acknowledged is stored exactly once afterwards."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.program import kill

Wait = Callable[..., Any]
MESSAGES = 3000
ALL = list(range(MESSAGES))


@pytest.fixture
def small_disk(tmp_path: Path, wait_until: Wait) -> Iterator[Path]:
    """A file system of 1 MiB in memory."""
    if os.geteuid() != 0:
        pytest.skip("a small file system is missing: mounting one needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small file system is missing: {mounted.stderr.strip()}")
    yield folder
    # A killed ingest takes its second process with it, which has files open a moment longer.
    wait_until(lambda: subprocess.run(["umount", str(folder)], check=False).returncode == 0, "it is unmounted")


def fill(folder: Path, leave_bytes: int) -> Path:
    """Fill a disk but for so many bytes."""
    ballast = folder / "ballast"
    free = os.statvfs(folder)
    ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - leave_bytes))
    return ballast


FITTING = 50
"""So many fit into the 64 KiB that are left, whatever the batches; all do not."""


def test_a_full_spool_disk_stops_acknowledging_and_nothing_is_missing(
    site: Any, small_disk: Path, wait_until: Wait
) -> None:
    site.settings.data_dir.joinpath("spool").symlink_to(small_disk)
    fill(small_disk, 64 * 1024)
    with site.ingest() as process:
        locked = site.lock()
        site.publish(range(FITTING)).finish()
        site.wait_acknowledged(FITTING)
        site.publish(range(FITTING, MESSAGES)).finish()
        failures = site.metric("kreispuls_store_failures_total")
        wait_until(lambda: site.metric("kreispuls_store_failures_total") > failures + 4, "it is tried again and again")
        kill(process)
        locked.close()
    assert 0 < site.unacknowledged() <= MESSAGES - FITTING
    with site.ingest():
        wait_until(lambda: len(site.stored()) >= MESSAGES, "all are stored")
    assert site.stored() == ALL


def test_one_full_disk_for_store_and_spool_and_space_is_made(
    make_site: Callable[..., Any], small_disk: Path, tmp_path: Path, wait_until: Wait
) -> None:
    site = make_site(data_dir=small_disk, state_url=f"sqlite:///{tmp_path}/state.db")
    with site.ingest():
        ballast = fill(small_disk, 64 * 1024)
        site.publish(range(MESSAGES)).finish()
        wait_until(lambda: site.metric("kreispuls_store_failures_total") > 2, "writing fails")
        assert site.metric("kreispuls_batch_messages_sum") < MESSAGES
        ballast.unlink()
        wait_until(lambda: len(site.stored()) >= MESSAGES and not site.spool_files(), "all are stored")
        site.wait_acknowledged(MESSAGES)
    assert site.stored() == ALL
