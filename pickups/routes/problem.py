"""What a day's planning decides: which bins, by which vehicle, in what order; and the answer to it.

Whole numbers throughout, as the solver has them: metres, seconds (of instants: after local midnight of the day),
litres, kilograms. Costs are in a unit that the caller chooses, the same for all of them.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from core.travel import TravelMatrix

NO_ROOM: Final = "the vehicles of this day have no room or time left"
"""Why a bin that could be emptied is on no tour."""


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when (both included) something may begin."""

    start_s: int
    end_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A bin that must (`required`) or may be emptied; `prize` is the cost of leaving it out.

    `urgency` (1 and more) says which of the required ones matter most on a day on which not all fit: one of 2 counts as
    two of 1. `location` is its row in the matrices. Empty `windows`: at any time. `vehicles`: names of the kinds that
    can get there; None: all.
    """

    device_id: str
    location: int
    volume_l: int
    weight_kg: int
    service_s: int
    required: bool = True
    urgency: float = 1.0
    prize: int = 0
    windows: tuple[Window, ...] = ()
    vehicles: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A disposal site: a vehicle may unload there as often as it likes and must before it goes home."""

    name: str
    location: int
    unload_s: int
    windows: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleKind:
    """`count` vehicles alike. They leave `start` empty and end empty at `end`, within the shift.

    `max_duration_s`: longest time from leaving to return, breaks included. `travel`: which of the problem's matrices
    its ways are from. `fixed_cost` once for a vehicle used, `cost_per_m` of the way, `cost_per_s` of the time from
    leaving to return without breaks (which are unpaid).
    """

    name: str
    count: int
    start: int
    end: int
    capacity_l: int
    capacity_kg: int | None = None
    earliest_s: int
    latest_s: int
    max_duration_s: int
    fixed_cost: int = 0
    cost_per_m: int = 1
    cost_per_s: int = 0
    travel: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakRule:
    """After so much work without a break of this length, one is due (ArbZG section 4: 30 minutes after 6 hours).

    Work is all time from leaving to return but breaks, waiting included. More than `long_after_s` of it needs
    `long_length_s` of breaks in all (ArbZG section 4: 45 minutes for more than 9 hours).
    """

    after_s: int = 6 * 3600
    length_s: int = 30 * 60
    long_after_s: int = 9 * 3600
    long_length_s: int = 45 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One day of one kind of waste for one fleet; `breaks` None: the shifts have none."""

    travel: tuple[TravelMatrix, ...]
    candidates: tuple[Candidate, ...]
    sites: tuple[Site, ...]
    vehicles: tuple[VehicleKind, ...]
    breaks: BreakRule | None = BreakRule()


class VisitKind(StrEnum):
    """What a vehicle does at a place."""

    STOP = "stop"
    UNLOADING = "unloading"
    BREAK = "break"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One thing done on a tour, begun at `begin_s` (after waiting, if it must) for `duration_s`.

    `distance_m` is driven since the start. `device_id` of a stop only. A break is taken where the vehicle is: after the
    visit before it (`location` is that visit's, or the start's).
    """

    kind: VisitKind
    location: int
    begin_s: int
    duration_s: int
    distance_m: int
    device_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tour:
    """One vehicle's day, from leaving its start to the return to its end."""

    vehicle: str
    start_s: int
    end_s: int
    distance_m: int
    visits: tuple[Visit, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A bin on no tour, and why in one clause."""

    device_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """The tours; every candidate is on exactly one or left out. `cost` includes the prizes of those left out."""

    tours: tuple[Tour, ...]
    left_out: tuple[LeftOut, ...]
    cost: int
