"""Plans pickups: the routes that empty the bins of a day, from what the stores know."""

import logging
import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

from actions.pickups.bins_of_day import BinsOfDay, bins_of_day, chosen_bins, depot_of, with_depot, zero_of_day
from actions.pickups.queue_plan import DEFAULT_TIME_LIMIT_S, new_plan
from actions.pickups.replan import replanned
from actions.pickups.routes import Routes, Search, plan_routes
from core.device import Municipality
from core.errors import ConflictError, KreispulsError, PlanningCancelledError, RoadsError, StorageError
from core.pickup import Plan, PlanState
from core.settings import Settings
from core.travel import Roads
from pickups.choosing import Chosen
from pickups.due import is_served
from readings.store import ReadingStore
from roads import open_roads
from roads.great_circle import DETOUR_FACTOR, GreatCircleRoads
from state.plan_queue import BEAT_S
from state.state import State

logger = logging.getLogger(__name__)

_SOLVING_FROM: Final = 0.1
"""Progress when the levels are there and the search begins."""


def run_plan(
    state: State,
    readings: ReadingStore,
    plan_id: str,
    holder: str,
    *,
    settings: Settings,
    clock: Callable[[], datetime],
    roads: Roads | None = None,
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Plan:
    """Make a plan that its holder has claimed and keep it: done or failed with its reason; progress is kept on the way.

    One that is cancelled or taken away meanwhile stays what it became. Somebody has to give signs of life for it
    (`PlanQueue.beat`). `roads` None: those of the settings. `progress` is told what is kept.
    `clock` is asked when planning begins and when it ends.

    Raises:
        NotFoundError: there is no such plan.
        ConflictError: it is not the holder's to make.
        StorageError: the plan cannot be kept.
    """
    plan = state.pickups.get_plan(plan_id)
    if not state.plan_queue.holds(plan_id, holder):
        raise ConflictError(f"plan {plan_id} is {plan.state.value}, and {holder} is not making it")
    job = _Job(state, readings, plan, holder, settings=settings, roads=roads or open_roads(settings), progress=progress)
    try:
        made = replace(_made(job, time_limit_s, seed, clock()), finished_at=clock())
    except PlanningCancelledError:
        return state.pickups.get_plan(plan_id)
    except KreispulsError as error:
        made = replace(plan, state=PlanState.FAILED, error=str(error), finished_at=clock())
    except Exception as error:
        state.plan_queue.fail(plan_id, holder, f"unexpected {type(error).__name__} while planning", clock())
        raise
    state.pickups.save_plan(made, holder)
    return state.pickups.get_plan(plan_id)


def plan_day(
    state: State,
    readings: ReadingStore,
    municipalities: str | Sequence[str],
    day: date,
    *,
    settings: Settings,
    clock: Callable[[], datetime],
    roads: Roads | None = None,
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Plan:
    """Make a plan at once, here, past the queue; done, failed or cancelled.

    Raises:
        NotFoundError: there is no such municipality.
        StorageError: the plan cannot be kept.
    """
    plan = replace(new_plan(state, municipalities, day, clock()), state=PlanState.RUNNING)
    holder = f"for itself {plan.plan_id}"
    state.plan_queue.add_claimed(plan, holder, time_limit_s=time_limit_s, seed=seed)
    with _giving_signs_of_life(state, plan.plan_id, holder):
        return run_plan(
            state,
            readings,
            plan.plan_id,
            holder,
            settings=settings,
            clock=clock,
            roads=roads,
            time_limit_s=time_limit_s,
            seed=seed,
            progress=progress,
        )


@contextmanager
def _giving_signs_of_life(state: State, plan_id: str, holder: str) -> Iterator[None]:
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_S):
            try:
                state.plan_queue.beat(plan_id, holder)
            except StorageError as error:
                logger.warning("no sign of life for plan %s: %s", plan_id, error)

    thread = threading.Thread(target=beat, name="signs of life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _made(job: "_Job", time_limit_s: float, seed: int, now: datetime) -> Plan:
    """The plan; by straight lines where the road engine does not answer: vehicles leave this morning either way."""
    try:
        return job.make(time_limit_s, seed, now)
    except RoadsError as error:
        logger.warning("pickups are planned by straight lines: %s", error)
        job.roads = GreatCircleRoads()
        plan = job.make(time_limit_s, seed, now)
        told = [f"{error}; distances are straight lines x {DETOUR_FACTOR}", *([plan.notice] if plan.notice else [])]
        return replace(plan, notice="; ".join(told))


class _Job:
    """One plan being made."""

    def __init__(
        self,
        state: State,
        readings: ReadingStore,
        plan: Plan,
        holder: str,
        *,
        settings: Settings,
        roads: Roads,
        progress: Callable[[float], None] | None,
    ) -> None:
        self._state = state
        self._readings = readings
        self._plan = plan
        self._holder = holder
        self._settings = settings
        self.roads = roads
        self._progress = progress

    def make(self, time_limit_s: float, seed: int, now: datetime) -> Plan:
        """The plan, done.

        Raises:
            PlanningCancelledError: it is not ours to make any more.
            KreispulsError: it cannot be made.
        """
        slugs = [
            self._plan.municipality,
            *(each for each in self._plan.municipalities if each != self._plan.municipality),
        ]
        zone = self._settings.zone
        known = bins_of_day(self._state, self._readings, slugs, self._plan.date, zone=zone, now=now)
        chosen = chosen_bins(self._state, self._readings, known, self._settings)
        municipalities = [with_depot(known.municipalities[slug], chosen) for slug in slugs]
        self._tell(0.0)
        if self._plan.replaces is None:
            from_s = 60 * math.ceil(self._earliest_s(now + timedelta(seconds=time_limit_s)) / 60)
            search = Search(time_limit_s, seed, self._tell, self._is_cancelled, from_s)
            routes = plan_routes(chosen.choices, municipalities, self.roads, search)
        else:
            old = self._state.pickups.get_plan(self._plan.replaces)
            municipalities[0] = depot_of(old, municipalities[0])
            routes = replanned(
                old,
                chosen.choices,
                municipalities,
                known,
                before=self._before(old),
                out=self._plan.out,
                roads=self.roads,
                zone=zone,
                from_s=self._earliest_s(now),
            )
        if self._is_cancelled():
            raise PlanningCancelledError(f"plan {self._plan.plan_id} was cancelled")
        return _finished(self._plan, municipalities[0], routes, chosen, known)

    def _earliest_s(self, at: datetime) -> int:
        """From which second of the plan's day on something may begin that is not done yet; 0: a day that is over."""
        zone = self._settings.zone
        if self._plan.date < at.astimezone(zone).date():
            return 0
        return max(0, math.ceil((at - zero_of_day(self._plan.date, zone)).total_seconds()))

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
        return not self._state.plan_queue.holds(self._plan.plan_id, self._holder)


def _finished(plan: Plan, municipality: Municipality, routes: Routes, chosen: Chosen, known: BinsOfDay) -> Plan:
    reasons = {each.device_id: each.reason for each in (*chosen.left_out, *routes.left_out)}
    done = replace(
        plan,
        state=PlanState.DONE,
        progress=1.0,
        distance_source=routes.source or plan.distance_source,
        distance_m=sum(route.distance_m for route in routes.routes),
        duration_s=sum(route.duration_s for route in routes.routes),
        routes=routes.routes,
        unplanned=tuple(reasons),
        unplanned_reasons=reasons,
        levels_known=len(known.levels),
        notice=_notice(routes, chosen, known),
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


def _notice(routes: Routes, chosen: Chosen, known: BinsOfDay) -> str | None:
    """What somebody who looks at the routes alone would not know."""
    told = []
    served = sum(map(is_served, known.bins))
    if served and not known.levels:
        told.append(f"none of the {served} bins has told its level yet")
    if routes.again:
        told.append(f"the shift of {', '.join(routes.again)} is over: another one is planned from now on")
    left_out = (*chosen.left_out, *routes.left_out)
    if left_out and not any(route.stops for route in routes.routes):
        reason, count = Counter(each.reason for each in left_out).most_common(1)[0]
        told.append(f"no stop is planned though {len(left_out)} bins are due; {count} of them: {reason}")
    return "; ".join(told) or None
