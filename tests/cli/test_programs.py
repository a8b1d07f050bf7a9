"""How programs are told to stop."""

import subprocess
import sys

PROGRAM = """
import os, signal
from cli.programs import stop_event
stop = stop_event()
with stop._cond:  # as inside stop.wait()
    os.kill(os.getpid(), signal.SIGTERM)
stop.wait()
print("stopped")
"""


def test_a_signal_that_interrupts_the_waiting_itself_stops_the_program() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "stopped\n"
