"""What programs ask of the machine."""

import subprocess
import sys
from pathlib import Path

import pytest

ASK = """
import os, sys
from core.processes import request_slice
before = os.nice(0)
os.nice(5)
request_slice(0.0001)
asked = [line.split(":")[1].strip() for line in open("/proc/self/sched") if line.startswith("se.slice")]
print(asked, os.nice(0) - before)
"""
ELSEWHERE = """
import platform
from core.processes import request_slice
platform.machine = lambda: "riscv64"
request_slice(1)
print("nothing")
"""


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(not Path("/proc/self/sched").exists(), reason="this kernel does not show what threads asked for")
def test_a_short_turn_is_asked_for_and_niceness_stays() -> None:
    assert run(ASK) in ("['100000'] 5\n", "[] 5\n"), "in nanoseconds; an older kernel shows none"


def test_where_it_cannot_be_asked_for_nothing_changes() -> None:
    assert run(ELSEWHERE) == "nothing\n"
