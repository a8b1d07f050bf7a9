"""Runs programs of the platform as processes: starts them again when they die, leaves none behind."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

logger = logging.getLogger(__name__)

GRACE_S: Final = 10.0
LONGEST_PAUSE_S: Final = 10.0


@dataclass(slots=True)
class Program:
    """One supervised program."""

    name: str
    arguments: list[str]
    log_file: Path
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    start_after: float = 0.0
    output: IO[bytes] | None = field(default=None, repr=False)

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self.process.pid if self.process and self.process.poll() is None else None

    def last_words(self) -> str:
        """The last line of its log."""
        try:
            lines = self.log_file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1] if lines else ""


class Supervisor:
    """Programs get SIGTERM on `stop`, and end by themselves when we are killed: their standard input ends with us."""

    def __init__(self, environment: Mapping[str, str], log_dir: Path) -> None:
        self._environment = {**os.environ, **environment}
        self._log_dir = log_dir
        self.programs: dict[str, Program] = {}
        log_dir.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, *arguments: str, pipe_output: bool = False) -> Program:
        """Start a program: `kreispuls NAME ARGUMENTS`. With `pipe_output` its standard output can be read."""
        program = Program(name, [name, *arguments, "--stop-on-eof"], self._log_dir / f"{name}.log")
        self.programs[name] = program
        self._spawn(program, pipe_output=pipe_output)
        return program

    def _spawn(self, program: Program, *, pipe_output: bool = False) -> None:
        with program.log_file.open("ab") as log:
            program.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                # -P: the folder we are called in may have packages of our names
                [sys.executable, "-P", "-m", "cli.main", *program.arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if pipe_output else log,
                stderr=log,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is for us; we tell them in our order
            )
        program.output = program.process.stdout if pipe_output else None

    def restart_dead(self) -> list[Program]:
        """Start again what has died, after a growing pause; the programs started."""
        now = time.monotonic()
        started = []
        for program in self.programs.values():
            if program.process is None or program.process.poll() is None:
                continue
            if program.start_after == 0.0:
                pause = min(LONGEST_PAUSE_S, 0.2 * 2**program.restarts)
                program.start_after = now + pause
                logger.warning(
                    "%s ended with status %s: starting it again in %.1f s",
                    program.name,
                    program.process.returncode,
                    pause,
                )
            if now >= program.start_after:
                program.start_after = 0.0
                program.restarts += 1
                _close_pipes(program.process)
                self._spawn(program)
                started.append(program)
        return started

    def stop(self) -> None:
        """Stop all, the last started first; what does not end in time is killed."""
        running = [program for program in reversed(self.programs.values()) if program.process is not None]
        for program in running:
            if program.process is not None:
                _signal(program.process, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_S
        for program in running:
            if program.process is None:
                continue
            try:
                program.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                logger.warning("%s did not end in %.0f s and is killed", program.name, GRACE_S)
                _signal(program.process, signal.SIGKILL)
                program.process.wait()
            # Helpers of a program (the planner's children) are in its session: none stays.
            _signal_group(program.process.pid, signal.SIGKILL)
            _close_pipes(program.process)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(number)


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
