"""The readings store is locked, slow, killed or full: what ingest acknowledged is stored exactly once afterwards."""

import os
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.faults.program import kill

Wait = Callable[..., Any]
MESSAGES = 3000
ALL = list(range(MESSAGES))


def lock(site: Any) -> sqlite3.Connection:
    connection = sqlite3.connect(site.settings.data_dir / "readings.db", isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN EXCLUSIVE")
    return connection


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_all_is_acknowledged_while_the_store_is_locked_and_stored_by_the_next_run(
    site: Any, wait_until: Wait, number: signal.Signals
) -> None:
    with site.ingest() as process:
        locked = lock(site)
        site.publish(range(MESSAGES)).finish()
        site.wait_acknowledged(MESSAGES)
        assert site.metric("kreispuls_readings_spooled_total") >= MESSAGES
        if number is signal.SIGKILL:
            kill(process)
        process.send_signal(number)
        process.wait(30)
        locked.close()
    assert site.unacknowledged() == 0, "the broker has nothing left, so all depends on the spool"
    assert site.stored() == []
    with site.ingest():
        wait_until(lambda: len(site.stored()) >= MESSAGES, "all are stored", 60)
        wait_until(lambda: not site.spool_files(), "the spool is empty")
    assert site.stored() == ALL


def test_killed_in_the_middle_of_spooling_and_of_draining(site: Any, wait_until: Wait) -> None:
    with site.ingest() as process:
        locked = lock(site)
        counter = site.publish(range(MESSAGES))
        wait_until(lambda: len(site.spool_files()) > 0, "something is spooled")
        kill(process)
        locked.close()
    counter.finish()
    for _ in range(3):
        with site.ingest() as process:
            before = len(site.stored())
            wait_until(lambda seen=before: len(site.stored()) > seen or seen == MESSAGES, "more is stored", 30)
            kill(process)
    with site.ingest():
        wait_until(lambda: len(site.stored()) >= MESSAGES and not site.spool_files(), "all are stored", 60)
    assert site.stored() == ALL


def test_unlocked_again_the_spool_drains_by_itself_in_order_and_new_readings_follow(
    site: Any, wait_until: Wait
) -> None:
    half = MESSAGES // 2
    with site.ingest():
        locked = lock(site)
        site.publish(range(half)).finish()
        site.wait_acknowledged(half)
        locked.close()
        site.publish(range(half, MESSAGES)).finish()
        wait_until(lambda: len(site.stored()) >= MESSAGES, "all are stored", 60)
        wait_until(lambda: not site.spool_files(), "the spool is empty")
        assert site.metric("kreispuls_readings_stored_total") == MESSAGES + 1, "these and the lamp's"
        spooled = site.metric("kreispuls_readings_spooled_total")
        site.publish(range(MESSAGES, MESSAGES + 10)).finish()
        wait_until(lambda: len(site.stored()) >= MESSAGES + 10, "more are stored")
        assert site.metric("kreispuls_readings_spooled_total") == spooled, "an empty spool is passed by"
    assert site.stored() == list(range(MESSAGES + 10))


def test_a_slow_store_holds_up_no_acknowledgement(site: Any, wait_until: Wait) -> None:
    """Each write has to wait for a lock that is given free for a moment every two seconds."""
    enough = threading.Event()

    def hold() -> None:
        with closing(sqlite3.connect(site.settings.data_dir / "readings.db", isolation_level=None)) as connection:
            connection.execute("PRAGMA busy_timeout = 10000")
            while not enough.is_set():
                connection.execute("BEGIN EXCLUSIVE")
                enough.wait(2)
                connection.execute("ROLLBACK")
                enough.wait(0.3)

    with site.ingest():
        holder = threading.Thread(target=hold)
        holder.start()
        try:
            site.publish(range(MESSAGES)).finish()
            site.wait_acknowledged(MESSAGES)
            assert site.metric("kreispuls_readings_spooled_total") > 0
            wait_until(lambda: len(site.stored()) >= MESSAGES, "all are stored, slowly", 60)
        finally:
            enough.set()
            holder.join()
    assert site.stored() == ALL


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
        locked = lock(site)
        site.publish(range(FITTING)).finish()
        site.wait_acknowledged(FITTING)
        site.publish(range(FITTING, MESSAGES)).finish()
        failures = site.metric("kreispuls_store_failures_total")
        wait_until(
            lambda: site.metric("kreispuls_store_failures_total") > failures + 4, "it is tried again and again", 60
        )
        kill(process)
        locked.close()
    assert 0 < site.unacknowledged() <= MESSAGES - FITTING
    with site.ingest():
        wait_until(lambda: len(site.stored()) >= MESSAGES, "all are stored", 60)
    assert site.stored() == ALL


def test_one_full_disk_for_store_and_spool_and_space_is_made(
    make_site: Callable[..., Any], small_disk: Path, tmp_path: Path, wait_until: Wait
) -> None:
    site = make_site(data_dir=small_disk, state_url=f"sqlite:///{tmp_path}/state.db")
    with site.ingest():
        ballast = fill(small_disk, 64 * 1024)
        site.publish(range(MESSAGES)).finish()
        wait_until(lambda: site.metric("kreispuls_store_failures_total") > 2, "writing fails", 30)
        assert site.metric("kreispuls_batch_messages_sum") < MESSAGES
        ballast.unlink()
        wait_until(lambda: len(site.stored()) >= MESSAGES and not site.spool_files(), "all are stored", 60)
        site.wait_acknowledged(MESSAGES)
    assert site.stored() == ALL


def test_a_spool_damaged_between_runs_costs_what_was_hit(site: Any, wait_until: Wait) -> None:
    with site.ingest() as process:
        locked = lock(site)
        site.publish(range(MESSAGES)).finish()
        site.wait_acknowledged(MESSAGES)
        kill(process)
        locked.close()
    (spool,) = site.spool_files()
    with closing(sqlite3.connect(spool)) as database:  # what a killed write has left in the journal is rolled back
        database.execute("SELECT count(*) FROM readings").fetchone()
    data = bytearray(spool.read_bytes())
    data[data.index(b"weight_kg", len(data) // 2) + 12] ^= 0x55  # a byte of a number
    spool.write_bytes(data)
    with site.ingest():
        wait_until(lambda: not site.spool_files(), "the spool is empty", 60)
        assert site.metric("kreispuls_spool_corrupt_records_total") == 1
    stored = site.stored()
    assert stored == sorted(set(stored))
    assert len(stored) == MESSAGES - 1
