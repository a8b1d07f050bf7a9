"""Runs planning jobs one after the other, each in a process of its own: the solver holds a core and may be killed."""

import logging
import multiprocessing
import queue
import signal
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from typing import Final

from actions.pickups.plan import run_plan
from core.clock import utc_now
from core.errors import ConflictError, KreispulsError
from core.logs import configure_logging
from core.pickup import PlanState
from core.processes import end_with_parent
from core.settings import Settings
from readings.open import open_readings
from state.state import State, open_state

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 50
"""Jobs that may wait; more are refused."""
_STOPPED: Final = "the API was stopped"
_OVER: Final = (PlanState.DONE, PlanState.FAILED, PlanState.CANCELLED)


@dataclass(frozen=True, slots=True)
class PlanJob:
    """A plan to be made; it is in the state database as queued."""

    plan_id: str
    time_limit_s: float
    seed: int


class Planner:
    """A queue of planning jobs and the thread that starts and watches their processes."""

    def __init__(self, settings: Settings, state: State) -> None:
        self._settings = settings
        self._state = state
        self._jobs: queue.Queue[PlanJob | None] = queue.Queue(MAX_WAITING)
        self._stopping = threading.Event()
        self._process: BaseProcess | None = None
        self._plan_id: str | None = None
        """Of the job in hand."""
        self._process_lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="planner", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def submit(self, job: PlanJob) -> None:
        """Queue a job.

        Raises:
            ConflictError: too many wait already; the plan is marked failed.
        """
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            self._failed(job, "too many plans wait")
            raise ConflictError(f"{MAX_WAITING} plans wait already; ask again when some are done") from None

    def cancelled(self, plan_id: str) -> None:
        """End the process of a plan that was cancelled, if it is the one in hand; those that wait are passed over."""
        with self._process_lock:
            if self._process is not None and self._plan_id == plan_id:
                self._process.terminate()

    def stop(self) -> None:
        """End the job in hand and drop those that wait; their plans are marked failed."""
        self._stopping.set()
        try:
            self._jobs.put_nowait(None)
        except queue.Full:
            logger.debug("the planner sees that it is to stop after its job")
        with self._process_lock:
            if self._process is not None:
                self._process.terminate()
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._stopping.is_set():
                self._failed(job, _STOPPED)
                if self._jobs.empty():
                    return
                continue
            self._run(job)

    def _run(self, job: PlanJob) -> None:
        if self._is_over(job):
            return
        process = multiprocessing.get_context("spawn").Process(
            target=_make_plan, args=(self._settings, job), name=f"plan-{job.plan_id}"
        )
        with self._process_lock:
            if self._stopping.is_set():
                self._failed(job, _STOPPED)
                return
            try:
                process.start()
            except OSError as error:  # no memory or process left
                self._failed(job, f"planning did not start: {error.strerror}")
                return
            self._process, self._plan_id = process, job.plan_id
        process.join()
        with self._process_lock:
            self._process = self._plan_id = None
        if process.exitcode:
            self._failed(job, _STOPPED if self._stopping.is_set() else f"planning ended with status {process.exitcode}")
        process.close()

    def _is_over(self, job: PlanJob) -> bool:
        try:
            return self._state.pickups.plan_state(job.plan_id) in _OVER
        except KreispulsError:
            return False  # the process meets the same trouble and tells of it

    def _failed(self, job: PlanJob, reason: str) -> None:
        try:
            plan = self._state.pickups.get_plan(job.plan_id)
            if plan.state not in _OVER:
                failed = replace(plan, state=PlanState.FAILED, error=reason, finished_at=utc_now())
                self._state.pickups.save_plan(failed)
        except KreispulsError as error:
            logger.error("plan %s: %s; not noted: %s", job.plan_id, reason, error)


def _make_plan(settings: Settings, job: PlanJob) -> None:
    end_with_parent()  # it is no daemon, since the solver starts processes of its own
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the planner ends its process itself
    configure_logging(settings.log_level)
    try:
        with ExitStack() as stack:
            state = open_state(settings.state_url)
            stack.callback(state.close)
            readings = open_readings(settings)
            stack.callback(readings.close)
            run_plan(state, readings, job.plan_id, settings=settings, time_limit_s=job.time_limit_s, seed=job.seed)
    except KreispulsError as error:
        logger.error("plan %s: %s", job.plan_id, error)
        sys.exit(1)
