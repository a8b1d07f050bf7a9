"""Nothing that the broker acknowledged to a device is missing or twice, whatever is killed meanwhile.

Counted by sequence numbers; the moments are random (seeded) and under load. Ingest is a real process, the broker a real
Mosquitto.
"""

import random
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from core.clock import utc_now
from core.settings import Settings
from readings.store import ReadingStore
from state.rejected import RejectedFilter
from state.state import open_state
from tests.faults.bins import BINS, SPAN, Devices, Ingest, count, message, numbers, steady

Wait = Callable[..., Any]
SEED = 20260504
KILLS = 20


def test_ingest_is_killed_twenty_times_under_load(
    settings: Settings, readings: ReadingStore, ingest: Ingest, wait_until: Wait
) -> None:
    """Half of the kills come a random time after the start, often before it is ready; half in its work."""
    chance = random.Random(SEED)
    devices = Devices(settings.mqtt_url, steady(), stored=lambda: count(readings))
    for kill in range(KILLS):
        at_most_s = 0.5
        if kill % 2:
            before = count(readings)
            wait_until(lambda before=before: count(readings) > before, "more is stored")
            at_most_s = 0.05
        threading.Event().wait(chance.uniform(0, at_most_s))  # the random moment; nothing is expected of it
        ingest.kill()
        ingest.start()
    acknowledged = devices.finish()
    wait_until(lambda: count(readings) >= acknowledged, "all are stored")
    assert numbers(readings) == list(range(acknowledged))


def test_the_broker_is_killed_and_comes_back_with_what_it_had_saved(
    settings: Settings, readings: ReadingStore, ingest: Ingest, wait_until: Wait, mosquitto: Any
) -> None:
    """SIGKILL of Mosquitto while it holds messages for an ingest that has stopped answering.

    Mosquitto acknowledges a QoS 1 message before it writes its database, so what it acknowledged since its last save is
    lost with a SIGKILL; nobody behind the broker can promise it. So the devices fall silent, the broker is told to save
    (SIGUSR1) and only then killed: what they had been acknowledged is in its database. It has forgotten what ingest
    acknowledged after the save, sends it again, and it must not be stored twice.
    """
    chance = random.Random(SEED)
    database = mosquitto.folder / "mosquitto.db"
    devices = Devices(settings.mqtt_url, steady())
    for _ in range(3):
        before = count(readings)
        wait_until(lambda before=before: count(readings) > before, "ingest stores")
        if chance.random() < 0.7:
            ingest.send(signal.SIGSTOP)  # what comes now waits at the broker
        said = devices.taken
        wait_until(lambda said=said: devices.taken > said + 100, "more is said")
        devices.pause(wait_until)
        saved = database.stat().st_ino if database.exists() else 0
        mosquitto.process.send_signal(signal.SIGUSR1)
        wait_until(lambda saved=saved: database.exists() and database.stat().st_ino != saved, "the broker has saved")
        threading.Event().wait(chance.uniform(0, 0.2))
        mosquitto.process.kill()
        mosquitto.process.wait()
        mosquitto.start()
        ingest.send(signal.SIGCONT)
        devices.resume()
    acknowledged = devices.finish()
    wait_until(lambda: count(readings) >= acknowledged, "all are stored")
    assert numbers(readings) == list(range(acknowledged))


def test_the_broker_is_stopped_and_started_under_load(
    settings: Settings, readings: ReadingStore, ingest: Ingest, wait_until: Wait, mosquitto: Any
) -> None:
    """SIGTERM, upon which Mosquitto saves, while devices publish; ingest is killed meanwhile, too."""
    chance = random.Random(SEED)
    devices = Devices(settings.mqtt_url, steady())
    for _ in range(3):
        said = devices.taken
        wait_until(lambda said=said: devices.taken > said + 300, "more is said")
        threading.Event().wait(chance.uniform(0, 0.3))
        mosquitto.stop()
        if chance.random() < 0.5:
            ingest.kill()
            ingest.start()
        mosquitto.start()
    acknowledged = devices.finish()
    wait_until(lambda: count(readings) >= acknowledged, "all are stored")
    assert numbers(readings) == list(range(acknowledged))


def test_the_clock_of_a_device_jumps(
    settings: Settings, readings: ReadingStore, ingest: Ingest, wait_until: Wait
) -> None:
    """Clocks jump years back and minutes ahead and return, while ingest is killed.

    What is more than five minutes ahead is no reading but a rejected message, kept once or (after a kill) more often.
    Two readings of a device at one instant would be one reading, so no clock here shows an instant twice.
    """
    chance = random.Random(SEED)
    now = utc_now().replace(microsecond=0)
    jumps = [timedelta(days=-3000), timedelta(days=-1), timedelta(hours=-1), timedelta(0), timedelta(minutes=4)]
    observed: dict[int, datetime] = {}
    ahead: set[int] = set()

    def jumping() -> Iterator[tuple[str, bytes]]:
        jump = timedelta(0)
        for number in range(4000):
            if chance.random() < 0.05:
                jump = chance.choice(jumps)
            observed[number] = now + jump - timedelta(milliseconds=number)
            if chance.random() < 0.02:
                observed[number] = now + timedelta(days=1)
                ahead.add(number)
            yield message(number, observed[number])

    devices = Devices(settings.mqtt_url, jumping())
    for _ in range(3):
        before = count(readings)
        wait_until(lambda before=before: count(readings) > before, "more is stored")
        ingest.kill()
        ingest.start()
    wait_until(lambda: len(observed) == 4000, "all is said")
    acknowledged = devices.finish()
    assert acknowledged == 4000
    wait_until(lambda: count(readings) >= acknowledged - len(ahead), "all are stored")
    assert numbers(readings) == sorted(observed.keys() - ahead)
    for name in BINS:
        own = {
            number: at for number, at in observed.items() if BINS[number % len(BINS)] == name and number not in ahead
        }
        series = readings.series(name, ["weight_kg"], *SPAN)
        assert [(int(item.value), item.observed_at) for item in series] == sorted(own.items(), key=lambda each: each[1])
        newest = max(own, key=lambda number: own[number])
        assert [item.value for item in readings.latest(device_ids=[name])] == [newest]

    def rejected() -> set[int]:
        state = open_state(settings.state_url)
        page = state.rejected.page(RejectedFilter(), 1000).items
        state.close()
        assert {each.reason for each in page} <= {"observed_at: more than 5 minutes in the future"}
        return {int(each.payload.split(b":")[-1].rstrip(b"}")) for each in page}

    wait_until(lambda: rejected() == ahead, "what was ahead is kept as rejected")
