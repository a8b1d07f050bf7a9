"""The keeping process as the receiving one sees it: started, told, heard."""

import logging
import multiprocessing
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess, SpawnProcess
from typing import Final

from core.errors import KreispulsError
from core.settings import Settings
from ingest.batch_queue import BatchQueue
from ingest.pipe import Answered, Failed, Ready, Said, Stop

logger = logging.getLogger(__name__)

SAID_AT_ONCE: Final = 500
SAID_WITHIN_S: Final = 0.02
"""How long what is to be said is collected: each waking of a thread may cost the network thread its turn."""
COLLECT_S: Final = 0.01
LOOK_EVERY_S: Final = 0.1


class KeepingProcess:
    """Hands everything over in the order in which it is put; answers come back.

    Args:
        settings: those of ingest.
        own_process: False keeps in a thread of this process: light then waits for the stores' work.
        drains: the session is to be emptied: what comes is kept, lights and rules are nobody's.
    """

    def __init__(self, settings: Settings, *, own_process: bool = True, drains: bool = False) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        if own_process:
            # Forked it is there at once and shares the memory of what is imported; elsewhere that is not safe.
            process = ForkProcess if sys.platform == "linux" else SpawnProcess
            self._keeping: ForkProcess | SpawnProcess | threading.Thread = process(
                target=_keep_as_process, args=(settings, theirs, self._pipe, drains), name="keeping"
            )
        else:
            self._keeping = threading.Thread(target=_keep, args=(settings, theirs, drains), name="keeping")
        self._keeping.start()
        if own_process:
            theirs.close()
        self._queue: BatchQueue[Said] = BatchQueue(largest=SAID_AT_ONCE, max_age_s=SAID_WITHIN_S, idle_s=COLLECT_S)
        self._failure: KreispulsError | None = None
        self._says = threading.Thread(target=self._say_all, name="to-keeping")
        self._hears = threading.Thread(name="from-keeping")

    def wait_ready(self, stop: threading.Event, heed: Callable[[Answered], None]) -> Ready | None:
        """Wait until messages may come; `heed` gets what is said before. None: `stop` was set.

        Raises:
            KreispulsError: why they may not.
        """
        while True:
            while not self._pipe.poll(LOOK_EVERY_S):
                if stop.is_set():
                    return None
            try:
                answer = self._pipe.recv()
            except EOFError as error:
                raise KreispulsError("the keeping process of ingest ended while it started") from error
            if isinstance(answer, Failed):
                raise answer.error
            if isinstance(answer, Ready):
                return answer
            heed(answer)

    def start(self, heed: Callable[[Answered], None]) -> None:
        """Begin to hand over and to hear; `heed` gets what is said, on a thread of its own."""
        self._hears = threading.Thread(target=self._hear, args=(heed,), name="from-keeping")
        self._says.start()
        self._hears.start()

    @property
    def lives(self) -> bool:
        """Whether it still keeps what it gets."""
        return self._failure is None and self._keeping.is_alive()

    @property
    def failure(self) -> KreispulsError:
        """Why it ended by itself."""
        return self._failure or KreispulsError(
            "the keeping process of ingest has ended by itself: nothing is lost, start again"
        )

    def put(self, item: Said) -> bool:
        """Hand something over; waits while too much waits. False: not taken, we are stopping."""
        return self._queue.put(item)

    def stop(self) -> None:
        """Have everything in hand finished and acknowledged, unless a store is away: then the broker keeps it."""
        self._queue.close()
        if self._says.is_alive():
            self._says.join()
        try:
            self._pipe.send([Stop()])
        except OSError:
            logger.debug("the keeping process is gone already")
        self._keeping.join()
        if self._hears.is_alive():
            self._hears.join()
        self._pipe.close()

    def _say_all(self) -> None:
        try:
            while len(self._queue) or not self._queue.closed.is_set():
                said = self._queue.take()
                if said:
                    self._pipe.send(said)
        except OSError:  # it is gone; who looks whether it lives says so
            self._queue.close()

    def _hear(self, heed: Callable[[Answered], None]) -> None:
        while True:
            try:
                answer = self._pipe.recv()
            except (EOFError, OSError):
                return
            try:
                if isinstance(answer, Failed):
                    self._failure = answer.error
                else:
                    heed(answer)
            except Exception:  # a fault of ours in one answer must not end the acknowledging
                logger.exception("an answer of the keeping process was not heeded")


def _keep_as_process(settings: Settings, pipe: Connection, parents_end: Connection, drains: bool) -> None:  # noqa: FBT001
    parents_end.close()  # forked with the process; held here, the pipe would not end with the parent
    from ingest.keeping.process import keep_as_process  # noqa: PLC0415 - the receiving process loads no store

    keep_as_process(settings, pipe, drains=drains)


def _keep(settings: Settings, pipe: Connection, drains: bool) -> None:  # noqa: FBT001
    from ingest.keeping.process import keep  # noqa: PLC0415

    keep(settings, pipe, drains=drains)
