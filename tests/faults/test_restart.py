"""Ingest as a process that is told to stop or killed, its broker restarted: no acknowledged reading is missing."""

import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from random import Random
from typing import Any

import pytest

from core.settings import Settings
from readings.store import ReadingStore
from tests.faults.bins import Devices, Ingest, count, numbers, steady
from tests.faults.program import kill
from tests.patience import PATIENCE_S

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
        status = process.wait()
    if number is signal.SIGTERM:
        assert status == 0
    with site.ingest():
        counter.finish()
        wait_until(lambda: len(site.stored()) >= MESSAGES, "all are stored")
    assert site.stored() == list(range(MESSAGES))


@pytest.mark.usefixtures("subscribed")
def test_killed_twenty_times_at_random_moments_with_the_store_locked_every_other_time(
    settings: Settings, readings: ReadingStore, free_port: int, wait_until: Wait
) -> None:
    """Random moments, told by how much has got through: into the store, or onto the spool while that is locked."""
    random = Random(20)
    ingest = Ingest(settings.model_copy(update={"ingest_metrics_port": free_port}), wait_until)
    devices = Devices(settings.mqtt_url, steady(), per_second=1000)
    try:
        for number in range(20):
            ingest.start()
            wait_until(lambda: ingest.metric("kreispuls_broker_connected") == 1, "ingest is connected")
            with closing(sqlite3.connect(settings.data_dir / "readings.db", timeout=PATIENCE_S)) as lock:
                through = "kreispuls_batch_messages_sum"
                if number % 2:
                    lock.execute("BEGIN EXCLUSIVE")
                    through = "kreispuls_readings_spooled_total"  # others got through before it was locked
                enough = random.randrange(1, 300)
                wait_until(lambda name=through, least=enough: ingest.metric(name) >= least, "some got through")
                ingest.kill()
        assert list(settings.spool_dir.rglob("spool.db")), "the last time it was locked"
        ingest.start()
        acknowledged = devices.finish()
        wait_until(lambda: count(readings) >= acknowledged, "all are stored")
        wait_until(lambda: ingest.metric("kreispuls_spool_bytes") == 0, "the spool is empty")
        assert numbers(readings) == list(range(acknowledged))
    finally:
        ingest.kill()


def test_without_a_spool_nothing_is_acknowledged_while_the_store_is_locked(
    make_site: Callable[..., Any], wait_until: Wait
) -> None:
    site = make_site(spool_max_mb=0)
    lock = sqlite3.connect(site.settings.data_dir / "readings.db", isolation_level=None)
    with site.ingest() as process:
        lock.execute("BEGIN EXCLUSIVE")
        site.publish(range(MESSAGES)).finish()
        kill(process)  # what it held in memory is gone; the broker has it still
        lock.execute("ROLLBACK")
        lock.close()
    assert site.unacknowledged() == MESSAGES
    assert site.stored() == []
    with site.ingest():
        wait_until(lambda: len(site.stored()) >= MESSAGES, "all are stored")
    assert site.stored() == list(range(MESSAGES))


def test_the_broker_restarts_and_nothing_is_missing(site: Any, wait_until: Wait, mosquitto: Any) -> None:
    with site.ingest():
        counter = site.publish(range(MESSAGES))
        wait_until(lambda: counter.acknowledged > MESSAGES // 4, "a quarter is published")
        mosquitto.stop()
        mosquitto.start()
        counter.finish()
        wait_until(lambda: len(site.stored()) >= MESSAGES, "all are stored")
    assert site.stored() == list(range(MESSAGES))
