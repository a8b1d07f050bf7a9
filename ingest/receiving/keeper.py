"""The keeping process as the receiving one sees it: started, told, heard."""

import itertools
import logging
import multiprocessing
import sys
import threading
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkProcess, SpawnProcess
from typing import Final

from core.errors import KreispulsError
from core.settings import Settings
from ingest.batch_queue import Intake
from ingest.keeping.process import keep, keep_as_process
from ingest.pipe import (
    Begin,
    Connected,
    Durable,
    Failed,
    Following,
    Heard,
    Lead,
    Lit,
    Publish,
    Ready,
    Received,
    Said,
    Sent,
    Stop,
    Token,
)
from ingest.sharing import Tenure

logger = logging.getLogger(__name__)

SAID_AT_ONCE: Final = 500
SAID_WITHIN_S: Final = 0.02
"""How long what is to be said is collected: each waking of a thread may cost the network thread its turn."""
COLLECT_S: Final = 0.01
LOOK_EVERY_S: Final = 0.1


class Keeper:
    """Hands everything over in the order in which it is put; acknowledgements come back.

    Args:
        settings: those of the worker.
        shared: municipalities are shared out among workers.
        own_process: False keeps in a thread of this process: light then waits for the stores' work.
    """

    def __init__(self, settings: Settings, *, shared: bool, own_process: bool = True) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        self._shared = shared
        if own_process:
            # Forked it is there at once and shares the memory of what is imported; elsewhere that is not safe.
            process = ForkProcess if sys.platform == "linux" else SpawnProcess
            self._keeping: ForkProcess | SpawnProcess | threading.Thread = process(
                target=keep_as_process, args=(settings, theirs, self._pipe), kwargs={"shared": shared}, name="keeping"
            )
        else:
            self._keeping = threading.Thread(
                target=keep, args=(settings, theirs), kwargs={"shared": shared}, name="keeping"
            )
        self._keeping.start()
        if own_process:
            theirs.close()
        self._intake: Intake[Said] = Intake(largest=SAID_AT_ONCE, max_age_s=SAID_WITHIN_S, idle_s=COLLECT_S)
        self._numbers = itertools.count()
        self._afterwards: dict[int, Callable[[], None]] = {}
        self._tenure: Tenure | None = None
        self._says = threading.Thread(target=self._say_all, name="to-keeping")
        self._hears = threading.Thread(name="from-keeping")

    def open_stores(self, stop: threading.Event) -> bool:
        """Have the stores opened, once the state database has its tables; False: `stop` was set before they were.

        Raises:
            KreispulsError: why they could not be opened.
        """
        self._pipe.send([Begin()])
        return self.wait_ready(stop)

    def wait_ready(self, stop: threading.Event) -> bool:
        """Wait for it to have done what it was told, at first to start; False: `stop` was set before.

        Raises:
            KreispulsError: why it could not.
        """
        while not self._pipe.poll(LOOK_EVERY_S):
            if stop.is_set():
                return False
        try:
            answer = self._pipe.recv()
        except EOFError as error:
            raise KreispulsError("the keeping process of ingest ended while it started") from error
        if isinstance(answer, Failed):
            raise answer.error
        assert isinstance(answer, Ready)  # noqa: S101 - it says nothing else before
        return True

    def start(
        self,
        *,
        acknowledge: Callable[[Sequence[tuple[int, int]]], None],
        hear: Callable[[Heard], None],
        publish: Callable[[str, bytes, int], None],
    ) -> None:
        """Begin to hand over and to hear.

        Args:
            acknowledge: told which messages (connection, packet identifier) are durable.
            hear: told what lamps said.
            publish: sends a payload to a topic with a QoS.
        """
        self._hears = threading.Thread(target=self._hear, args=(acknowledge, hear, publish), name="from-keeping")
        self._says.start()
        self._hears.start()

    @property
    def lives(self) -> bool:
        """Whether it still keeps what it gets."""
        return self._keeping.is_alive()

    def put(self, item: Received | Sent | Lit | Following | Connected) -> bool:
        """Hand something over; waits while too much waits. False: not taken, we are stopping."""
        return self._intake.put(item)

    def afterwards(self, run: Callable[[], None]) -> None:
        """Do something quick when all that was put before is durable and acknowledged; not when told to stop."""
        number = next(self._numbers)
        self._afterwards[number] = run
        self._intake.put(Token(number))

    def share(self, tenure: Tenure) -> None:
        """Have the devices of these municipalities judged."""
        if tenure != self._tenure:
            self._tenure = tenure
            self._intake.put(tenure)

    def lead(self, until_s: float) -> None:
        """Have the platform's jobs run until then (monotonic seconds)."""
        self._intake.put(Lead(until_s))

    def stop(self) -> None:
        """Have everything in hand finished and acknowledged, unless a store is away: then the broker keeps it."""
        self._intake.close()
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
            while len(self._intake) or not self._intake.closed.is_set():
                said = self._intake.take()
                if said:
                    self._pipe.send(said)
        except OSError:  # it is gone; who looks whether it lives says so
            self._intake.close()

    def _hear(
        self,
        acknowledge: Callable[[Sequence[tuple[int, int]]], None],
        hear: Callable[[Heard], None],
        publish: Callable[[str, bytes, int], None],
    ) -> None:
        while True:
            try:
                answer = self._pipe.recv()
            except (EOFError, OSError):
                return
            try:
                match answer:
                    case Durable(deliveries):
                        acknowledge(deliveries)
                    case Heard():
                        hear(answer)
                    case Publish(topic, payload, qos):
                        publish(topic, payload, qos)
                    case Token(number):
                        self._afterwards.pop(number)()
                    case Failed(error):
                        logger.error("%s", error)
            except Exception:  # a fault of ours in one answer must not end the acknowledging
                logger.exception("an answer of the keeping process was not heeded")
