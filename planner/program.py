"""Makes the plans that wait, one child process at a time; one planner also does what the platform needs once."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import uuid4

from actions.pickups.find_weekly_round import find_missing_rounds
from actions.pickups.learn_places import learn_missing
from actions.pickups.plan_missing import plan_changed, plan_missing
from core.clock import utc_now
from core.errors import KreispulsError, StorageError
from core.logs import RepeatedTrouble
from core.settings import Settings
from planner.child import Child, begin_job, begin_plan
from readings.open import open_readings
from readings.store import ReadingStore
from state.plan_queue import BEAT_S, LEASE
from state.state import State, open_state

logger = logging.getLogger(__name__)

LOOK_S: Final = 0.5
"""So often the planner looks whether something is to be done, or was cancelled."""
LEASE_FOR: Final = timedelta(seconds=30)
"""What a killed planner did once for all, another one does after this."""
MISSING_EVERY_S: Final = 20.0
CHANGED_EVERY_S: Final = 60.0
TAKE_EVERY_S: Final = 10.0
JOB_EVERY_S: Final = 60.0


def run(settings: Settings, stop: threading.Event) -> None:
    """Plan until told to stop; what is being made then is put back for the next planner.

    Raises:
        SettingsError: a store's setting is wrong.
        StorageUnavailableError: the state database does not answer at the start; later that is waited for.
    """
    state = open_state(settings.state_url)
    readings = open_readings(settings, must_answer=False)
    try:
        planner = _Planner(settings, state, readings)
        logger.info("plans are made by %s", planner.name)
        while not stop.wait(LOOK_S):
            planner.look()
        planner.stop()
    finally:
        readings.close()
        state.close()


def learn(settings: Settings) -> None:
    """Learn how places fill, of the municipalities whose turn it is now."""
    learn_missing(settings, utc_now())


class _Planner:
    """What it is at, and when it does what next."""

    def __init__(self, settings: Settings, state: State, readings: ReadingStore) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._settings = settings
        self._state = state
        self._readings = readings
        self._child: Child | None = None
        self._beat = _Every(BEAT_S)
        self._leads_until_s = 0.0
        self._plan_is_next = False
        """Plans and jobs take turns; the first to come are jobs, since plans are better for what was learned."""
        self._jobs = [(job, _Every(JOB_EVERY_S)) for job in (learn, find_missing_rounds)]
        self._steps = [
            _Step("watching the child", 0.0, self._watch),
            _Step("the lease", BEAT_S, self._lead),
            _Step("taking over interrupted plans", TAKE_EVERY_S, self._take_from_silent),
            _Step("queueing the day's plans", MISSING_EVERY_S, self._queue_missing),
            _Step("queueing plans that the day has overtaken", CHANGED_EVERY_S, self._queue_changed),
            _Step("beginning", 0.0, self._begin),
        ]

    def look(self) -> None:
        """Do what is due; what fails is logged and tried again."""
        for step in self._steps:
            step.look()

    def stop(self) -> None:
        """End the child; its plan is the next planner's."""
        child, self._child = self._child, None
        if child is not None:
            child.end()
        try:
            if child is not None and child.job is not None:
                self._state.plan_queue.put_back(child.job.plan_id, self.name)
            self._state.leases.release([LEASE], self.name)
        except StorageError as error:
            logger.warning("nothing is given back, the next planner waits until it is taken for silent: %s", error)

    def _lead(self) -> None:
        until_s = time.monotonic() + LEASE_FOR.total_seconds()
        self._leads_until_s = until_s if self._state.leases.acquire(LEASE, self.name, hold=LEASE_FOR) else 0.0

    def _leads(self) -> bool:
        return time.monotonic() < self._leads_until_s

    def _take_from_silent(self) -> None:
        again, failed = self._state.plan_queue.take_from_silent()
        if again or failed:
            logger.warning("plans interrupted: %d wait again, %d are given up", again, failed)

    def _queue_missing(self) -> None:
        if self._leads():
            plan_missing(self._state, self._readings, self._settings, utc_now())

    def _queue_changed(self) -> None:
        if self._leads() and self._settings.plan_again_on_change:
            plan_changed(self._state, self._readings, self._settings, utc_now())

    def _watch(self) -> None:
        """Give signs of life for the plan in hand; end a child that nobody wants any more."""
        child, queue = self._child, self._state.plan_queue
        if child is None:
            return
        if child.lives:
            if child.job is None:
                is_wanted = self._leads()
            elif self._beat.is_due():
                is_wanted = queue.beat(child.job.plan_id, self.name)
            else:
                is_wanted = queue.holds(child.job.plan_id, self.name)
            if is_wanted:
                return
            child.end()
        self._child = None
        if child.status and child.job is not None:
            # Without effect where the plan was cancelled, taken away, or failed by the child itself.
            queue.fail(child.job.plan_id, self.name, f"planning ended with status {child.status}", utc_now())

    def _begin(self) -> None:
        if self._child is not None:
            return
        first, second = (self._plan, self._job) if self._plan_is_next else (self._job, self._plan)
        self._child = first() or second()
        if self._child is not None:
            self._plan_is_next = self._child.job is None

    def _plan(self) -> Child | None:
        job = self._state.plan_queue.claim(self.name)
        if job is None:
            return None
        self._beat.begin()
        try:
            return begin_plan(self._settings, job, self.name)
        except OSError:  # no memory or process left: nothing has happened to the plan
            self._state.plan_queue.put_back(job.plan_id, self.name)
            raise

    def _job(self) -> Child | None:
        due = (job for job, every in self._jobs if self._leads() and every.is_due())
        job = next(due, None)
        return None if job is None else begin_job(self._settings, job)


class _Every:
    """Something that is due every so many seconds, the first time at once."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._at_s = 0.0

    def is_due(self) -> bool:
        """Whether it is; then it is due again after its seconds."""
        if time.monotonic() < self._at_s:
            return False
        self.begin()
        return True

    def begin(self) -> None:
        """Count its seconds from now on."""
        self._at_s = time.monotonic() + self._seconds


class _Step:
    """Something done every so many seconds that may fail now and work later."""

    def __init__(self, name: str, seconds: float, act: Callable[[], None]) -> None:
        self._every = _Every(seconds)
        self._act = act
        self._name = name
        self._trouble = RepeatedTrouble(logger, name)

    def look(self) -> None:
        """Do it if it is due; trouble is logged when it begins and ends."""
        if not self._every.is_due():
            return
        try:
            self._act()
        except (KreispulsError, OSError) as error:
            self._trouble.happened(str(error))
        except Exception as error:
            self._trouble.happened(f"{type(error).__name__}: {error}")
            logger.debug("%s", self._name, exc_info=True)
        else:
            self._trouble.over()
