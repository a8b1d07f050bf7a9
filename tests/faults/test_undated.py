"""Readings that tell no time: each is stored once, however often the broker has to deliver it.

Delivered again after a kill it would be observed a second time, if ingest did not remember when it came first.
"""

import itertools
import random
import signal
import threading
from collections.abc import Callable
from typing import Any

from core.settings import Settings
from readings.store import ReadingStore
from state.rejected import RejectedFilter
from state.state import open_state
from tests.faults.bins import Devices, Ingest, count, numbers, undated

Wait = Callable[..., Any]
SEED = 20260505


def test_ingest_is_killed_under_load(
    settings: Settings, readings: ReadingStore, ingest: Ingest, wait_until: Wait
) -> None:
    chance = random.Random(SEED)
    devices = Devices(settings.mqtt_url, map(undated, itertools.count()), stored=lambda: count(readings))
    for _ in range(20):
        before = count(readings)
        wait_until(lambda before=before: count(readings) > before, "more is stored")
        threading.Event().wait(chance.uniform(0, 0.005))  # the random moment; nothing is expected of it
        ingest.kill()
        ingest.start()
    acknowledged = devices.finish()
    wait_until(lambda: count(readings) >= acknowledged, "all are stored")
    assert numbers(readings) == list(range(acknowledged))


def test_the_broker_restarts_under_load_and_ingest_lives_on(
    settings: Settings, readings: ReadingStore, ingest: Ingest, wait_until: Wait, mosquitto: Any
) -> None:
    devices = Devices(settings.mqtt_url, map(undated, itertools.count()))
    for _ in range(3):
        before = count(readings)
        wait_until(lambda before=before: count(readings) > before, "more is stored")
        ingest.send(signal.SIGSTOP)  # what it has in hand it cannot acknowledge to the broker that is now
        said = devices.taken
        wait_until(lambda said=said: devices.taken > said + 100, "more is said")
        # Else an answer to a device might be lost with the connection: what it then says again is said twice.
        devices.pause(wait_until)
        mosquitto.stop()
        ingest.send(signal.SIGCONT)
        mosquitto.start()
        devices.resume()
    acknowledged = devices.finish()
    wait_until(lambda: count(readings) >= acknowledged, "all are stored")
    assert numbers(readings) == list(range(acknowledged))


def test_what_is_rejected_is_kept_once(
    settings: Settings, readings: ReadingStore, ingest: Ingest, wait_until: Wait
) -> None:
    """Every third message is no JSON, and names its number all the same."""

    def message(number: int) -> tuple[str, bytes]:
        topic, payload = undated(number)
        return topic, payload if number % 3 else payload[:-1]

    devices = Devices(settings.mqtt_url, map(message, range(6000)))
    for _ in range(5):
        before = count(readings)
        wait_until(lambda before=before: count(readings) > before, "more is stored")
        ingest.kill()
        ingest.start()
    wait_until(lambda: devices.taken == 6000, "all is said")
    assert devices.finish() == 6000
    state = open_state(settings.state_url)
    wait_until(lambda: count(readings) + state.rejected.count() >= 6000, "all are kept")
    assert numbers(readings) == [number for number in range(6000) if number % 3]
    kept: list[Any] = []
    cursor: str | None = None
    while not kept or cursor:
        page = state.rejected.page(RejectedFilter(), 1000, cursor)
        kept += [int(each.payload.split(b":")[1]) for each in page.items]
        cursor = page.next_cursor
    state.close()
    assert sorted(kept) == list(range(0, 6000, 3))
