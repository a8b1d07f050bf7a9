import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from cli.supervisor import Supervisor

Wait = Callable[..., Any]


@pytest.fixture
def supervisor(tmp_path: Path, free_port: int) -> Iterator[Supervisor]:
    made = Supervisor({"KREISPULS_MQTT_URL": f"mqtt://127.0.0.1:{free_port}"}, tmp_path / "logs")
    yield made
    made.stop()


def test_a_killed_program_is_started_again_and_stop_ends_it(supervisor: Supervisor, wait_until: Wait) -> None:
    program = supervisor.start("broker")
    first = program.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    started = wait_until(supervisor.restart_dead, "it is started again")
    assert started == [program]
    assert program.pid not in (None, first)
    supervisor.stop()
    assert program.pid is None


def test_last_words_are_the_last_line_of_the_log(supervisor: Supervisor, wait_until: Wait) -> None:
    program = supervisor.start("nonsense")
    wait_until(lambda: program.pid is None, "an unknown command ends")
    assert "No such command 'nonsense'" in program.last_words()


def test_programs_end_when_the_supervisor_is_killed(tmp_path: Path, free_port: int, wait_until: Wait) -> None:
    script = (
        "import sys, time; from pathlib import Path; from cli.supervisor import Supervisor;"
        f"s = Supervisor({{'KREISPULS_MQTT_URL': 'mqtt://127.0.0.1:{free_port}'}}, Path({str(tmp_path)!r}));"
        "print(s.start('broker').pid, flush=True); time.sleep(120)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the program has ended too")
