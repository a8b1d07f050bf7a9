"""Levels of bins as planning needs them: the newest, those known at an earlier instant, forecasts from them."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final
from zoneinfo import ZoneInfo

from core.device import Device
from core.pickup import Forecast, Plan
from core.reading import Aggregate, GroupBy, Observation
from devices.waste_bin.level import JUMP, settled_level
from pickups.due import DEVICE_TYPE, Level
from pickups.filling.forecast import predict
from pickups.filling.inflow_ahead import NewestLevel
from pickups.filling.linear_forecast import forecast
from pickups.filling.place import place_id, place_kind
from pickups.filling.place_model import PlaceModel, model_from_json
from readings.store import ReadingStore
from state.state import State

HISTORY: Final = timedelta(days=16)
"""How far back levels are looked at: the forecast's 14 days and what stands before them. An older level is no news."""
HISTORY_STEP: Final = timedelta(hours=6)
"""Levels of a forecast are thinned out to the last of each quarter day, by the store."""
_SAME: Final = 1e-4
"""Models are kept to four digits."""
LEAST_DAYS: Final = 0.9
"""Days of filling seen, of all places of a municipality, below which nothing is said: too little to know."""
_DAY: Final = timedelta(days=1)
_TELLING: Final = timedelta(days=1)
"""A shorter run of equal readings says nothing of the sensor."""


def newest_levels(
    readings: ReadingStore, bins: Iterable[Device], municipality: str | None, now: datetime
) -> dict[str, Level]:
    """The level of each bin as of its newest report, unless that is older than `HISTORY`.

    As rules have it (`settled_level`): one report far from those before says nothing yet.
    """
    known = {bin_.device_id for bin_ in bins}
    newest = {
        observation.device_id: Level(float(observation.value), observation.observed_at)
        for observation in readings.latest(municipality=municipality, device_type=DEVICE_TYPE)
        if observation.quantity == "filling_level"
        and observation.device_id in known
        and observation.observed_at > now - HISTORY
    }
    return newest | _settled(readings, newest, _moved(readings, newest, municipality))


def _moved(readings: ReadingStore, newest: Mapping[str, Level], municipality: str | None) -> list[str]:
    """Bins whose newest level is far from another one of the same day: the only ones with something to doubt."""
    if not newest:
        return []
    last = max(level.observed_at for level in newest.values())
    first = min(level.observed_at for level in newest.values())
    far: set[str] = set()
    for aggregate, sign in ((Aggregate.MIN, -1.0), (Aggregate.MAX, 1.0)):
        for total in readings.totals(
            "filling_level",
            first - _DAY,
            last + timedelta(microseconds=1),
            group_by=GroupBy.DEVICE,
            every=_DAY,
            aggregate=aggregate,
            municipality=municipality,
            device_type=DEVICE_TYPE,
        ):
            level = newest.get(total.group)
            if level is None or abs(level.observed_at - total.start) > 2 * _DAY:
                continue
            if sign * (total.value - level.filling_level) > JUMP:
                far.add(total.group)
    return sorted(far)


def _settled(readings: ReadingStore, newest: Mapping[str, Level], device_ids: Iterable[str]) -> dict[str, Level]:
    found = {}
    for device_id in device_ids:
        at = newest[device_id].observed_at
        recent = readings.series(device_id, ["filling_level"], at - _DAY, at + timedelta(microseconds=1))
        reports = [(item.observed_at, float(item.value)) for item in recent]
        if reports:
            found[device_id] = Level(settled_level(reports), at)
    return found


def levels_before(readings: ReadingStore, bins: Iterable[Device], until: datetime) -> dict[str, Level]:
    """The level of each bin as of its last report before an instant; see `newest_levels`."""
    levels = {}
    for bin_ in bins:
        history = _history(readings, bin_.device_id, until)
        if history:  # its last item is dated at the start of its interval: look there for the observation itself
            since = history[-1].observed_at - _DAY
            reports = [
                (item.observed_at, float(item.value))
                for item in readings.series(bin_.device_id, ["filling_level"], since, until)
            ]
            levels[bin_.device_id] = Level(settled_level(reports), reports[-1][0])
    return levels


def forecasts(
    state: State,
    readings: ReadingStore,
    bins: Iterable[Device],
    levels: Mapping[str, Level],
    *,
    until: datetime,
    at: datetime,
    zone: ZoneInfo,
) -> dict[str, Forecast]:
    """What each bin's level will be at an instant if it is not emptied before, from what was known `until` another.

    By what was learned of its place or, of a new one, of its kind; where nothing was learned by then, by a straight
    line through its last two weeks. `Forecast.method` says which.
    """
    known = {bin_.device_id: bin_ for bin_ in bins}
    learned = LearnedPlaces(state, {bin_.municipality for bin_ in known.values()}, until)
    found, models, newest = {}, {}, {}
    for device_id, level in levels.items():
        model = learned.model(known[device_id]) if device_id in known else None
        if model is not None:
            models[device_id], newest[device_id] = model, learned.newest_level(device_id, model, level)
            continue
        for line in straight_lines(readings, device_id, level, until, [at]):
            found[device_id] = line
    predicted = predict(list(models.values()), list(newest.values()), at, zone=zone)
    return found | dict(zip(models, predicted, strict=True))


class LearnedPlaces:
    """What was learned of some municipalities by an instant."""

    def __init__(self, state: State, municipalities: Collection[str], until: datetime) -> None:
        self._only = next(iter(municipalities)) if len(municipalities) == 1 else None
        self._stored = state.places.models(self._only) if municipalities else None
        self._state = state
        self._until = until
        self._kinds: dict[tuple[str, str], PlaceModel | None] = {}

    def model(self, bin_: Device) -> PlaceModel | None:
        """Of the bin's place, else of its kind, else of all places of its municipality; None: nothing was learned.

        Nor is anything known where less than a day of filling was seen of all places together: rates are nobody's then.
        """
        if self._stored is None:
            return None
        everywhere = self._of_kind(bin_.municipality, "")
        if everywhere is None or everywhere.days < LEAST_DAYS:
            return None
        own = self._read(self._stored.places.get(place_id(bin_)))
        if own is not None:
            return own
        return self._of_kind(bin_.municipality, place_kind(bin_)) or everywhere

    def newest_level(self, device_id: str, model: PlaceModel, level: Level) -> NewestLevel:
        """Where the forecast of a bin starts; readings that are as they were when it was learned have been since then.

        Emptied meanwhile, as a driver said, a sensor that stands has nothing to reckon on from before.
        """
        since = model.unchanged_since
        if since is None or model.unchanged_level is None or abs(model.unchanged_level - level.filling_level) > _SAME:
            return NewestLevel(level.filling_level, level.observed_at)
        if level.observed_at - since > _TELLING:
            emptied_at = self._last_emptyings.get(device_id)
            since = max(since, emptied_at) if emptied_at is not None and emptied_at <= self._until else since
        return NewestLevel(level.filling_level, level.observed_at, min(since, level.observed_at))

    @cached_property
    def _last_emptyings(self) -> Mapping[str, datetime]:
        return self._state.emptyings.last(self._only)

    def _of_kind(self, municipality: str, kind: str) -> PlaceModel | None:
        if self._stored is not None and (municipality, kind) not in self._kinds:
            self._kinds[municipality, kind] = self._read(self._stored.kinds.get((municipality, kind)))
        return self._kinds.get((municipality, kind))

    def _read(self, stored: Mapping[str, Any] | None) -> PlaceModel | None:
        model = model_from_json(stored) if stored is not None else None
        return model if model is not None and model.learned_at <= self._until else None


def straight_lines(
    readings: ReadingStore, device_id: str, newest: Level, until: datetime, ats: Iterable[datetime]
) -> list[Forecast]:
    """The levels at some instants by a straight line through the last two weeks; none where too little was seen."""
    history = _history(readings, device_id, until)
    # Items are dated at the start of their quarter day; the newest tells how much later in it the bin reports.
    later = newest.observed_at - history[-1].observed_at if history else timedelta()
    steps = [(item.observed_at + later, float(item.value)) for item in history[:-1]]
    known = [*steps, (newest.observed_at, newest.filling_level)]
    return [found for at in ats if (found := forecast(known, at)) is not None]


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
