"""How programs are told to stop."""

import subprocess
import sys

import pytest

BEGIN = """
import os, signal, threading
from cli.programs import stop_event
stop = stop_event()
"""
AS_IT_BEGINS_TO_WAIT = """
with stop._cond:  # as `stop.wait()` has it for a moment
    os.kill(os.getpid(), signal.SIGTERM)
"""
WITHOUT_WAKING_THE_MAIN_THREAD = """
def tell():
    while not stop._cond._waiters:
        pass
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
threading.Thread(target=tell).start()
"""


@pytest.mark.parametrize("moment", [AS_IT_BEGINS_TO_WAIT, WITHOUT_WAKING_THE_MAIN_THREAD])
def test_a_signal_at_a_bad_moment_stops_the_program(moment: str) -> None:
    program = BEGIN + moment + "stop.wait()"
    subprocess.run([sys.executable, "-c", program], timeout=60, check=True)
