"""Ingest as a process that is told to stop or killed, its broker restarted: no acknowledged reading is missing."""

import signal
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

Wait = Callable[..., Any]
MESSAGES = 3000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_stopped_or_killed_under_load_and_started_again_nothing_is_missing(
    site: Any, wait_until: Wait, number: signal.Signals
) -> None:
    with site.ingest() as process:
        counter = site.publish(range(MESSAGES))
        wait_until(lambda: counter.acknowledged > MESSAGES // 4, "a quarter is published")
        process.send_signal(number)
        status = process.wait(60)
    if number is signal.SIGTERM:
        assert status == 0
    with site.ingest():
        counter.finish()
        wait_until(lambda: len(site.stored()) >= MESSAGES, "all are stored", 60)
    assert site.stored() == list(range(MESSAGES))


def test_without_a_spool_nothing_is_acknowledged_while_the_store_is_locked(
    make_site: Callable[..., Any], wait_until: Wait
) -> None:
    site = make_site(spool_max_mb=0)
    lock = sqlite3.connect(site.settings.data_dir / "readings.db", isolation_level=None)
    with site.ingest() as process:
        lock.execute("BEGIN EXCLUSIVE")
        site.publish(range(MESSAGES)).finish()
        process.kill()  # what it held in memory is gone; the broker has it still
        process.wait()
        lock.execute("ROLLBACK")
        lock.close()
    assert site.unacknowledged() == MESSAGES
    assert site.stored() == []
    with site.ingest():
        wait_until(lambda: len(site.stored()) >= MESSAGES, "all are stored", 60)
    assert site.stored() == list(range(MESSAGES))


def test_the_broker_restarts_and_nothing_is_missing(site: Any, wait_until: Wait, mosquitto: Any) -> None:
    with site.ingest():
        counter = site.publish(range(MESSAGES))
        wait_until(lambda: counter.acknowledged > MESSAGES // 4, "a quarter is published")
        mosquitto.stop()
        mosquitto.start()
        counter.finish()
        wait_until(lambda: len(site.stored()) >= MESSAGES, "all are stored", 60)
    assert site.stored() == list(range(MESSAGES))
