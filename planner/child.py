"""What the planner does in processes of its own: the solver holds a core for long, and may be ended at any instant."""

import logging
import multiprocessing
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.process import BaseProcess
from typing import Final

from actions.pickups.plan import run_plan
from core.clock import utc_now
from core.errors import KreispulsError
from core.logs import configure_logging
from core.pickup import PlanState
from core.processes import end_with_parent, give_way
from core.settings import Settings
from readings.open import open_readings
from state.plan_queue import PlanJob
from state.state import open_state

logger = logging.getLogger(__name__)

_ENDS_WITHIN_S: Final = 5.0
# Loading solver and stores takes a second and a half: children are forks of a server that has them loaded. It runs no
# threads and holds no connection, and ends with us.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__, "actions.pickups.learn_places", "actions.pickups.find_weekly_round"])


class Child:
    """A process that makes a plan (`job`) or does something else for the planner."""

    def __init__(self, process: BaseProcess, job: PlanJob | None = None) -> None:
        self._process = process
        self.job = job

    @property
    def lives(self) -> bool:
        """Whether it is still at it."""
        return self._process.is_alive()

    @property
    def status(self) -> int:
        """How it ended: 0 well, below 0 by that signal."""
        return self._process.exitcode or 0

    def end(self) -> None:
        """Break it off; it is gone afterwards, and what it had begun is not kept."""
        self._process.terminate()
        self._process.join(_ENDS_WITHIN_S)
        self._process.kill()
        self._process.join()


def begin_plan(settings: Settings, job: PlanJob, holder: str) -> Child:
    """Begin to make a plan that the holder has claimed.

    Raises:
        OSError: no process can be started now.
    """
    return Child(_started(_make_plan, settings, job, holder), job)


def begin_job(settings: Settings, job: Callable[[Settings], None]) -> Child:
    """Begin something that opens its own stores.

    Raises:
        OSError: no process can be started now.
    """
    return Child(_started(_do, settings, job))


def _started(target: Callable[..., None], *arguments: object) -> BaseProcess:
    process = _processes.Process(target=target, args=arguments)
    try:
        process.start()
    except EOFError as error:  # the server that forks has just died; the next try starts another
        raise OSError("the process that starts others died") from error
    return process


def _make_plan(settings: Settings, job: PlanJob, holder: str) -> None:
    _begin(settings)
    with ExitStack() as opened:
        try:
            state = open_state(settings.state_url)
            opened.callback(state.close)
            try:
                readings = open_readings(settings)
            except KreispulsError as error:
                state.plan_queue.fail(job.plan_id, holder, str(error), utc_now())
                raise
            opened.callback(readings.close)
            plan = run_plan(
                state,
                readings,
                job.plan_id,
                holder,
                settings=settings,
                clock=utc_now,
                time_limit_s=job.time_limit_s,
                seed=job.seed,
            )
        except KreispulsError as error:
            logger.error("plan %s: %s", job.plan_id, error)
            sys.exit(1)
    if plan.state is PlanState.FAILED:
        logger.warning("no pickup plan for %s on %s: %s", plan.municipality, plan.date, plan.error)


def _do(settings: Settings, job: Callable[[Settings], None]) -> None:
    _begin(settings)
    try:
        job(settings)
    except KreispulsError as error:
        logger.error("%s: %s", job.__name__, error)
        sys.exit(1)


def _begin(settings: Settings) -> None:
    end_with_parent()  # it is no daemon, since the solver starts processes of its own
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the planner ends its child itself
    give_way()
    configure_logging(settings.log_level)
