"""How tests wait for what other threads and processes do."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

PATIENCE_S: Final = 240.0
"""At most so long for what must happen: a machine that is busy with other things has its time, too."""
T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str, timeout_s: float = PATIENCE_S) -> T:
    """Wait for a condition to become true, and give its value; fails after a deadline, saying what did not happen."""
    deadline = time.monotonic() + timeout_s
    while True:
        asked_s = time.monotonic()
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"within {timeout_s:g} s this did not happen: {what} (last seen: {value!r})")
        # What is costly to ask is asked more seldom: what is waited for needs the processor, too.
        time.sleep(max(0.01, 2 * (time.monotonic() - asked_s)))
