"""How full bins will be, from what was learned of their places: distributions, for many places at once.

Two questions are told apart. `predict`: the level if nobody empties the bin until then, for choosing what to empty.
`pickups.filling.observed_levels`: what the sensor will say, with the chance that others empty it meanwhile.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from core.pickup import Forecast
from pickups.filling.inflow_ahead import InflowAhead, NewestLevel
from pickups.filling.learning import Learned as Learned  # noqa: PLC0414 - given on
from pickups.filling.learning import learn as learn  # noqa: PLC0414 - given on
from pickups.filling.place_model import PlaceModel as PlaceModel  # noqa: PLC0414 - given on

LEARNED: Final = "learned"
"""`Forecast.method` of a place with a history of its own."""
OF_KIND: Final = "learned_kind"
"""The same of a place that has only what its kind taught."""
STUCK: Final = "learned_stuck"
"""The readings do not change any more where they should: the level is reckoned on from when they began to stand."""
OWN_FROM_DAYS: Final = 5.0
"""A place with fewer days observed is said to be forecast by its kind; the model leans on the kind by itself."""
INTERVAL: Final = 0.9
_LOW: Final = (1 - INTERVAL) / 2
_SIGMAS: Final = 1.6449
"""Half width of the 90 % interval of a normal law, in standard deviations."""
_LIKELY: Final = 0.9
"""From this probability on a sensor is taken for stuck."""


def predict(
    models: Sequence[PlaceModel],
    newest: Sequence[NewestLevel],
    at: datetime,
    *,
    zone: ZoneInfo,
) -> list[Forecast]:
    """The level of each place at an instant if it is not emptied before.

    `filling_level` is the mean, `low` to `high` hold nine of ten, `overflow_probability` is that of level 1; `full_at`
    is the median instant of being full and `full_from` to `full_until` hold nine of ten, None beyond a year.

    Args:
        models: of the places; that of its kind for a place without one.
        newest: the newest level of each, in the same order.
        at: the instant asked for, aware UTC; before the newest level that is given.
        zone: whose weekdays count.
    """
    if not models:
        return []
    now = InflowAhead(models, newest, zone=zone)
    stuck = now.stuck() > _LIKELY
    starts = [_rolled_back(level) if is_stuck else level for level, is_stuck in zip(newest, stuck, strict=True)]
    ahead = InflowAhead(models, starts, zone=zone) if stuck.any() else now
    law = ahead.law(ahead.until(at))
    mean = ahead.mean_level(law)
    low, middle, high = (ahead.level_after(law.quantile(share)) for share in (_LOW, 0.5, 1 - _LOW))
    spread = _SIGMAS * ahead.noise
    low = middle - np.hypot(middle - low, spread)
    high = middle + np.hypot(high - middle, spread)
    overflow = ahead.is_full(law)
    full_from, full_at, full_until = (
        [_not_before(level, found) for level, found in zip(newest, ahead.full_at(share), strict=True)]
        for share in (_LOW, 0.5, 1 - _LOW)
    )
    return [
        Forecast(
            at=at,
            filling_level=round(float(min(1.0, mean[row])), 4),
            low=round(float(np.clip(low[row], 0, 1)), 4),
            high=round(float(np.clip(high[row], 0, 1)), 4),
            overflow_probability=round(float(overflow[row]), 4),
            full_from=full_from[row],
            full_at=full_at[row],
            full_until=full_until[row],
            method=STUCK if stuck[row] else _method(model),
        )
        for row, model in enumerate(models)
    ]


def _rolled_back(level: NewestLevel) -> NewestLevel:
    """The level dated when a stuck sensor last told something new: it went on filling since."""
    return NewestLevel(level.filling_level, level.unchanged_since or level.observed_at)


def _not_before(newest: NewestLevel, at: datetime | None) -> datetime | None:
    return None if at is None else max(at, newest.observed_at)


def _method(model: PlaceModel) -> str:
    return LEARNED if model.place_id and model.days >= OWN_FROM_DAYS else OF_KIND
