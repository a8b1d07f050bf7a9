"""The jobs of the platform, run by APScheduler inside ingest."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from actions.lights.energy_report import show_energy
from actions.notifications.deliver import deliver_due
from core.clock import utc_now
from core.command import Reason
from core.errors import KreispulsError
from core.logs import RepeatedTrouble
from core.retention import DELETED_WITHIN
from core.settings import Settings
from ingest.keeping.operations import Operations
from ingest.keeping.pipeline import Pipeline
from readings.forgetting import forget_due
from readings.store import ReadingStore
from state.state import State

logger = logging.getLogger(__name__)

STARTS_WITHIN: Final = timedelta(seconds=10)
"""Every job runs for the first time within this."""
COMMANDS_KEPT: Final = timedelta(days=90)
SCHEDULED_KEPT: Final = timedelta(days=7)
"""Commands of schedules: some for every lamp every night."""


class Jobs:
    """Starts and stops the jobs. A job that fails says so when its trouble begins and ends, and is tried again.

    Args:
        leads: whether this process runs what the platform needs once: of several ingests one does.
    """

    def __init__(
        self,
        settings: Settings,
        pipeline: Pipeline,
        *,
        state: State,
        readings: ReadingStore,
        operations: Operations | None,
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._leads = leads
        self._settings = settings
        self._pipeline = pipeline
        self._state = state
        self._readings = readings
        self._operations = operations
        self._scheduler = BackgroundScheduler(
            timezone=settings.zone,
            executors={"default": ThreadPoolExecutor(4)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 60},
        )

    def start(self) -> None:
        """Start all jobs."""
        self._every(1, "reload the registry", self._pipeline.reload)
        self._every(2, "write last-seen times", self._pipeline.writer.write_seen)
        self._every_led(5, "expire commands", lambda: self._state.commands.expire(utc_now()))
        if self._operations is not None:
            self._every(10, "report to the time-series database", self._operations.report)
        self._every(60, "send profiles", self._pipeline.send_profiles)
        self._every(15, "find silent devices", self._pipeline.judge_silence)
        self._every_led(60, "prune rejected messages", lambda: self._state.rejected.prune(self._settings.rejected_keep))
        self._every_led(3600, "prune commands", self._prune_commands)
        self._every_led(5, "notify", lambda: deliver_due(self._state, self._settings, utc_now))
        self._every_led(3600, "show energy", self._show_energy)
        self._every_led(86_400, "delete what is older than the retention", self._delete_old)
        self._every_led(30, "roll up readings", lambda: self._readings.roll_up(utc_now()))
        self._every_led(
            DELETED_WITHIN.total_seconds(), "forget quantities", lambda: forget_due(self._settings, self._readings)
        )
        self._scheduler.start()

    def follow_clock(self) -> None:
        """Run at once what waits for an instant that is far ahead only since the wall clock was set back.

        APScheduler waits by the wall clock: without this no job would run until it shows that time again.
        """
        now = datetime.now(self._settings.zone)
        for job in self._scheduler.get_jobs():
            if job.next_run_time is not None and job.next_run_time - now > max(job.trigger.interval, STARTS_WITHIN):
                job.modify(next_run_time=now)

    def stop(self) -> None:
        """Stop all jobs; one that runs is waited for."""
        self._scheduler.shutdown(wait=True)

    def _every_led(self, seconds: float, name: str, job: Callable[[], object]) -> None:
        self._every(seconds, name, lambda: job() if self._leads() else None)

    def _every(self, seconds: float, name: str, job: Callable[[], object]) -> None:
        trouble = RepeatedTrouble(logger, f"job {name}")

        def run() -> None:
            try:
                job()
            except KreispulsError as error:
                trouble.happened(str(error))
            except Exception as error:
                trouble.happened(f"{type(error).__name__}: {error}")
                logger.debug("job %s", name, exc_info=True)
            else:
                trouble.over()

        first = datetime.now(self._settings.zone) + min(timedelta(seconds=seconds), STARTS_WITHIN)
        self._scheduler.add_job(run, "interval", seconds=seconds, name=name, next_run_time=first)

    def _prune_commands(self) -> None:
        now = utc_now()
        self._state.commands.prune(now - COMMANDS_KEPT)
        self._state.commands.prune(now - SCHEDULED_KEPT, Reason.SCHEDULE)

    def _show_energy(self) -> None:
        show_energy(self._state, self._readings, self._settings, utc_now())

    def _delete_old(self) -> None:
        self._readings.delete(before=utc_now() - timedelta(days=self._settings.retention_days))
