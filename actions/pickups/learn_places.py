"""Learns how places fill, and finds their emptyings, from what is stored: the nightly job of each municipality."""

import logging
import time
from contextlib import closing
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import holidays
import numpy as np

from core.device import Device
from core.reading import Aggregate
from core.settings import Settings
from pickups.due import DEVICE_TYPE
from pickups.filling.emptying import Levels, emptyings, merge_confirmed
from pickups.filling.learning import ANY, LONGEST, learn_grid
from pickups.filling.level_grid import empty_grid, put_levels, trimmed
from pickups.filling.place import place_id, place_kind
from pickups.filling.place_model import CALENDAR, STEP, model_from_json, model_to_json
from readings.open import open_readings
from readings.store import ReadingStore
from state.devices import DeviceFilter
from state.state import State, open_state

logger = logging.getLogger(__name__)

HOUR: Final = 2
"""Local hour from which a municipality is learned anew: yesterday is over, nobody plans yet."""
LOOKED_BACK: Final = timedelta(days=3)
"""So far back emptyings are looked for again: readings and confirmations come late."""
FIRST_LOOKED_BACK: Final = timedelta(days=30)
"""The same when a municipality is learned for the first time."""
SELDOM: Final = 1.5
"""A bin with a report in fewer than one of so many quarter days is learned from each of its reports: they are few."""
AGAIN_AFTER: Final = timedelta(minutes=5)
"""While there is next to no history, or it is still being written, learning is repeated after this."""
WITHIN_S: Final = 20.0
"""After so long a run ends with the municipality at which it is; the next run goes on."""


def learn_missing(settings: Settings, now: datetime, within_s: float = WITHIN_S) -> None:
    """Learn the municipalities that were not learned since their last night: the job that runs every minute.

    Opens and closes its own stores, so it may run in a process of its own.

    Raises:
        StorageError: a store does not answer; what was learned before is kept.
    """
    with closing(open_state(settings.state_url)) as state, closing(open_readings(settings)) as readings:
        _learn_missing(state, readings, settings, now, within_s)


def learn_municipality(
    state: State, readings: ReadingStore, municipality: str, now: datetime, *, zone: ZoneInfo, federal_state: str
) -> int:
    """Learn the places of one municipality and keep models and emptyings; returns of how many places levels are known.

    Devices that share the attribute `place_id` are one place; a retired bin's history goes on in its successor.

    Raises:
        StorageError: a store does not answer.
    """
    bins = state.devices.all(DeviceFilter(municipality=municipality, device_type=DEVICE_TYPE))
    learned_before = state.places.learned_at().get(municipality)
    since = now - FIRST_LOOKED_BACK if learned_before is None else min(learned_before, now) - LOOKED_BACK
    confirmed = state.places.confirmed(municipality, since, now)
    by_place: dict[str, list[Device]] = {}
    for bin_ in sorted(bins, key=lambda bin_: (bin_.created_at or now, bin_.device_id)):
        by_place.setdefault(place_id(bin_), []).append(bin_)
    grid = empty_grid(len(by_place), now - LONGEST, now)
    for row, (place, members) in enumerate(by_place.items()):
        for bin_ in members:
            put_levels(grid, row, _history(readings, bin_.device_id, now))
            recent = _levels(readings, bin_.device_id, since, now)
            found = merge_confirmed(emptyings(recent), confirmed.get(bin_.device_id, ()))
            if recent or found:
                state.emptyings.replace(municipality, place, bin_.device_id, found, start=since, end=now)
    seen = int(np.any(~np.isnan(grid.levels), axis=1).sum())
    if not seen:
        return 0
    learned = learn_grid(
        trimmed(grid),
        [(place, place_kind(members[-1])) for place, members in by_place.items()],
        zone=zone,
        learned_at=now,
        holidays=public_holidays(federal_state, (now - LONGEST).date(), (now + CALENDAR).date()),
    )
    state.places.replace_models(
        municipality,
        now,
        places={place: model_to_json(model) for place, model in learned.places.items()},
        kinds={kind: model_to_json(model) for kind, model in learned.kinds.items()},
    )
    return seen


def public_holidays(federal_state: str, first: date, last: date) -> frozenset[date]:
    """The public holidays of a German federal state (ISO 3166-2:DE without `DE-`) in the years of two dates."""
    return frozenset(holidays.country_holidays("DE", subdiv=federal_state, years=range(first.year, last.year + 1)))


def _learn_missing(state: State, readings: ReadingStore, settings: Settings, now: datetime, within_s: float) -> None:
    begun_s = time.monotonic()
    # fold=0: when clocks are set back this hour comes twice, and counts the first time.
    night = now.astimezone(settings.zone).replace(hour=HOUR, minute=0, second=0, microsecond=0, fold=0)
    if night > now:
        night -= timedelta(days=1)
    learned = state.places.learned_at()
    for municipality, bins in _bins(state).items():
        last = learned.get(municipality)
        if last is None:
            is_due = _has_levels(readings, municipality)
        else:
            is_due = last < night or (last <= now - AGAIN_AFTER and _is_young(state, municipality, bins))
        if not is_due:
            continue
        places = learn_municipality(
            state, readings, municipality, now, zone=settings.zone, federal_state=settings.holidays_state
        )
        logger.info("learned how %d places in %s fill", places, municipality)
        if time.monotonic() - begun_s > within_s:
            return


def _bins(state: State) -> dict[str, int]:
    """How many bins each municipality has, by municipality."""
    counts: dict[str, int] = {}
    for (municipality, device_type, _), count in sorted(state.devices.count_by_status().items()):
        if device_type == DEVICE_TYPE:
            counts[municipality] = counts.get(municipality, 0) + count
    return counts


def _is_young(state: State, municipality: str, bins: int) -> bool:
    """Whether less than a day of each bin was seen when its municipality was learned."""
    stored = state.places.models(municipality).kinds.get((municipality, ANY))
    model = model_from_json(stored) if stored is not None else None
    return model is None or model.days < bins


def _has_levels(readings: ReadingStore, municipality: str) -> bool:
    found = readings.latest(municipality=municipality, device_type=DEVICE_TYPE)
    return any(observation.quantity == "filling_level" for observation in found)


def _history(readings: ReadingStore, device_id: str, now: datetime) -> Levels:
    """The last level of each quarter day; every level of a bin that reports less often."""
    items = readings.series(device_id, ["filling_level"], now - LONGEST, now, every=STEP, aggregate=Aggregate.LAST)
    if items and (now - items[0].observed_at) / STEP > SELDOM * len(items):
        return _levels(readings, device_id, items[0].observed_at, now)
    return [(item.observed_at, float(item.value)) for item in items]


def _levels(readings: ReadingStore, device_id: str, start: datetime, end: datetime) -> Levels:
    return [(item.observed_at, float(item.value)) for item in readings.series(device_id, ["filling_level"], start, end)]
