"""The days on which a municipality empties bins: its weekdays, without public holidays unless it works on them."""

from datetime import date, timedelta
from typing import Final

import holidays

from core.device import Municipality

_FURTHEST: Final = 28
"""Days looked ahead: no run of holidays is longer, whatever the weekdays."""


def is_collected(municipality: Municipality, day: date, state: str) -> bool:
    """Whether bins are emptied on a day; `state` is a federal state (ISO 3166-2:DE without `DE-`)."""
    if day.isoweekday() not in municipality.collection_days:
        return False
    return municipality.collects_on_holidays or day not in holidays.country_holidays("DE", subdiv=state, years=day.year)


def next_collection(municipality: Municipality, day: date, state: str) -> date:
    """The next day after this one on which bins are emptied: the next chance."""
    later = (day + timedelta(days=ahead) for ahead in range(1, _FURTHEST + 1))
    return next((each for each in later if is_collected(municipality, each, state)), day + timedelta(days=_FURTHEST))
