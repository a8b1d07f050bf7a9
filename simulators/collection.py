"""Nobody drives in a simulation: the routes in force drive themselves, stop by stop; pure, the time is an argument."""

import math
from collections.abc import Sequence
from datetime import datetime

from core.pickup import Plan, StopState


class Collection:
    """Which bins are emptied when: a route sets out when its plan is first seen and runs `speed` times as fast.

    A stop that a driver confirms (state done) is emptied at once. Stops confirmed before the first look at the plans
    belong to the past.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._waiting: dict[str, tuple[float, str]] = {}
        self._settled: set[str] = set()
        self._has_looked = False

    def see(self, plans: Sequence[Plan], now: datetime) -> None:
        """Take over the plans in force; the routes of others are broken off."""
        now_s = now.timestamp()
        stops = {stop.stop_id: stop for plan in plans for route in plan.routes for stop in route.stops}
        if not self._has_looked:
            self._has_looked = True
            self._settled = {stop_id for stop_id, stop in stops.items() if stop.state is StopState.DONE}
        self._settled &= stops.keys()
        waiting = {}
        for stop_id, stop in stops.items():
            if stop_id in self._settled or stop.state is StopState.SKIPPED:
                continue
            arrival = (now_s + stop.arrival_s / self._speed, stop.device_id)
            is_done = stop.state is StopState.DONE
            waiting[stop_id] = (now_s, stop.device_id) if is_done else self._waiting.get(stop_id, arrival)
        self._waiting = waiting

    @property
    def next_s(self) -> float:
        """When the next bin is emptied, in seconds since 1970; infinite when none is."""
        return min((at_s for at_s, _ in self._waiting.values()), default=math.inf)

    def due(self, now: datetime) -> list[str]:
        """The bins (device ids) reached by now, in order."""
        reached = sorted((at_s, stop_id) for stop_id, (at_s, _) in self._waiting.items() if at_s <= now.timestamp())
        bins = [self._waiting.pop(stop_id)[1] for _, stop_id in reached]
        self._settled |= {stop_id for _, stop_id in reached}
        return bins
