"""Processes that programs start for work that takes long, and how the interpreter in them is tuned."""

import gc
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable


def end_with_parent(last: Callable[[], None] = lambda: None, within_s: float = 1.0) -> None:
    """End this process when the one that started it is gone; killed, that could not tell it to.

    `last` is done before, if it takes no longer than `within_s`.
    """
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            doing = threading.Thread(target=last, name="last", daemon=True)
            doing.start()
            doing.join(within_s)
            os._exit(1)

    threading.Thread(target=wait, name="parent", daemon=True).start()


def tune_interpreter() -> None:
    """Tune the interpreter for many small objects and for threads that must not wait for each other.

    Called at the start and when all is loaded: what is there by now stays until the end, so the garbage collector need
    not look through it again. It looks through few objects at a time (each look stops everything: 2 ms for 10,000), and
    messages form no cycles, so seldom through more. A thread that has something to do gets its turn after 0.1 ms
    instead of 5 ms. Measured: docs/performance.md.
    """
    gc.freeze()
    gc.set_threshold(2_000, 5, 1_000)
    sys.setswitchinterval(0.0001)
