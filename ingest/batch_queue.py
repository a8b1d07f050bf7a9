"""A queue between threads that takes single items and gives batches, without a lock for each item."""

import threading
import time
from collections import deque
from typing import Final, Generic, TypeVar

IDLE_S: Final = 0.005
"""A batch also ends when nothing has come for this long: brokers stop sending when too much is unacknowledged."""
MAX_WAITING: Final = 100_000

Item = TypeVar("Item")


class BatchQueue(Generic[Item]):
    """Several threads put, one takes. Who puts waits while too many wait.

    Args:
        largest: items in a batch at most.
        max_age_s: how long a batch is filled at most.
        idle_s: it ends earlier when nothing has come for so long.
    """

    def __init__(self, *, largest: int, max_age_s: float, idle_s: float = IDLE_S) -> None:
        self._largest = largest
        self._max_age_s = max_age_s
        self._idle_s = idle_s
        self._queue: deque[Item] = deque()
        self._came = threading.Event()
        self._idle = False
        self._closed = threading.Event()

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def closed(self) -> threading.Event:
        """Set when nothing more is taken in; what waits is still given out."""
        return self._closed

    def close(self) -> None:
        """Take nothing more in."""
        self._closed.set()
        self._came.set()

    def put(self, item: Item) -> bool:
        """Queue an item, waiting while too many wait; False: closed, the item is not taken."""
        while len(self._queue) >= MAX_WAITING and not self._closed.is_set():
            time.sleep(IDLE_S)
        if self._closed.is_set():
            return False
        self._queue.append(item)  # no lock and, while a batch fills, nobody to wake: this runs for every message
        if self._idle:
            self._came.set()
        return True

    def take(self) -> list[Item]:
        """The next batch, by size or age; may be empty, at the latest after 0.1 s without any item."""
        waiting, largest = self._queue, self._largest
        if not waiting:
            self._idle = True
            if not waiting:  # what came before the flag was seen sets no event
                self._came.wait(0.1)
            self._idle = False
            if not self._closed.is_set():
                self._came.clear()
        deadline = time.monotonic() + self._max_age_s
        count = 0
        while count < len(waiting) < largest and (patience := deadline - time.monotonic()) > 0:
            count = len(waiting)
            time.sleep(min(self._idle_s, patience))
        return [waiting.popleft() for _ in range(min(len(waiting), largest))]
