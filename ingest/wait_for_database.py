"""Waiting at the start for a database that is not there yet; until then no message is taken, the broker keeps them."""

import logging
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from core.errors import StorageUnavailableError
from core.logs import RepeatedTrouble

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Stop(Protocol):
    """An event that ends the waiting."""

    def wait(self, timeout: float) -> bool:
        """Wait at most so many seconds; whether to stop."""


RETRY_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses between tries of whatever needs a store; the last goes on."""


class StoppedWaitingError(Exception):
    """The program was told to stop meanwhile."""


class Patience:
    """Does what needs a database, again until it answers; says so when the waiting begins, changes and ends.

    Args:
        stop: ends the waiting.
    """

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._trouble = RepeatedTrouble(logger, "ingest waits and takes no messages yet")

    def until_done(self, step: Callable[[], T]) -> T:
        """What `step` gives, as soon as it can.

        Raises:
            StoppedWaitingError: the program is to stop.
        """
        tries = 0
        while True:
            try:
                done = step()
            except StorageUnavailableError as error:
                self._trouble.happened(str(error))
                if self._stop.wait(RETRY_S[min(tries, len(RETRY_S) - 1)]):
                    raise StoppedWaitingError from error
                tries += 1
            else:
                self._trouble.over()
                return done
