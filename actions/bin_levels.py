"""Levels of bins as planning needs them: the newest, those known at an earlier instant, forecasts from them."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from core.device import Device
from core.pickup import Forecast, Plan
from core.reading import Aggregate, Observation
from pickups.due import DEVICE_TYPE, Level
from pickups.linear_forecast import forecast
from storage.readings import ReadingStore

HISTORY: Final = timedelta(days=16)
"""How far back levels are looked at: the forecast's 14 days and what stands before them. An older level is no news."""
HISTORY_STEP: Final = timedelta(hours=6)
"""Levels of a forecast are thinned out to the last of each quarter day, by the store."""


def newest_levels(
    readings: ReadingStore, bins: Iterable[Device], municipality: str | None, now: datetime
) -> dict[str, Level]:
    """The newest level of each bin, unless it is older than `HISTORY`."""
    known = {bin_.device_id for bin_ in bins}
    return {
        observation.device_id: Level(float(observation.value), observation.observed_at)
        for observation in readings.latest(municipality=municipality, device_type=DEVICE_TYPE)
        if observation.quantity == "filling_level"
        and observation.device_id in known
        and observation.observed_at > now - HISTORY
    }


def levels_before(readings: ReadingStore, bins: Iterable[Device], until: datetime) -> dict[str, Level]:
    """The last level of each bin observed before an instant."""
    levels = {}
    for bin_ in bins:
        history = _history(readings, bin_.device_id, until)
        if history:  # its last item is dated at the start of its interval: look there for the observation itself
            for last in readings.series(bin_.device_id, ["filling_level"], history[-1].observed_at, until)[-1:]:
                levels[bin_.device_id] = Level(float(last.value), last.observed_at)
    return levels


def forecasts(
    readings: ReadingStore, levels: Mapping[str, Level], until: datetime, at: datetime
) -> dict[str, Forecast]:
    """What each bin's level will be at an instant, from the history known `until` another."""
    found = {}
    for device_id, newest in levels.items():
        history = _history(readings, device_id, until)
        # Items are dated at the start of their quarter day; the newest tells how much later in it the bin reports.
        later = newest.observed_at - history[-1].observed_at if history else timedelta()
        steps = [(item.observed_at + later, float(item.value)) for item in history[:-1]]
        expected = forecast([*steps, (newest.observed_at, newest.filling_level)], at)
        if expected is not None:
            found[device_id] = expected
    return found


def _history(readings: ReadingStore, device_id: str, until: datetime) -> list[Observation]:
    return readings.series(
        device_id, ["filling_level"], until - HISTORY, until, every=HISTORY_STEP, aggregate=Aggregate.LAST
    )


def without_emptied(levels: dict[str, Level], plans: Iterable[Plan]) -> dict[str, Level]:
    """The levels without those observed before a driver confirmed the bin's stop."""
    done_at = {
        stop.device_id: stop.done_at
        for plan in plans
        for route in plan.routes
        for stop in route.stops
        if stop.done_at is not None
    }
    return {
        device_id: level
        for device_id, level in levels.items()
        if device_id not in done_at or level.observed_at > done_at[device_id]
    }
