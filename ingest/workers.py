"""One of several ingest workers: which sessions at the broker it keeps, and which municipalities each serves.

Decision 0006 says why this loses nothing. In short: messages live in sessions (slots) that never die with a worker;
a lease says who keeps a slot; a slot stops hearing a municipality only after another one has begun to.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final
from uuid import uuid4

from core.errors import BrokerError, KreispulsError
from core.logs import RepeatedTrouble
from core.mqtt import Message, MqttClient
from core.settings import Settings
from core.topics import Topics
from ingest.registry import Registry
from ingest.sharing import CATCH_ALL, WorkerNumber, keeper_of, served_by, slot_of
from storage.leases import LEASE_FOR
from storage.state import State

logger = logging.getLogger(__name__)

TICK_S: Final = 1.0
"""Leases hold for six of these (`storage.leases.LEASE_FOR`)."""
SUBSCRIBE_S: Final = 1.0
"""The answer comes behind what waits in the session: one that is late is asked for again with the next tick."""
JOBS: Final = "jobs"


class _Slot:
    """One persistent session at the broker, while this worker keeps it."""

    def __init__(self, slot: int, settings: Settings, topics: Topics, receive: Callable[[Message], None]) -> None:
        self.slot = slot
        self.subscribed: set[str] = set()
        self.unsubscribed: set[str] = set()
        self.tried_s = 0.0
        self._topics = topics
        self._receive = receive
        self._left_to_others: frozenset[str] = frozenset()
        self._asked: tuple[bytes, frozenset[str]] = (b"", frozenset())
        self.mqtt = MqttClient(
            settings.mqtt_url,
            session_name(settings, slot),
            filters=topics.ingest_filters if slot == CATCH_ALL else (),
            on_message=self._receive_unless_served if slot == CATCH_ALL else receive,
            persistent=True,
            manual_ack=True,
            ca_file=settings.mqtt_ca_file,
        )

    def _receive_unless_served(self, message: Message) -> None:
        """The catch-all hears everything: what another slot's session certainly has too is left to it."""
        if message.topic == self._topics.marker:
            number, municipalities = self._asked
            if message.payload == number:
                self._left_to_others = municipalities
            self.mqtt.acknowledge(message)
        elif self._topics.municipality_of_event(message.topic) in self._left_to_others:
            self.mqtt.acknowledge(message)
        else:
            self._receive(message)

    def leave_to_others(self, served: frozenset[str]) -> None:
        """Leave these municipalities to the slots that serve them, from a marker sent through the broker on.

        What came before the marker may have been published before the other slot was subscribed: it is ours.
        """
        number, asked = self._asked
        if served == asked and number:
            return
        self._left_to_others &= served
        self._asked = (uuid4().hex.encode(), served)
        self.mqtt.publish(self._topics.marker, self._asked[0])


def session_name(settings: Settings, slot: int) -> str:
    """Client id of a slot's session; the catch-all's is that of ingest without workers, whose queue it takes over."""
    return settings.mqtt_client_id if slot == CATCH_ALL else f"{settings.mqtt_client_id}-slot-{slot}"


class Workers:
    """This worker among the others. `tick` does everything, once a second, on a thread of its own.

    Args:
        receive: gets the messages of all sessions that this worker keeps, on their network threads.
        share_changed: takes up the municipalities of a slot before its messages come.
        sessions_changed: told the clients that receive now.
    """

    def __init__(
        self,
        number: WorkerNumber,
        settings: Settings,
        *,
        state: State,
        registry: Registry,
        receive: Callable[[Message], None],
        share_changed: Callable[[], None],
        sessions_changed: Callable[[list[MqttClient]], None],
    ) -> None:
        self._number = number
        self._settings = settings
        self._state = state
        self._registry = registry
        self._receive = receive
        self._share_changed = share_changed
        self._sessions_changed = sessions_changed
        self._topics = Topics(settings.mqtt_topic_root)
        self._holder = uuid4().hex
        self._name = f"worker/{number.index}"
        self._slots: dict[int, _Slot | None] = {}
        self._shares: dict[str, int] = {}
        self._leads_until_s = 0.0
        self._stopping = threading.Event()
        self._trouble = RepeatedTrouble(logger, f"worker {number.index} of {number.count}")
        self._thread = threading.Thread(target=self._run, name="workers")

    def owns(self, municipality: str) -> bool:
        """Whether this worker keeps the slot that serves a municipality."""
        return self._shares.get(municipality, CATCH_ALL) in self._slots

    def leads(self) -> bool:
        """Whether the platform's jobs are this worker's now: by a lease that has certainly not run out."""
        return time.monotonic() < self._leads_until_s

    def wait_for_place(self, stop: threading.Event) -> bool:
        """Take this worker's number; waits while another process has it (a killed one until its lease ends).

        False: `stop` was set before.

        Raises:
            StorageError: the state database failed.
        """
        waited = False
        while not self._state.leases.acquire(self._name, self._holder):
            if not waited:
                logger.info("worker %d runs already or has just been killed: waiting", self._number.index)
            waited = True
            if stop.wait(TICK_S):
                return False
        return True

    def start(self) -> None:
        """Begin to keep slots."""
        self._thread.start()

    def pause(self) -> None:
        """Change nothing any more; the sessions go on."""
        self._stopping.set()
        self._thread.join()

    def leave(self) -> None:
        """End the sessions here and give everything back: the others take over at once."""
        try:
            for slot in list(self._slots):
                self._end(slot)
            self._state.leases.release([self._name, JOBS], self._holder)
        except KreispulsError as error:
            logger.warning("leases are not given back, they run out by themselves: %s", error)
            for session in self._slots.values():
                if session is not None:
                    session.mqtt.stop()

    def _run(self) -> None:
        while True:
            try:
                self.tick()
            except KreispulsError as error:
                self._trouble.happened(str(error))
            except Exception:
                logger.exception("sharing out among workers failed and is tried again")
            else:
                self._trouble.over()
            if self._stopping.wait(TICK_S):
                return

    def tick(self) -> None:
        """Renew what is ours, take what has become ours, give back what others are to have.

        Raises:
            StorageError: the state database failed; what we keep we keep on, nobody else can take it meanwhile.
            BrokerError: a subscription failed.
        """
        leases = self._state.leases
        held = {_lease(slot): slot for slot in self._slots}
        kept = leases.renew([self._name, *held], self._holder)
        if self._name not in kept:
            leases.acquire(self._name, self._holder)  # we were too slow, and another process may have our number
        for name, slot in held.items():
            if name not in kept:
                self._end(slot)
        rows = leases.all()
        live = [int(row.name.removeprefix("worker/")) for row in rows if row.live and row.name.startswith("worker/")]
        slots = {int(row.name.removeprefix("slot/")) for row in rows if row.name.startswith("slot/")}
        slots |= set(range(self._number.count + 1))
        self._keep_right_slots(slots, live)
        self._lead(wanted=keeper_of(CATCH_ALL, live) == self._number.index)
        self._shares = self._state.shares.all()
        self._share_changed()
        self._open_sessions()
        self._subscribe_all(time.monotonic() + LEASE_FOR.total_seconds() / 3)

    def _subscribe_all(self, deadline_s: float) -> None:
        trouble: BrokerError | None = None
        for session in sorted(filter(None, self._slots.values()), key=lambda session: session.tried_s):
            if session.mqtt.connected and time.monotonic() < deadline_s:  # in time for the leases
                session.tried_s = time.monotonic()
                try:
                    self._subscribe(session)
                except BrokerError as error:
                    trouble = error
        if trouble is not None:
            raise trouble

    def _lead(self, *, wanted: bool) -> None:
        now_s = time.monotonic()
        if wanted and self._state.leases.acquire(JOBS, self._holder):
            self._leads_until_s = now_s + LEASE_FOR.total_seconds()
        else:
            self._leads_until_s = 0.0
            self._state.leases.release([JOBS], self._holder)

    def _keep_right_slots(self, slots: Iterable[int], live: list[int]) -> None:
        for slot in sorted(slots):
            ours = keeper_of(slot, live) == self._number.index
            if ours and slot not in self._slots and self._state.leases.acquire(_lease(slot), self._holder):
                self._slots[slot] = None
            elif not ours and slot in self._slots:
                self._end(slot)

    def _open_sessions(self) -> None:
        for slot, session in list(self._slots.items()):
            if session is None:
                opened = self._slots[slot] = _Slot(slot, self._settings, self._topics, self._receive)
                self._tell_sessions()
                opened.mqtt.start()
                logger.info("worker %d keeps slot %d", self._number.index, slot)

    def _end(self, slot: int) -> None:
        session = self._slots.pop(slot)
        if session is not None:
            session.mqtt.stop()
            logger.info("worker %d keeps slot %d no more", self._number.index, slot)
        self._tell_sessions()
        self._state.leases.release([_lease(slot)], self._holder)

    def _tell_sessions(self) -> None:
        self._sessions_changed([session.mqtt for session in self._slots.values() if session is not None])

    def _subscribe(self, session: _Slot) -> None:
        """Begin with what the slot is to serve; end only what another slot serves by now."""
        if session.slot == CATCH_ALL:
            session.leave_to_others(frozenset(self._shares))
            return
        count = self._number.count
        known = {municipality.municipality for municipality in self._registry.municipalities} | self._shares.keys()
        wanted = {name for name in known if slot_of(name, count) == session.slot}
        new = (wanted | served_by(session.slot, self._shares)) - session.subscribed
        if new:
            session.mqtt.subscribe([self._topics.events_of(name) for name in sorted(new)], SUBSCRIBE_S)
            session.subscribed |= new
            session.unsubscribed -= new
        claimed = {name for name in wanted if self._shares.get(name) != session.slot}
        if claimed:
            self._state.shares.put(claimed, session.slot)
            self._shares = self._shares | dict.fromkeys(claimed, session.slot)
            self._share_changed()
        # Also what an earlier keeper of this session left subscribed; a session does not say what it hears.
        elsewhere = {name for name, slot in self._shares.items() if slot != session.slot} - session.unsubscribed
        if elsewhere:
            session.mqtt.unsubscribe([self._topics.events_of(name) for name in sorted(elsewhere)], SUBSCRIBE_S)
            session.subscribed -= elsewhere
            session.unsubscribed |= elsewhere


def _lease(slot: int) -> str:
    return f"slot/{slot}"
