"""Plans pickups: which bins are due on a day and the routes to empty them, from what the stores know."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Final
from uuid import uuid4
from zoneinfo import ZoneInfo

from actions.pickups.bins_of_day import bins_of_day, chosen_bins, depot_of, with_depot
from actions.pickups.replan import replanned
from actions.pickups.routes import Routes, Search, plan_routes
from core.clock import utc_now
from core.device import Municipality
from core.errors import ConflictError, KreispulsError, PlanningCancelledError, RoadsError
from core.pickup import DueBin, Plan, PlanState
from core.settings import Settings
from core.travel import Roads
from pickups.choosing import Chosen
from pickups.due import due_bins
from readings.store import ReadingStore
from roads import open_roads
from roads.great_circle import DETOUR_FACTOR, GreatCircleRoads
from state.state import State

logger = logging.getLogger(__name__)

DEFAULT_TIME_LIMIT_S: Final = 10.0
_SOLVING_FROM: Final = 0.1
"""Progress when the levels are there and the search begins."""


def due_for(
    state: State,
    readings: ReadingStore,
    municipality: str | None,
    day: date,
    zone: ZoneInfo,
    *,
    now: datetime,
) -> list[DueBin]:
    """The bins due on a local day, of one municipality or of all; see `bins_of_day` for what they are judged by.

    Raises:
        NotFoundError: there is no such municipality.
        InvalidInputError: a date that no calendar of bins has.
        StorageError: a store does not answer.
    """
    slugs = None if municipality is None else [municipality]
    known = bins_of_day(state, readings, slugs, day, zone=zone, now=now)
    return due_bins(
        known.bins,
        known.levels,
        thresholds={slug: each.filling_threshold for slug, each in known.municipalities.items()},
        requested=known.requested,
        forecasts=known.expected,
    )


def queue_plan(state: State, municipalities: str | Sequence[str], day: date) -> Plan:
    """Keep a plan to be made by `run_plan`, of one municipality or of several together, the first of which leads.

    Raises:
        NotFoundError: there is no such municipality.
    """
    together = list(dict.fromkeys([municipalities] if isinstance(municipalities, str) else municipalities))
    for municipality in together:
        state.municipalities.get(municipality)
    plan = Plan(
        plan_id=str(uuid4()),
        municipality=together[0],
        municipalities=tuple(sorted(together)) if len(together) > 1 else (),
        date=day,
        state=PlanState.QUEUED,
        created_at=utc_now(),
    )
    state.pickups.add_plan(plan)
    return plan


def queue_replan(state: State, plan_id: str) -> Plan:
    """Keep a plan to be made by `run_plan` from one that drivers are at.

    Raises:
        NotFoundError: there is no such plan.
        ConflictError: it is not done, or not in force any more.
    """
    old = state.pickups.get_plan(plan_id)
    if old.state is not PlanState.DONE:
        raise ConflictError(f"plan {plan_id} is {old.state.value}, not done: there is nothing to plan again")
    newest = state.pickups.plan_in_force(old.municipality, old.date)
    if newest is not None and newest.plan_id != plan_id:
        raise ConflictError(f"plan {plan_id} is not in force any more: plan {newest.plan_id} is")
    plan = Plan(
        plan_id=str(uuid4()),
        municipality=old.municipality,
        municipalities=old.municipalities,
        date=old.date,
        state=PlanState.QUEUED,
        created_at=utc_now(),
        replaces=plan_id,
    )
    state.pickups.add_plan(plan)
    return plan


def run_plan(
    state: State,
    readings: ReadingStore,
    plan_id: str,
    *,
    settings: Settings,
    roads: Roads | None = None,
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Plan:
    """Make a queued plan and keep it: done, failed with its reason, or cancelled; progress is kept on the way.

    `roads` None: those of the settings. `progress` is told what is kept.

    Raises:
        NotFoundError: there is no such plan.
        ConflictError: it is not queued (any more).
        StorageError: the plan cannot be kept.
    """
    queued = state.pickups.get_plan(plan_id)
    if queued.state is not PlanState.QUEUED:
        raise ConflictError(f"plan {plan_id} is {queued.state.value}, not queued")
    running = replace(queued, state=PlanState.RUNNING)
    state.pickups.save_plan(running)
    job = _Job(state, readings, running, settings=settings, roads=roads or open_roads(settings), progress=progress)
    try:
        plan = _made(job, time_limit_s, seed)
    except PlanningCancelledError:
        return state.pickups.get_plan(plan_id)
    except KreispulsError as error:
        plan = replace(running, state=PlanState.FAILED, error=str(error), finished_at=utc_now())
    except Exception as error:
        wrong = f"unexpected {type(error).__name__} while planning"
        state.pickups.save_plan(replace(running, state=PlanState.FAILED, error=wrong, finished_at=utc_now()))
        raise
    state.pickups.save_plan(plan)
    return state.pickups.get_plan(plan_id)


def plan_day(
    state: State,
    readings: ReadingStore,
    municipalities: str | Sequence[str],
    day: date,
    *,
    settings: Settings,
    roads: Roads | None = None,
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Plan:
    """Queue a plan and make it at once; done, failed or cancelled.

    Raises:
        NotFoundError: there is no such municipality.
        StorageError: the plan cannot be kept.
    """
    queued = queue_plan(state, municipalities, day)
    return run_plan(
        state,
        readings,
        queued.plan_id,
        settings=settings,
        roads=roads,
        time_limit_s=time_limit_s,
        seed=seed,
        progress=progress,
    )


def _made(job: "_Job", time_limit_s: float, seed: int) -> Plan:
    """The plan; by straight lines where the road engine does not answer: vehicles leave this morning either way."""
    try:
        return job.make(time_limit_s, seed)
    except RoadsError as error:
        logger.warning("pickups are planned by straight lines: %s", error)
        job.roads = GreatCircleRoads()
        return replace(job.make(time_limit_s, seed), notice=f"{error}; distances are straight lines x {DETOUR_FACTOR}")


class _Job:
    """One plan being made."""

    def __init__(
        self,
        state: State,
        readings: ReadingStore,
        plan: Plan,
        *,
        settings: Settings,
        roads: Roads,
        progress: Callable[[float], None] | None,
    ) -> None:
        self._state = state
        self._readings = readings
        self._plan = plan
        self._settings = settings
        self.roads = roads
        self._progress = progress

    def make(self, time_limit_s: float, seed: int) -> Plan:
        """The plan, done.

        Raises:
            PlanningCancelledError: somebody cancelled it meanwhile.
            KreispulsError: it cannot be made.
        """
        slugs = [
            self._plan.municipality,
            *(each for each in self._plan.municipalities if each != self._plan.municipality),
        ]
        zone, now = self._settings.zone, utc_now()
        known = bins_of_day(self._state, self._readings, slugs, self._plan.date, zone=zone, now=now)
        chosen = chosen_bins(self._state, self._readings, known, self._settings)
        municipalities = [with_depot(known.municipalities[slug], chosen) for slug in slugs]
        self._tell(0.0)
        search = Search(time_limit_s=time_limit_s, seed=seed, progress=self._tell, cancelled=self._is_cancelled)
        if self._plan.replaces is None:
            routes = plan_routes(chosen.choices, municipalities, self.roads, search)
        else:
            old = self._state.pickups.get_plan(self._plan.replaces)
            municipalities[0] = depot_of(old, municipalities[0])
            routes = replanned(
                old, chosen.choices, municipalities, known, before=self._before(old), roads=self.roads, zone=zone
            )
        if self._is_cancelled():
            raise PlanningCancelledError(f"plan {self._plan.plan_id} was cancelled")
        return _finished(self._plan, municipalities[0], routes, chosen)

    def _before(self, plan: Plan) -> list[Plan]:
        """The plans that a plan replaced."""
        found: list[Plan] = []
        while plan.replaces is not None:
            plan = self._state.pickups.get_plan(plan.replaces)
            found.append(plan)
        return found

    def _tell(self, share: float) -> None:
        share = _SOLVING_FROM + (1 - _SOLVING_FROM) * share
        self._state.pickups.set_progress(self._plan.plan_id, share)
        if self._progress is not None:
            self._progress(share)

    def _is_cancelled(self) -> bool:
        return self._state.pickups.plan_state(self._plan.plan_id) is PlanState.CANCELLED


def _finished(plan: Plan, municipality: Municipality, routes: Routes, chosen: Chosen) -> Plan:
    reasons = {each.device_id: each.reason for each in (*chosen.left_out, *routes.left_out)}
    done = replace(
        plan,
        state=PlanState.DONE,
        progress=1.0,
        finished_at=utc_now(),
        distance_source=routes.source or plan.distance_source,
        distance_m=sum(route.distance_m for route in routes.routes),
        duration_s=sum(route.duration_s for route in routes.routes),
        routes=routes.routes,
        unplanned=tuple(reasons),
        unplanned_reasons=reasons,
    )
    if municipality.depot is None:
        return done
    depot, disposal = municipality.depot, next(iter(municipality.disposal_sites), municipality.depot)
    return replace(
        done,
        depot_name=depot.name,
        depot_latitude=depot.latitude,
        depot_longitude=depot.longitude,
        disposal_name=disposal.name,
        disposal_latitude=disposal.latitude,
        disposal_longitude=disposal.longitude,
    )
