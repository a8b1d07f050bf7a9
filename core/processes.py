"""Processes that programs start for work that takes long, and how the interpreter in them is tuned."""

import ctypes
import gc
import multiprocessing
import os
import platform
import struct
import sys
import threading
from collections.abc import Callable
from typing import Final

NICENESS: Final = 10
"""Light goes first on a processor that both want: other work gets a tenth of it. Measured: docs/performance.md."""
_SCHED_SETATTR: Final = {"x86_64": 314, "aarch64": 274}
"""Number of the system call, which Python does not offer."""


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


def give_way() -> None:
    """Let light go first on a processor that this process wants too."""
    os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))


def request_slice(slice_s: float) -> None:
    """Ask for the processor so long at a time (0.1 to 100 ms; 0: as usual), for this thread and those that it starts.

    Since Linux 6.12 a thread that asks for short turns gets its turn at once when it wakes, before one that asks for
    long ones (EEVDF; sched_setattr(2)). No right is needed. Elsewhere nothing changes. Measured: docs/performance.md.
    """
    number = _SCHED_SETATTR.get(platform.machine()) if sys.platform == "linux" else None
    if number is not None:
        # struct sched_attr: size, policy (0: SCHED_OTHER), flags, nice, priority, runtime, deadline, period
        attributes = struct.pack("=IIQiIQQQ", 48, 0, 0, os.nice(0), 0, int(slice_s * 1e9), 0, 0)
        ctypes.CDLL(None).syscall(number, 0, ctypes.create_string_buffer(attributes), 0)
