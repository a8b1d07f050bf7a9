"""Ingest as a process that is told to stop or killed, its broker restarted: no acknowledged reading is missing."""

import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from random import Random
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


def test_killed_twenty_times_at_random_moments_with_the_store_locked_every_other_time(
    site: Any, wait_until: Wait
) -> None:
    """Random moments, told by how much has got through: in the store, or onto the spool while that is locked."""
    random = Random(20)
    rounds, each = 20, 300
    for number in range(rounds):
        with site.ingest() as process, closing(sqlite3.connect(site.settings.data_dir / "readings.db")) as lock:
            if number % 2:
                lock.execute("BEGIN EXCLUSIVE")
            before = site.metric("kreispuls_batch_messages_sum")
            counter = site.publish(range(number * each, (number + 1) * each))
            enough = before + random.randrange(each)
            wait_until(
                lambda least=enough: site.metric("kreispuls_batch_messages_sum") >= least, "some got through", 30
            )
            process.kill()
            process.wait()
        counter.finish()
    with site.ingest():
        wait_until(lambda: len(site.stored()) >= rounds * each, "all are stored", 60)
        wait_until(lambda: not site.spool_files(), "the spool is empty")
    assert site.stored() == list(range(rounds * each))


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
