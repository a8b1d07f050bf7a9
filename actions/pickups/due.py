"""The bins due on a day, from what the stores know."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from actions.pickups.bins_of_day import bins_of_day
from core.pickup import DueBin
from pickups.due import due_bins
from readings.store import ReadingStore
from state.state import State


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
