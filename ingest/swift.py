"""How the interpreter is tuned for ingest."""

import gc
import sys


def be_swift() -> None:
    """Tune the interpreter for many small objects and for threads that must not wait for each other.

    What is loaded by now stays until the end, so the garbage collector need not look through it again. It looks through
    few objects at a time (each look stops everything: 2 ms for 10,000), and messages form no cycles, so seldom through
    more. A thread that has something to do gets its turn after 0.1 ms instead of 5 ms. Measured: docs/performance.md.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(2_000, 5, 1_000)
    sys.setswitchinterval(0.0001)
