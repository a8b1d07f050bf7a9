"""The jobs of the platform, run by APScheduler inside ingest."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

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


@dataclass(frozen=True, slots=True)
class Job:
    """What is done every so often, given the present; `led`: once for the platform, so of several ingests one does."""

    name: str
    every_s: float
    run: Callable[[datetime], object]
    led: bool = False


def jobs_of(
    settings: Settings,
    pipeline: Pipeline,
    *,
    state: State,
    readings: ReadingStore,
    operations: Operations | None,
    clock: Callable[[], datetime] = utc_now,
) -> list[Job]:
    """All jobs of ingest; `clock` is for those that take so long that they ask again what time it is."""
    readings_kept = timedelta(days=settings.retention_days)

    def prune_commands(now: datetime) -> None:
        state.commands.prune(now - COMMANDS_KEPT)
        state.commands.prune(now - SCHEDULED_KEPT, Reason.SCHEDULE)

    jobs = [
        Job("reload the registry", 1, pipeline.reload),
        Job("write last-seen times", 2, lambda _: pipeline.writer.write_seen()),
        Job("find silent devices", 15, pipeline.judge_silence),
        Job("send profiles", 60, pipeline.send_profiles),
        Job("expire commands", 5, state.commands.expire, led=True),
        Job("notify", 5, lambda _: deliver_due(state, settings, clock), led=True),
        Job("roll up readings", 30, readings.roll_up, led=True),
        Job("prune rejected messages", 60, lambda _: state.rejected.prune(settings.rejected_keep), led=True),
        Job("prune commands", 3600, prune_commands, led=True),
        Job("show energy", 3600, lambda now: show_energy(state, readings, settings, now), led=True),
        Job(
            "forget quantities",
            DELETED_WITHIN.total_seconds(),
            lambda now: forget_due(settings, readings, now),
            led=True,
        ),
        Job("delete old readings", 86_400, lambda now: readings.delete(before=now - readings_kept), led=True),
    ]
    if operations is not None:
        jobs.append(Job("report to the time-series database", 10, operations.report))
    return jobs


class Jobs:
    """Starts and stops jobs. One that fails says so when its trouble begins and ends, and is tried again.

    Args:
        leads: whether this process runs what the platform needs once.
    """

    def __init__(self, jobs: Sequence[Job], zone: ZoneInfo, leads: Callable[[], bool]) -> None:
        self._leads = leads
        self.scheduler = BackgroundScheduler(
            timezone=zone,
            executors={"default": ThreadPoolExecutor(4)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 60},
        )
        for job in jobs:
            first = datetime.now(zone) + min(timedelta(seconds=job.every_s), STARTS_WITHIN)
            runs = self._guarded(job)
            self.scheduler.add_job(runs, "interval", seconds=job.every_s, name=job.name, next_run_time=first)

    def start(self) -> None:
        """Start all jobs."""
        self.scheduler.start()

    def follow_clock(self, now: datetime) -> None:
        """Run at once what waits for an instant that is far ahead only since the wall clock was set back.

        APScheduler waits by the wall clock: without this no job would run until it shows that time again.
        """
        for job in self.scheduler.get_jobs():
            if job.next_run_time is not None and job.next_run_time - now > max(job.trigger.interval, STARTS_WITHIN):
                job.modify(next_run_time=now)

    def stop(self) -> None:
        """Stop all jobs; one that runs is waited for."""
        self.scheduler.shutdown(wait=True)

    def _guarded(self, job: Job) -> Callable[[], None]:
        trouble = RepeatedTrouble(logger, f"job {job.name}")

        def run() -> None:
            try:
                if self._leads() or not job.led:
                    job.run(utc_now())
            except KreispulsError as error:
                trouble.happened(str(error))
            except Exception as error:
                trouble.happened(f"{type(error).__name__}: {error}")
                logger.debug("job %s", job.name, exc_info=True)
            else:
                trouble.over()

        return run
