"""What the stores know of the bins of a day, for the due list and for planning."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from actions.pickups.levels import forecasts, levels_before, newest_levels, without_emptied
from core.device import Device, Municipality, Place
from core.errors import InvalidInputError
from core.pickup import Forecast, Plan
from core.settings import Settings
from devices.positions import middle_of, odd_positions
from pickups.choosing import Chosen, Known, choose
from pickups.collection_days import next_collection
from pickups.due import DEVICE_TYPE, Level
from readings.store import ReadingStore
from state.devices import DeviceFilter
from state.state import State

MORNING: Final = time(6)
"""A day that is over is planned with what was known at this local hour, when vehicles leave."""
NOON: Final = time(12)
"""When a bin is emptied at the next chance: half of that day's bins before, half after."""
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2999
ASSUMED_DEPOT: Final = "middle of the bins (no depot set)"
_UNSET: Final = Municipality(municipality="-", name="")
"""Has the defaults: for devices of a municipality that the registry does not know."""


@dataclass(frozen=True, slots=True)
class BinsOfDay:
    """The bins of some municipalities on a local day, with what was known of them at `until`.

    `municipalities` by slug, also for bins of such as the registry does not know; `expected` at the end of the day.
    """

    day: date
    bins: list[Device]
    municipalities: dict[str, Municipality]
    levels: dict[str, Level]
    requested: frozenset[str]
    expected: dict[str, Forecast]
    until: datetime


def bins_of_day(
    state: State,
    readings: ReadingStore,
    municipalities: Sequence[str] | None,
    day: date,
    *,
    zone: ZoneInfo,
    now: datetime,
) -> BinsOfDay:
    """Today and later days are judged by the newest levels, a day that is over by those known at 06:00 of it.

    A stop confirmed on today's routes counts as emptied until the bin reports again. `municipalities` None: all.

    Raises:
        NotFoundError: there is no such municipality.
        InvalidInputError: a date that no calendar of bins has.
        StorageError: a store does not answer.
    """
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise InvalidInputError(f"date {day.isoformat()} is not within the years {FIRST_YEAR} to {LAST_YEAR}")
    known = state.municipalities.all() if municipalities is None else [*map(state.municipalities.get, municipalities)]
    slugs = [None] if municipalities is None else municipalities
    bins = [
        bin_ for slug in slugs for bin_ in state.devices.all(DeviceFilter(municipality=slug, device_type=DEVICE_TYPE))
    ]
    only = municipalities[0] if municipalities is not None and len(municipalities) == 1 else None
    is_over = day < now.astimezone(zone).date()
    until = min(now, instant(day, MORNING, zone)) if is_over else now
    levels = levels_before(readings, bins, until) if is_over else newest_levels(readings, bins, only, until)
    if not is_over:
        levels = without_emptied(levels, state.pickups.plans_in_force(now.astimezone(zone).date()))
    return BinsOfDay(
        day=day,
        bins=bins,
        municipalities={bin_.municipality: _UNSET for bin_ in bins} | {each.municipality: each for each in known},
        levels=levels,
        requested=frozenset(
            request.device_id for request in state.pickups.open_requests(only) if request.requested_at <= until
        ),
        expected=forecasts(
            state, readings, bins, levels, until=until, at=instant(day + timedelta(days=1), time(), zone), zone=zone
        ),
        until=until,
    )


def chosen_bins(state: State, readings: ReadingStore, known: BinsOfDay, settings: Settings) -> Chosen:
    """The bins that a plan of the day must or may empty."""
    later: dict[str, Forecast] = {}
    for chance in {next_collection(each, known.day, settings.holidays_state) for each in known.municipalities.values()}:
        theirs = {
            bin_.device_id: known.levels[bin_.device_id]
            for bin_ in known.bins
            if bin_.device_id in known.levels
            and next_collection(known.municipalities[bin_.municipality], known.day, settings.holidays_state) == chance
        }
        later |= forecasts(
            state,
            readings,
            known.bins,
            theirs,
            until=known.until,
            at=instant(chance, NOON, settings.zone),
            zone=settings.zone,
        )
    about = Known(
        levels=known.levels,
        requested=known.requested,
        today=known.expected,
        next_chance=later,
        odd=odd_positions(known.bins),
    )
    return choose(known.bins, about, known.municipalities)


def with_depot(municipality: Municipality, chosen: Chosen) -> Municipality:
    """The municipality with a depot: without one, the middle of its bins stands in, and its name says so."""
    places = [each.position for each in chosen.choices if each.device.municipality == municipality.municipality]
    middle = middle_of(places)
    if municipality.depot is not None or middle is None:
        return municipality
    return replace(municipality, depot=Place(ASSUMED_DEPOT, middle.latitude, middle.longitude))


def depot_of(old: Plan, municipality: Municipality) -> Municipality:
    """The municipality with the depot that the vehicles of a plan left from, where it has none of its own."""
    has_own = municipality.depot is not None and municipality.depot.name != ASSUMED_DEPOT
    if has_own or old.depot_latitude is None or old.depot_longitude is None:
        return municipality
    return replace(municipality, depot=Place(old.depot_name, old.depot_latitude, old.depot_longitude))


def zero_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The instant from which the seconds of a local day's plan count: noon less twelve hours, aware UTC.

    That is midnight but for the two days a year on which clocks change. There it lets 06:00 be 21,600 s as on any other
    day, and lets as many seconds pass from stop to stop as are counted. So GTFS has it ("Time", Schedule Reference).
    """
    return instant(day, NOON, zone) - timedelta(hours=12)


def instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """A local time of a day, aware UTC."""
    return datetime.combine(day, at, zone).astimezone(UTC)
