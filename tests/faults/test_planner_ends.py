"""A killed ingest leaves no process behind: the one that plans pickups ends by itself."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Wait = Callable[..., Any]
ROOT = Path(__file__).parents[2]
PARENT = """
import multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor
from core.processes import end_with_parent
if __name__ == "__main__":
    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=end_with_parent)
    print(pool.submit(os.getpid).result(), flush=True)
    sys.stdin.readline()
"""


def test_killed_it_takes_the_planner_with_it(tmp_path: Path, wait_until: Wait) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, str(script)], env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with parent:
        assert parent.stdout is not None
        planner = Path(f"/proc/{int(parent.stdout.readline())}")
        assert planner.exists()
        parent.kill()
    wait_until(lambda: not planner.exists(), "the planner is gone")
