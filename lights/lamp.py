"""A lamp as light control sees it: how it follows presence, which schedule it has, what it must not go below."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from core.device import Device
from core.errors import InvalidInputError

SHORTEST_HOLD_S: Final = 5.0
LONGEST_HOLD_S: Final = 1200.0
"""Hold times of presence detectors for streetlights: 5 s to 20 min (Fagerhult e-Sense Move)."""
LONGEST_FADE_S: Final = 90.5
"""The longest DALI fade time."""
MOST_LAMPS_AHEAD: Final = 10


class ScheduledLevel(Protocol):
    """What a schedule says at an instant: level 0-1 and fade in seconds, in force from `since` until `until`."""

    @property
    def dim_level(self) -> float:
        """Share of full light."""
        ...

    @property
    def fade_s(self) -> float:
        """How long the change to it takes."""
        ...

    @property
    def lit(self) -> bool:
        """Whether light is wanted, though it may be 0 until somebody comes; False: off because it is day."""
        ...

    @property
    def since(self) -> datetime:
        """When it began."""
        ...

    @property
    def until(self) -> datetime:
        """The next change."""
        ...


class Schedule(Protocol):
    """The dimming schedule of a lamp; one object may serve many lamps."""

    def at(self, now: datetime) -> ScheduledLevel:
        """What it says at an instant."""
        ...


class Permitted(Protocol):
    """The level that a lamp may show for a wanted one: what its lighting class asks for while it is dark."""

    def __call__(self, wanted: float, *, dark: bool) -> float:
        """A level 0-1, never below the wanted one."""
        ...


def unrestricted(wanted: float, *, dark: bool) -> float:  # noqa: ARG001 - the signature of `Permitted`
    """The level itself: a lamp without lighting class may show any."""
    return wanted


class PresenceResponse(Protocol):
    """How a lamp answers presence: level 0-1, hold and fade in seconds, and how many lamps go ahead of somebody."""

    @property
    def dim_level(self) -> float:
        """Share of full light while somebody is there."""
        ...

    @property
    def hold_s(self) -> float:
        """How long it stays after the last presence."""
        ...

    @property
    def fade_s(self) -> float:
        """How long the change to it takes."""
        ...

    @property
    def lamps_ahead(self) -> int:
        """How many lamps shine in front of whoever passes this one."""
        ...


@dataclass(frozen=True, slots=True)
class PresenceSettings:
    """A response to presence by numbers: hold 5 s to 20 min, fade 0 to 90.5 s, 0 to 10 lamps ahead.

    Raises:
        InvalidInputError: a value is outside its range; names it.
    """

    dim_level: float
    hold_s: float
    fade_s: float
    lamps_ahead: int = 2

    def __post_init__(self) -> None:
        for name, value, lowest, highest in (
            ("dim_level", self.dim_level, 0.0, 1.0),
            ("hold_s", self.hold_s, SHORTEST_HOLD_S, LONGEST_HOLD_S),
            ("fade_s", self.fade_s, 0.0, LONGEST_FADE_S),
            ("lamps_ahead", self.lamps_ahead, 0, MOST_LAMPS_AHEAD),
        ):
            if not lowest <= value <= highest:
                raise InvalidInputError(f"presence: {name} {value:g} is outside {lowest:g} to {highest:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lamp:
    """A lamp under light control.

    `presence` None: it does not follow presence. `schedule` None: the platform knows none, the lamp's own rules.
    `fallback_level`: what it is lowered to then, for the moment until it is back at its own schedule. `permitted`
    gives the level that it may show for one that is wanted.
    """

    device: Device
    presence: PresenceResponse | None = None
    schedule: Schedule | None = None
    fallback_level: float = 0.2
    permitted: Permitted = unrestricted

    @property
    def is_live(self) -> bool:
        """Whether it takes levels at once; else (`control: profile`) it follows the profile that it was sent."""
        return self.device.attributes.get("control") != "profile"
