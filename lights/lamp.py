"""A lamp as light control sees it: how it answers presence, which schedule it has, what it must not go below."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from core.device import Device
from devices.streetlight.attributes import Control, control_of
from lights.assignment import LightingPlan, schedules
from lights.lighting_class import permitted_level
from lights.profile import PresenceResponse
from lights.schedule import ScheduledLevel


class DimmingSchedule(Protocol):
    """What says which level a lamp is to show when; one object may serve many lamps (`lights.schedule.Schedule`)."""

    def at(self, now: datetime) -> ScheduledLevel:
        """What it says at an instant, and until when."""
        ...


class CurrentLevels:
    """What schedules say just now, asked once for all lamps that share one."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[DimmingSchedule, ScheduledLevel]] = {}

    def of(self, schedule: DimmingSchedule | None, now: datetime) -> ScheduledLevel | None:
        """What a schedule says; None: there is none."""
        if schedule is None:
            return None
        known = self._known.get(id(schedule))
        if known is not None and known[1].since <= now < known[1].until:
            return known[1]
        level = schedule.at(now)
        self._known[id(schedule)] = schedule, level  # kept with it: no other gets its id
        return level


class Permitted(Protocol):
    """The level that a lamp may show for a wanted one: what its lighting class asks for while it is dark."""

    def __call__(self, wanted: float, *, dark: bool) -> float:
        """A level 0-1, never below the wanted one."""
        ...


def unrestricted(wanted: float, *, dark: bool) -> float:  # noqa: ARG001 - the signature of `Permitted`
    """The level itself: a lamp without lighting class may show any."""
    return wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Lamp:
    """A lamp under light control.

    `presence` None: it does not follow presence. `schedule` None: the platform knows none, the lamp's own rules.
    `permitted` gives the level that it may show for one that is wanted. `follows_own`: nobody gave it a profile, it
    keeps to its own schedule; that of the platform only says when it is dark, and when more than standby is wanted.
    """

    device: Device
    presence: PresenceResponse | None = None
    schedule: DimmingSchedule | None = None
    permitted: Permitted = unrestricted
    follows_own: bool = False

    @property
    def is_live(self) -> bool:
        """Whether it takes levels at once; else (`control: profile`) it follows the profile that it was sent."""
        return control_of(self.device.attributes) is Control.LIVE


def controlled_lamps(devices: Iterable[Device], plan: LightingPlan) -> list[Lamp]:
    """Streetlights with the schedules, responses to presence and least levels that the lighting plan gives them."""
    known = list(devices)
    schedule_of = schedules(known, plan)
    return [
        Lamp(
            device=device,
            presence=schedule_of[device.device_id].profile.presence,
            schedule=schedule_of[device.device_id],
            follows_own=schedule_of[device.device_id].profile is plan.default,
            permitted=partial(permitted_level, device.attributes),
        )
        for device in known
    ]
