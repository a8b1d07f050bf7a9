"""The readings store is locked, slow or killed: what ingest acknowledged is stored exactly once afterwards."""

import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from tests.faults.program import kill

Wait = Callable[..., Any]
MESSAGES = 3000
ALL = list(range(MESSAGES))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_all_is_acknowledged_while_the_store_is_locked_and_stored_by_the_next_run(
    site: Any, wait_until: Wait, number: signal.Signals
) -> None:
    with site.ingest() as process:
        locked = site.lock()
        site.publish(range(MESSAGES)).finish()
        site.wait_acknowledged(MESSAGES)
        assert site.metric("kreispuls_readings_spooled_total") >= MESSAGES
        if number is signal.SIGKILL:
            kill(process)
        process.send_signal(number)
        process.wait()
        locked.close()
    assert site.unacknowledged() == 0, "the broker has nothing left, so all depends on the spool"
    assert site.stored() == []
    with site.ingest():
        wait_until(lambda: len(site.stored()) >= MESSAGES, "all are stored")
        wait_until(lambda: not site.spool_files(), "the spool is empty")
    assert site.stored() == ALL


def test_killed_in_the_middle_of_spooling_and_of_draining(site: Any, wait_until: Wait) -> None:
    with site.ingest() as process:
        locked = site.lock()
        counter = site.publish(range(MESSAGES))
        wait_until(lambda: len(site.spool_files()) > 0, "something is spooled")
        kill(process)
        locked.close()
    counter.finish()
    for _ in range(3):
        with site.ingest() as process:
            before = len(site.stored())
            wait_until(lambda seen=before: len(site.stored()) > seen or seen == MESSAGES, "more is stored")
            kill(process)
    with site.ingest():
        wait_until(lambda: len(site.stored()) >= MESSAGES and not site.spool_files(), "all are stored")
    assert site.stored() == ALL


def test_unlocked_again_the_spool_drains_by_itself_in_order_and_new_readings_follow(
    site: Any, wait_until: Wait
) -> None:
    half = MESSAGES // 2
    with site.ingest():
        locked = site.lock()
        site.publish(range(half)).finish()
        site.wait_acknowledged(half)
        locked.close()
        site.publish(range(half, MESSAGES)).finish()
        wait_until(lambda: len(site.stored()) >= MESSAGES, "all are stored")
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
            wait_until(lambda: len(site.stored()) >= MESSAGES, "all are stored, slowly")
        finally:
            enough.set()
            holder.join()
    assert site.stored() == ALL


def test_a_spool_damaged_between_runs_costs_what_was_hit(site: Any, wait_until: Wait) -> None:
    with site.ingest() as process:
        locked = site.lock()
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
        wait_until(lambda: not site.spool_files(), "the spool is empty")
        assert site.metric("kreispuls_spool_corrupt_records_total") == 1
    stored = site.stored()
    assert stored == sorted(set(stored))
    assert len(stored) == MESSAGES - 1
