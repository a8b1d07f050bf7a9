"""A simulated fleet's bins by the day: what comes into each from morning to morning, without playing any hour."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import numpy as np

from simulators.waste_bin import Bin
from simulators.world import Instants

MORNING_UTC: Final = 5
"""A day begins with this hour: 6 or 7 o'clock in central Europe, when rounds set out."""
_EPOCH: Final = date(1970, 1, 1)


def daily_deposits(bins: Sequence[Bin], first_day: date, days: int) -> Instants:
    """What comes into each bin from one morning to the next, as shares of its volume: days x bins."""
    first = (first_day - _EPOCH) // timedelta(days=1)
    shares = np.empty((days, len(bins)))
    for place, bin_ in enumerate(bins):
        hours = np.concatenate([bin_.deposits(first + day) for day in range(days + 1)])
        shares[:, place] = hours[MORNING_UTC : MORNING_UTC + 24 * days].reshape(days, 24).sum(axis=1)
    return shares
