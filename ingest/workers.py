"""One of several ingest workers: which sessions at the broker it keeps, and which municipalities come over to them.

Decision 0006 says why this loses nothing and handles nothing twice. In short: messages live in sessions (slots) that
never die with a worker; a lease says who keeps a slot; a municipality changes slots at a message that both hear.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final
from uuid import uuid4

from core.errors import BrokerError, KreispulsError
from core.logs import RepeatedTrouble
from core.settings import Settings
from core.topics import Topics
from ingest.receiving.lamps import Lamps
from ingest.sharing import CATCH_ALL, Tenure, WorkerNumber, claims, hears, keeper_of
from ingest.slots import Slot
from mqtt.client import Message, MqttClient
from state.shares import Share
from state.state import State

logger = logging.getLogger(__name__)

TICKS_PER_LEASE: Final = 6
SUBSCRIBE_S: Final = 1.0
"""The answer comes behind what waits in the session: one that is late is asked for again with the next tick."""
JOBS: Final = "jobs"


class Workers:
    """This worker among the others. `tick` does everything, once a second, on a thread of its own.

    Args:
        receive: gets the messages that are this worker's to handle, on the network threads of its sessions.
        afterwards: runs something when all that `receive` got before is durable and acknowledged.
        share_changed: takes up the municipalities of a slot before its messages come.
        sessions_changed: told the clients that receive now.
        leads: told until when (monotonic seconds) the platform's jobs are this worker's.
    """

    def __init__(
        self,
        number: WorkerNumber,
        settings: Settings,
        *,
        state: State,
        lamps: Lamps,
        receive: Callable[[Message], None],
        afterwards: Callable[[Callable[[], None]], object],
        share_changed: Callable[[], None],
        sessions_changed: Callable[[list[MqttClient]], None],
        leads: Callable[[float], None],
    ) -> None:
        self._number = number
        self._settings = settings
        self._state = state
        self._lamps = lamps
        self._receive = receive
        self._afterwards = afterwards
        self._share_changed = share_changed
        self._sessions_changed = sessions_changed
        self._leads = leads
        self._topics = Topics(settings.mqtt_topic_root)
        self._hold_s = settings.worker_lease_s
        self._hold = timedelta(seconds=self._hold_s)
        self._tick_s = self._hold_s / TICKS_PER_LEASE
        self._renewed_s = math.inf
        self._patient_until_s = 0.0
        self._holder = f"{number} {uuid4().hex}"
        self._name = f"worker/{number.index}"
        self._slots: dict[int, Slot | None] = {}
        self._shares: dict[str, Share] = {}
        self._retiring = False
        self._stopping = threading.Event()
        self._trouble = RepeatedTrouble(logger, f"worker {number.index} of {number.count}")
        self._thread = threading.Thread(target=self._run, name="workers")

    def tenure(self) -> Tenure:
        """Which municipalities are this worker's."""
        slots = tuple(self._slots)
        held = {
            name: (share.marker, share.ended)
            for name, share in self._shares.items()
            if any(hears(slot, share) for slot in slots)
        }
        elsewhere = frozenset(self._shares.keys() - held.keys())
        return Tenure(held, elsewhere, CATCH_ALL if CATCH_ALL in slots else None)

    def wait_for_place(self, stop: threading.Event) -> bool:
        """Take this worker's number; waits while another process has it (a killed one until its lease ends).

        False: `stop` was set before.

        Raises:
            StorageError: the state database failed.
        """
        waited = False
        while not self._acquire(self._name):
            if not waited:
                logger.info("worker %d runs already or has just been killed: waiting", self._number.index)
            waited = True
            if stop.wait(self._tick_s):
                return False
        return True

    def start(self) -> None:
        """Begin to keep slots."""
        self._thread.start()

    def retire(self) -> None:
        """Take nothing over any more; what we have goes on."""
        self._retiring = True

    def pause(self) -> None:
        """Take no more messages and change nothing any more; what is in hand can still be acknowledged."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        for session in self._sessions(self._slots):
            session.mqtt.pause()

    def leave(self) -> None:
        """End the sessions here and give everything back: the others take over at once."""
        for session in self._sessions(self._slots):
            session.close()
        names = [self._name, JOBS, *map(_lease, self._slots)]
        try:
            self._state.leases.release(names, self._holder)
        except KreispulsError as error:
            logger.warning("leases are not given back, they run out by themselves: %s", error)

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
            if self._stopping.wait(self._tick_s):
                return

    def tick(self) -> None:
        """Renew what is ours, take what has become ours, give back what others are to have.

        Raises:
            StorageError: the state database failed; what we keep we keep on, nobody else can take it meanwhile.
            BrokerError: a subscription failed.
        """
        leases = self._state.leases
        kept = leases.renew([self._name, *map(_lease, self._slots)], self._holder, hold=self._hold)
        patient = self._is_patient(time.monotonic()) or self._retiring
        if self._name not in kept:
            self._acquire(self._name)  # we were too slow, and another process may have our number
        self._end([slot for slot in self._slots if _lease(slot) not in kept])
        rows = leases.all()
        workers = [row for row in rows if row.live and row.name.startswith("worker/")]
        numbers = [WorkerNumber.parse(row.holder.split()[0]) for row in workers]
        live = [number.index for number in numbers]
        slots = {int(row.name.removeprefix("slot/")) for row in rows if row.name.startswith("slot/")}
        slots |= set(range(self._number.count + 1))
        if not patient:
            self._keep_right_slots(slots, live)
            self._lead(wanted=keeper_of(CATCH_ALL, live) == self._number.index)
        for session in self._sessions(self._slots):
            session.settle(self._state.shares)
        self._shares = self._state.shares.all()
        self._share_changed()
        self._open_sessions()
        # While workers of several counts run, nothing moves: they would take it from each other for ever.
        agreed = not patient and all(number.count == self._number.count for number in numbers)
        self._subscribe_all(time.monotonic() + self._hold_s / 3, agreed=agreed)

    def _is_patient(self, now_s: float) -> bool:
        """Whether to change nothing yet: when we could not renew in time, others could not either, and yet they live.

        The state database was away, or the machine stood still. They have as long as a lease to come back.
        """
        if now_s - self._renewed_s > self._hold_s:
            self._patient_until_s = now_s + self._hold_s
        self._renewed_s = now_s
        return now_s < self._patient_until_s

    def _subscribe_all(self, deadline_s: float, *, agreed: bool) -> None:
        trouble: BrokerError | None = None
        for session in sorted(self._sessions(self._slots), key=lambda session: session.tried_s):
            session.expect(self._shares.values())
            if session.slot != CATCH_ALL and session.mqtt.connected and time.monotonic() < deadline_s:
                session.tried_s = time.monotonic()
                try:
                    self._subscribe(session, agreed=agreed)
                except BrokerError as error:
                    trouble = error
            if session.mqtt.connected:
                session.send_markers()
        if trouble is not None:
            raise trouble

    def _lead(self, *, wanted: bool) -> None:
        """Lead the platform's jobs as long as the lease is certain; who is to lead no more lets it run out."""
        until_s = time.monotonic() + self._hold_s
        if wanted and self._acquire(JOBS):
            self._leads(until_s)

    def _keep_right_slots(self, slots: Iterable[int], live: list[int]) -> None:
        ours = {slot for slot in slots if keeper_of(slot, live) == self._number.index}
        for slot in sorted(ours - self._slots.keys()):
            if self._acquire(_lease(slot)):
                self._slots[slot] = None
        self._give([slot for slot in self._slots if slot not in ours])

    def _open_sessions(self) -> None:
        for slot, session in list(self._slots.items()):
            if session is None:
                opened = self._slots[slot] = Slot(
                    slot,
                    self._settings,
                    self._topics,
                    self._shares,
                    receive=self._receive,
                    afterwards=self._afterwards,
                )
                self._tell_sessions()
                opened.mqtt.start()
                logger.info("worker %d keeps slot %d", self._number.index, slot)

    def _give(self, slots: list[int]) -> None:
        """Give slots back: what is in hand is finished first, so that nothing of it comes to the next keeper too."""
        sessions = self._sessions(slots)
        for session in sessions:
            session.mqtt.pause()
        if sessions:
            finished = threading.Event()
            self._afterwards(finished.set)
            if not finished.wait(self._hold_s / 3):  # others' leases must not run out over it
                logger.warning("slots %s are given back before all in hand is stored: some comes twice", slots)
        self._end(slots)

    def _end(self, slots: list[int]) -> None:
        sessions = self._sessions(slots)
        for slot in slots:
            del self._slots[slot]
        for session in sessions:
            session.close()
            logger.info("worker %d keeps slot %d no more", self._number.index, session.slot)
        if slots:
            self._tell_sessions()
            self._state.leases.release(map(_lease, slots), self._holder)

    def _acquire(self, name: str) -> bool:
        return self._state.leases.acquire(name, self._holder, hold=self._hold)

    def _sessions(self, slots: Iterable[int]) -> list[Slot]:
        return [session for slot in slots if (session := self._slots[slot]) is not None]

    def _tell_sessions(self) -> None:
        self._sessions_changed([session.mqtt for session in self._sessions(self._slots)])

    def _subscribe(self, session: Slot, *, agreed: bool) -> None:
        """Hear what the slot serves, claim what it is to serve, and end what it has handed over."""
        known = {municipality.municipality for municipality in self._lamps.municipalities}
        claimed = claims(session.slot, known, self._shares, self._number.count) if agreed else []
        heard = {name for name, share in self._shares.items() if hears(session.slot, share)}
        new = (heard | {claim.municipality for claim in claimed}) - session.subscribed
        if new:
            # The marker among them: who does not hear it must claim nothing.
            filters = [self._topics.marker, *(self._topics.events_of(name) for name in sorted(new))]
            session.mqtt.subscribe(filters, SUBSCRIBE_S)
            session.subscribed |= new
            session.unsubscribed -= new
        if claimed:
            # Taken up before others learn of the claim: the marker may come at once, and messages after it.
            self._shares = self._shares | {claim.municipality: claim for claim in claimed}
            self._share_changed()
            session.expect(self._shares.values())
            self._state.shares.claim(claimed, _lease(session.slot), self._holder)
            self._shares = self._state.shares.all()  # a claim may have been refused: then its marker is never sent
        # Also what an earlier keeper of this session left subscribed; a session does not say what it hears.
        elsewhere = {name for name, share in self._shares.items() if not hears(session.slot, share)}
        elsewhere -= session.unsubscribed
        if elsewhere:
            session.mqtt.unsubscribe([self._topics.events_of(name) for name in sorted(elsewhere)], SUBSCRIBE_S)
            session.subscribed -= elsewhere
            session.unsubscribed |= elsewhere


def _lease(slot: int) -> str:
    return f"slot/{slot}"
