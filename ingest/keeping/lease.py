"""The lease on a session at the broker: one ingest serves it, others with the same settings stand by."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import uuid4

from core.errors import ConflictError, StorageError
from core.logs import RepeatedTrouble
from ingest.wait_for_database import Stop, StoppedWaitingError
from state.leases import Leases

logger = logging.getLogger(__name__)

RENEWALS: Final = 6
"""How often a lease is renewed within its time."""
JOBS: Final = "jobs"
"""The lease on the jobs that the platform needs once."""


class SessionLease:
    """Taken before the session is opened, renewed on a thread of its own, given back when all in hand is durable.

    Args:
        session: name of the session.
        hold_s: after so long without renewal it is anybody's.
        clock: seconds that never go back.
    """

    def __init__(
        self, leases: Leases, session: str, hold_s: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._leases = leases
        self._session = session
        self._name = f"ingest/{session}"
        self._hold = timedelta(seconds=hold_s)
        self._clock = clock
        self._holder = f"{socket.gethostname()} {os.getpid()} {uuid4().hex}"
        self._patient_until_s = 0.0
        self._jobs_until_s = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(name="lease")

    @property
    def leads(self) -> bool:
        """Whether the platform's jobs are this process's; trusted only while the lease on them cannot have run out."""
        return self._clock() < self._jobs_until_s

    def wait(self, stop: Stop) -> None:
        """Take the lease; stand by while another ingest has it.

        Raises:
            StoppedWaitingError: told to stop meanwhile.
        """
        waits = False
        while not self.try_take():
            if not waits:
                logger.info("another ingest serves the session %s: this one stands by", self._session)
            waits = True
            if stop.wait(self._hold.total_seconds() / RENEWALS):
                raise StoppedWaitingError
        if waits:
            logger.warning("the session %s is served by this ingest now", self._session)

    def try_take(self) -> bool:
        """Whether the lease is ours now.

        While the state database was away nobody could renew: who has the lease gets as long as it lasts to do so.
        """
        try:
            if self._clock() < self._patient_until_s:
                self._leases.all()
                return False
            # As of now: while the database makes us wait, it makes the one wait too who wants to renew.
            return self._leases.acquire(self._name, self._holder, self._leases.now(), hold=self._hold)
        except StorageError as error:
            logger.warning("the lease on the session %s cannot be taken: %s", self._session, error)
            self._patient_until_s = self._clock() + self._hold.total_seconds()
            return False

    def keep(self, lost: Callable[[ConflictError], None]) -> None:
        """Renew it from now on; `lost` is called once, on another thread, when somebody else has it."""
        self._thread = threading.Thread(target=self._renew_again_and_again, args=(lost,), name="lease")
        self._thread.start()

    def renew(self) -> bool:
        """Whether the lease is still ours; then the jobs are too, unless another ingest runs them.

        Raises:
            StorageError: the state database failed; nobody else can take the lease meanwhile.
        """
        until_s = self._clock() + self._hold.total_seconds()
        if self._name not in self._leases.renew([self._name], self._holder, hold=self._hold):
            self._jobs_until_s = 0.0
            return False
        if self._leases.acquire(JOBS, self._holder, hold=self._hold):
            self._jobs_until_s = until_s
        return True

    def release(self) -> None:
        """Renew it no more and give it back: who stands by takes over at once."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self.give_back()

    def give_back(self) -> None:
        """Let others have it, at the end of this process."""
        self._jobs_until_s = 0.0
        try:
            self._leases.release([self._name, JOBS], self._holder)
        except StorageError as error:
            logger.warning("the lease on the session %s is not given back, it runs out: %s", self._session, error)

    def _renew_again_and_again(self, lost: Callable[[ConflictError], None]) -> None:
        trouble = RepeatedTrouble(logger, f"renewing the lease on the session {self._session}")
        while True:
            try:
                ours = self.renew()
            except StorageError as error:
                trouble.happened(str(error))
            except Exception:  # a fault of ours must not end the renewing
                logger.exception("renewing the lease failed and is tried again")
            else:
                trouble.over()
                if not ours:
                    lost(ConflictError(f"another ingest has taken over the session {self._session}"))
                    return
            if self._stopping.wait(self._hold.total_seconds() / RENEWALS):
                return
