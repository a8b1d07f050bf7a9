"""Which profile a lamp follows, and the schedules of all lamps, shared where profile and place are the same."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo

from core.device import Device, Municipality
from core.lighting import EventNights, LightGroup
from devices.positions import Middle
from lights.calendar import HESSE, Calendar
from lights.catalogue import shipped_profiles
from lights.profile import LightingProfile
from lights.schedule import Schedule
from lights.sun import POSITION_DIGITS

MUNICIPAL_DEFAULT: Final = "default"
"""The profile of this name is the municipality's: lamps follow it that nothing else is said of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LightingPlan:
    """What decides on the schedules of lamps; `profiles` are those of municipalities by (municipality, name)."""

    default: LightingProfile
    zone: ZoneInfo
    profiles: Mapping[tuple[str, str], LightingProfile] = field(default_factory=dict)
    groups: Sequence[LightGroup] = ()
    events: Sequence[EventNights] = ()
    municipalities: Sequence[Municipality] = ()
    middles: Mapping[str, Middle] = field(default_factory=dict)
    """Of the devices of each municipality, by slug."""
    state: str = HESSE

    def profile(self, municipality: str, *names: str | None) -> LightingProfile:
        """The first of these names that is a profile of the municipality or ships, else the municipality's, else ours.

        A name that is no profile (any more) is passed over: the light fails safe to what is more general.
        """
        for name in (*names, MUNICIPAL_DEFAULT):
            if name is not None:
                found = self.profiles.get((municipality, name)) or shipped_profiles().get(name)
                if found is not None:
                    return found
        return self.default

    def place_of(self, municipality: str) -> tuple[float | None, float | None]:
        """Where a municipality is: as the registry says, else in the middle of its devices."""
        for place in self.municipalities:
            if place.municipality == municipality and None not in {place.latitude, place.longitude}:
                return place.latitude, place.longitude
        middle = self.middles.get(municipality)
        return (None, None) if middle is None else (middle.latitude, middle.longitude)

    def calendar(self, municipality: str) -> Calendar:
        """The nights of a municipality."""
        return Calendar(tuple(event for event in self.events if event.municipality == municipality), self.state)


def schedules(lamps: Iterable[Device], plan: LightingPlan) -> dict[str, Schedule]:
    """The schedule of each lamp by id.

    Its profile is that of its attribute `lighting_profile`, else of its group (of several the first by id that names
    one), else of the municipality, else the default. Its sun is that of its own position; without one, or where that is
    far from the others of its municipality, of the municipality's.
    """
    groups = _Groups(plan.groups)
    calendars: dict[str, Calendar] = {}
    alike: dict[Calendar, Calendar] = {}
    places: dict[str, tuple[float | None, float | None]] = {}
    shared: dict[tuple[int, int, float | None, float | None], Schedule] = {}
    found: dict[str, Schedule] = {}
    for lamp in lamps:
        profile = profile_of_lamp(lamp, plan, groups.of(lamp))
        if lamp.municipality not in places:
            places[lamp.municipality] = plan.place_of(lamp.municipality)
        latitude, longitude = position_of_lamp(lamp, places[lamp.municipality], plan.middles.get(lamp.municipality))
        if lamp.municipality not in calendars:
            calendar = plan.calendar(lamp.municipality)
            calendars[lamp.municipality] = alike.setdefault(calendar, calendar)
        calendar = calendars[lamp.municipality]
        key = (id(calendar), id(profile), latitude, longitude)
        if key not in shared:
            shared[key] = Schedule(profile, calendar, latitude, longitude, plan.zone)
        found[lamp.device_id] = shared[key]
    return found


def group_schedule(group: LightGroup, plan: LightingPlan, lamps: Sequence[Device]) -> Schedule:
    """What lamps of a group follow that have no profile of their own and belong to no group before it by id.

    The sun is that of the municipality, else of the first of these lamps with a position.
    """
    places = [plan.place_of(group.municipality), *((lamp.latitude, lamp.longitude) for lamp in lamps)]
    latitude, longitude = next((place for place in places if None not in place), (None, None))
    profile = plan.profile(group.municipality, group.lighting_profile)
    return Schedule(profile, plan.calendar(group.municipality), latitude, longitude, plan.zone)


def profile_of_lamp(lamp: Device, plan: LightingPlan, groups: Iterable[LightGroup]) -> LightingProfile:
    """The profile that a lamp in these groups follows."""
    own = lamp.attributes.get("lighting_profile")
    return plan.profile(
        lamp.municipality, own if isinstance(own, str) else None, *(group.lighting_profile for group in groups)
    )


def position_of_lamp(
    lamp: Device, municipality: tuple[float | None, float | None], middle: Middle | None = None
) -> tuple[float | None, float | None]:
    """Where the sun is looked up for a lamp: so near that it makes no difference."""
    latitude, longitude = lamp.latitude, lamp.longitude
    if latitude is None or longitude is None or (middle is not None and not middle.holds(latitude, longitude)):
        latitude, longitude = municipality
    if latitude is None or longitude is None:
        return None, None
    return round(latitude, POSITION_DIGITS), round(longitude, POSITION_DIGITS)


class _Groups:
    """Finds the groups of a lamp without asking each."""

    def __init__(self, groups: Iterable[LightGroup]) -> None:
        self._named: defaultdict[str, list[LightGroup]] = defaultdict(list)
        self._placed: defaultdict[tuple[str, str | None, str | None], list[LightGroup]] = defaultdict(list)
        for group in groups:
            for device_id in group.device_ids:
                self._named[device_id].append(group)
            if group.street is not None or group.circuit is not None:
                self._placed[group.municipality, group.street, group.circuit].append(group)

    def of(self, lamp: Device) -> list[LightGroup]:
        if not self._named and not self._placed:
            return []
        circuit = lamp.attributes.get("circuit")
        circuit = None if circuit is None else str(circuit)
        found = list(self._named.get(lamp.device_id, ()))
        for place in ((lamp.street, circuit), (lamp.street, None), (None, circuit)):
            found += self._placed.get((lamp.municipality, *place), ())
        unique = {group.light_group_id: group for group in found if group.includes(lamp)}
        return [unique[key] for key in sorted(unique)]
