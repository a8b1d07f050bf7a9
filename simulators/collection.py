"""Nobody drives in a simulation: the routes in force drive themselves, stop by stop; pure, the time is an argument."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core.pickup import Plan, SkipReason, StopState

SKIPPED_SHARE: Final = 0.02
"""So many of the stops a simulated driver does not empty; assumed."""
_REASONS: Final = (SkipReason.BLOCKED, SkipReason.NO_ACCESS, SkipReason.NOT_OUT, SkipReason.BROKEN)


@dataclass(frozen=True, slots=True)
class Reached:
    """A vehicle is at a stop; `skipped`: why its bin is not emptied, None: it is."""

    stop_id: str
    device_id: str
    skipped: SkipReason | None = None


class Collection:
    """Which bins are emptied when: a route sets out when its plan is first seen and runs `speed` times as fast.

    A stop that a driver confirms (state done) is emptied at once. Stops confirmed before the first look at the plans
    belong to the past.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._waiting: dict[str, tuple[float, str]] = {}
        self._settled: set[str] = set()
        self._confirmed: set[str] = set()
        self._has_looked = False

    def see(self, plans: Sequence[Plan], now: datetime) -> None:
        """Take over the plans in force; the routes of others are broken off."""
        now_s = now.timestamp()
        stops = {stop.stop_id: stop for plan in plans for route in plan.routes for stop in route.stops}
        if not self._has_looked:
            self._has_looked = True
            self._settled = {stop_id for stop_id, stop in stops.items() if stop.state is StopState.DONE}
        self._settled &= stops.keys()
        self._confirmed &= stops.keys()
        waiting = {}
        for stop_id, stop in stops.items():
            if stop_id in self._settled or stop.state is StopState.SKIPPED:
                continue
            arrival = (now_s + stop.arrival_s / self._speed, stop.device_id)
            is_done = stop.state is StopState.DONE
            self._confirmed |= {stop_id} if is_done else set()
            waiting[stop_id] = (now_s, stop.device_id) if is_done else self._waiting.get(stop_id, arrival)
        self._waiting = waiting

    @property
    def next_s(self) -> float:
        """When the next bin is emptied, in seconds since 1970; infinite when none is."""
        return min((at_s for at_s, _ in self._waiting.values()), default=math.inf)

    def due_stops(self, now: datetime) -> list[Reached]:
        """The stops reached by now, in order."""
        due = sorted((at_s, stop_id) for stop_id, (at_s, _) in self._waiting.items() if at_s <= now.timestamp())
        reached = []
        for _, stop_id in due:
            device_id = self._waiting.pop(stop_id)[1]
            skipped = None if stop_id in self._confirmed else skipped_because(stop_id)
            reached.append(Reached(stop_id, device_id, skipped))
        self._settled |= {stop_id for _, stop_id in due}
        return reached


def skipped_because(stop_id: str) -> SkipReason | None:
    """Why a simulated driver leaves a stop's bin as it is, None: not at all; the same stop always the same."""
    rng = random.Random(stop_id)
    return rng.choice(_REASONS) if rng.random() < SKIPPED_SHARE else None
