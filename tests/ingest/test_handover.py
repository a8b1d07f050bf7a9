"""Hand-overs with a real broker, step by step and in any order: nothing by none; without a crash nothing by two.

Workers are driven tick by tick; what they have received is stored and acknowledged when the test says so.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.device import Municipality
from core.settings import Settings
from core.topics import Topics
from ingest.receiving.lamps import Lamps
from ingest.sharing import CATCH_ALL, WorkerNumber, keeper_of, slot_of
from ingest.workers import Workers
from mqtt.client import Message, MqttClient
from state.state import State, open_state

Wait = Callable[..., Any]
TOWNS = ["marburg", "kirchhain", "stadtallendorf", "gladenbach"]
TOPICS = Topics("kreispuls/v1")


class Worker:
    """A worker whose messages count as handled when they come, and are acknowledged by `store`."""

    def __init__(self, number: WorkerNumber, settings: Settings, state: State, handled: list[bytes]) -> None:
        self.number = number
        self._state = state
        self._handled = handled
        self._in_hand: list[Message | Callable[[], None]] = []
        self._sessions: list[MqttClient] = []
        self.before_claim: Callable[[], object] = lambda: None
        self._lamps = Lamps(state, settings)
        self._lamps.reload()
        self._workers = Workers(
            number,
            settings,
            state=state,
            lamps=self._lamps,
            receive=self._receive,
            afterwards=self._afterwards,
            share_changed=self._reload,
            sessions_changed=self._take_sessions,
            leads=lambda _until_s: None,
        )

    def tick(self) -> None:
        self._workers.tick()

    @property
    def in_hand(self) -> int:
        return len(self._in_hand)

    def store(self) -> None:
        """Store and acknowledge what is in hand, in order, as the writer does."""
        for item in [self._in_hand.pop(0) for _ in range(len(self._in_hand))]:
            if isinstance(item, Message):
                for session in self._sessions:
                    session.acknowledge(item)
            else:
                item()

    def leave(self) -> None:
        self._workers.pause()
        self.store()
        self._workers.leave()

    def die(self) -> None:
        """What is in hand is lost; the leases run out at once."""
        for session in self._sessions:
            session.pause()
            session.stop()
        leases = self._state.leases.all()
        holder = next((lease.holder for lease in leases if lease.name == f"worker/{self.number.index}"), "")
        self._state.leases.release([lease.name for lease in leases], holder)

    def _receive(self, message: Message) -> None:
        self._handled.append(message.payload)
        self._in_hand.append(message)

    def _afterwards(self, run: Callable[[], None]) -> None:
        self._in_hand.append(run)
        if threading.current_thread() is threading.main_thread():  # a slot is to be given back
            threading.Timer(0.01, self.store).start()  # the writer is a thread of its own

    def _reload(self) -> None:
        self._lamps.reload()
        self.before_claim()

    def _take_sessions(self, sessions: list[MqttClient]) -> None:
        self._sessions = sessions


class Stage:
    """Workers, a device, and what became of its messages."""

    def __init__(self, settings: Settings, state: State) -> None:
        self.state = state
        self.workers: dict[int, Worker] = {}
        self.handled: list[bytes] = []
        self.said = 0
        self._settings = settings
        self._device = MqttClient(settings.mqtt_url, "device")
        self._device.start()
        self._device.wait_connected(10)
        session = MqttClient(
            settings.mqtt_url, settings.mqtt_client_id, filters=TOPICS.ingest_filters, persistent=True, manual_ack=True
        )
        session.start()
        session.wait_connected(10)
        session.flush()
        session.stop()

    def join(self, index: int, count: int) -> None:
        self.workers[index] = Worker(WorkerNumber(index, count), self._settings, self.state, self.handled)

    def leave(self, index: int) -> None:
        self.workers.pop(index).leave()

    def die(self, index: int) -> None:
        self.workers.pop(index).die()

    def say(self, town: str) -> None:
        self._device.publish_confirmed(TOPICS.event(town, "waste_bin", "b1", "up"), str(self.said).encode())
        self.said += 1

    def go_on(self) -> None:
        for worker in self.workers.values():
            worker.tick()
            worker.store()

    def settled(self, towns: list[str], count: int) -> bool:
        """One round; whether every town has gone over, and with it all that was said."""
        self.go_on()
        shares = self.state.shares.all()
        right = {town: slot_of(town, count) for town in towns}
        return {name: share.slot for name, share in shares.items() if share.settled} == right

    def end(self, towns: list[str], count: int, wait_until: Wait) -> Counter[int]:
        """Let everything come to rest; how often each message was handled."""
        for index in range(1, count + 1):
            if index not in self.workers:
                self.join(index, count)
        wait_until(lambda: self.settled(towns, count), "every town has gone over", 30)
        first_last = self.said
        for town in towns:
            self.say(town)

        def all_handled() -> bool:
            self.go_on()
            return {str(number).encode() for number in range(first_last, self.said)} <= set(self.handled)

        wait_until(all_handled, "the last messages are handled", 30)
        return Counter(int(payload) for payload in self.handled)

    def close(self) -> None:
        for worker in self.workers.values():
            worker.die()
        self._device.stop()


@pytest.fixture
def stage(mosquitto: Any, tmp_path: Path) -> Iterator[Stage]:
    settings = Settings(_env_file=None, data_dir=tmp_path, mqtt_url=mosquitto.url)
    state = open_state(settings.state_url)
    for town in TOWNS:
        state.municipalities.put(Municipality(municipality=town, name=town))
    made = Stage(settings, state)
    yield made
    made.close()
    state.close()


def play(stage: Stage, seed: int, steps: int, ways_to_end: list[Callable[[int], None]]) -> int:
    """Many steps in random order; the count of workers at the end."""
    chance = random.Random(seed)
    count = chance.randint(1, 3)
    for _ in range(steps):
        what = chance.random()
        if what < 0.4:
            stage.say(chance.choice(TOWNS))
        elif what < 0.45:
            count = chance.randint(1, 3)
            for index in list(stage.workers):
                chance.choice(ways_to_end)(index)
        elif what < 0.6:
            index = chance.randint(1, count)
            chance.choice(ways_to_end)(index) if index in stage.workers else stage.join(index, count)
        elif stage.workers:
            worker = chance.choice(list(stage.workers.values()))
            chance.choice([worker.tick, worker.tick, worker.store])()
    return count


@pytest.mark.parametrize("seed", range(8))
def test_whoever_joins_and_leaves_in_order_everything_is_handled_once(
    stage: Stage, seed: int, wait_until: Wait
) -> None:
    count = play(stage, seed, 150, [stage.leave])
    assert stage.end(TOWNS, count, wait_until) == dict.fromkeys(range(stage.said), 1)


@pytest.mark.parametrize("seed", range(8))
def test_whoever_dies_between_any_two_steps_nothing_is_lost(stage: Stage, seed: int, wait_until: Wait) -> None:
    count = play(stage, seed, 150, [stage.leave, stage.die, stage.die])
    assert sorted(stage.end(TOWNS, count, wait_until)) == list(range(stage.said))


def test_a_slot_is_through_only_when_all_before_the_marker_is_stored(stage: Stage, wait_until: Wait) -> None:
    for index in (1, 2):
        stage.join(index, 2)
    wait_until(lambda: stage.settled(TOWNS, 2), "every town has gone over", 30)
    catch_all = keeper_of(CATCH_ALL, {1, 2})
    town = next(name for name in map("new-{}".format, range(99)) if slot_of(name, 2) != catch_all)
    former, new = stage.workers[catch_all], stage.workers[3 - catch_all]
    first = stage.said
    stage.say(town)
    stage.state.municipalities.put(Municipality(municipality=town, name=town))

    def begun() -> bool:
        former.tick()
        new.tick()
        new.store()
        share = stage.state.shares.all().get(town)
        return share is not None and share.begun

    wait_until(begun, "the new slot has come to the marker", 30)
    wait_until(lambda: former.in_hand == 2, "so has the former one, behind the message", 30)
    former.tick()
    assert not stage.state.shares.all()[town].ended, "the message is in hand, not stored"
    stage.die(catch_all)
    assert stage.end([*TOWNS, town], 2, wait_until)[first] == 2, "it is handled again"


def test_a_claim_that_is_refused_moves_nothing(stage: Stage, wait_until: Wait) -> None:
    """Another process takes the slot's lease between the look at it and the claim."""
    stage.join(1, 1)
    worker = stage.workers[1]
    wait_until(lambda: stage.settled(TOWNS, 1), "every town has gone over", 30)
    stage.state.municipalities.put(Municipality(municipality="new", name="new"))

    def steal() -> None:
        leases = {lease.name: lease.holder for lease in stage.state.leases.all()}
        stage.state.leases.release(["slot/1"], leases["worker/1"])
        assert stage.state.leases.acquire("slot/1", "somebody else")

    worker.before_claim = steal
    worker.tick()
    worker.before_claim = lambda: None
    assert "new" not in stage.state.shares.all()
    worker.tick()
    stage.say("new")
    wait_until(lambda: worker.store() or len(stage.handled) == 1, "the catch-all goes on with it", 30)
