"""What a lighting profile would do in a night if it were saved: nothing is kept or sent."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from actions.lights.lighting_plan import read_lighting_plan
from core.device import DeviceStatus
from core.settings import Settings
from lights.assignment import schedules
from lights.catalogue import ProfileEntry, profile_of
from lights.lighting_class import permitted_level
from lights.schedule import Schedule, ScheduledLevel
from state.devices import DeviceFilter
from state.state import State


@dataclass(frozen=True, slots=True)
class Step:
    """A level of the night; of the lamps that would follow it, how many would be off in the dark, how many brighter.

    Brighter are those that may not go so low, by their lighting class or `minimum_dim_level`.
    """

    level: ScheduledLevel
    lamps_off_in_the_dark: int
    lamps_brighter: int


@dataclass(frozen=True, slots=True)
class ProfilePreview:
    """The night of a profile, its steps, and how many lamps would follow it."""

    schedule: Schedule
    steps: Sequence[Step]
    lamps: int


def preview_profile(
    state: State, settings: Settings, municipality: str, *, name: str, entry: ProfileEntry, night: date
) -> ProfilePreview:
    """The night that begins on a date, by a profile of a municipality under a name, whether it has one or not.

    Raises:
        NotFoundError: there is no such municipality.
        StorageError: the state database failed.
    """
    state.municipalities.get(municipality)
    profile = profile_of(name, entry)
    plan = read_lighting_plan(state, settings)
    plan = replace(plan, profiles={**plan.profiles, (municipality, name): profile})
    lamps = [
        lamp
        for lamp in state.devices.all(DeviceFilter(municipality=municipality, device_type="streetlight"))
        if lamp.status in (DeviceStatus.ACTIVE, DeviceStatus.MAINTENANCE)
    ]
    schedule_of = schedules(lamps, plan)
    following = [lamp for lamp in lamps if schedule_of[lamp.device_id].profile is profile]
    schedule = Schedule(profile, plan.calendar(municipality), *plan.place_of(municipality), plan.zone)
    steps = []
    for level in schedule.night(night):
        shown = [permitted_level(lamp.attributes, level.dim_level, dark=level.lit) for lamp in following]
        off = sum(each == 0 for each in shown) if level.lit else 0
        steps.append(Step(level, off, sum(each > level.dim_level for each in shown)))
    return ProfilePreview(schedule, steps, len(following))
