"""The two processes of ingest end together, whichever is killed, and nothing is missing."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

Wait = Callable[..., Any]
MESSAGES = 2000


def keeping_of(process: Any) -> int:
    """The process that ingest has started first."""
    (child, *_) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(child)


def test_the_keeping_process_is_killed_and_ingest_ends_and_nothing_is_missing(site: Any, wait_until: Wait) -> None:
    with site.ingest() as process:
        counter = site.publish(range(MESSAGES))
        wait_until(lambda: counter.acknowledged > MESSAGES // 4, "a quarter is published")
        os.kill(keeping_of(process), signal.SIGKILL)
        assert process.wait() == 1, "so that whoever watches over it starts it again"
    with site.ingest():
        counter.finish()
        wait_until(lambda: len(site.stored()) >= MESSAGES, "all are stored")
    assert site.stored() == list(range(MESSAGES))


def test_the_receiving_process_is_killed_and_takes_the_other_with_it(site: Any, wait_until: Wait) -> None:
    with site.ingest() as process:
        keeping = Path(f"/proc/{keeping_of(process)}")
        assert keeping.exists()
        process.kill()
        process.wait()
        wait_until(lambda: not keeping.exists() or "State:\tZ" in (keeping / "status").read_text(), "it has ended")


def test_a_signal_to_both_at_once_stops_in_order(site: Any, wait_until: Wait) -> None:
    """As Ctrl-C in a terminal, or a service manager that signals all processes of a service."""
    with site.ingest() as process:
        counter = site.publish(range(MESSAGES))
        wait_until(lambda: counter.acknowledged > MESSAGES // 4, "a quarter is published")
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(keeping_of(process), number)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
        counter.finish()
    stored = len(site.stored())
    assert stored + site.unacknowledged() == MESSAGES, "what is stored is acknowledged, what is not is the broker's"
