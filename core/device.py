"""Devices: one thing in the street each, and the municipality that runs it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

MUNICIPALITY_PATTERN: Final = r"[a-z0-9-]{1,64}"
DEVICE_ID_PATTERN: Final = r"[A-Za-z0-9._-]{1,64}"
DEVICE_TYPE_PATTERN: Final = r"[a-z][a-z0-9_]{0,63}"
is_municipality = re.compile(MUNICIPALITY_PATTERN, re.ASCII).fullmatch
is_device_id = re.compile(DEVICE_ID_PATTERN, re.ASCII).fullmatch

_NOWHERE: Final = 1e-6
"""Degrees from (0, 0): a tenth of a metre."""

Attribute = str | float | int | bool | None


class DeviceStatus(StrEnum):
    """Where a device stands in its life."""

    DISCOVERED = "discovered"
    """It spoke, but no operator has adopted it: its readings are kept, nothing acts on them."""
    ACTIVE = "active"
    MAINTENANCE = "maintenance"
    """Somebody works on it: readings are kept, alerts are muted."""
    RETIRED = "retired"


class Connection(StrEnum):
    """What the device's last status message (or its last will) said."""

    ONLINE = "online"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device of the registry. Position in degrees WGS 84, times aware UTC.

    (0, 0) is no position: failed geocoding is written so, and there is nothing but sea.
    """

    device_id: str
    device_type: str
    municipality: str
    name: str = ""
    latitude: float | None = None
    longitude: float | None = None
    street: str | None = None
    status: DeviceStatus = DeviceStatus.ACTIVE
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    connection: Connection = Connection.UNKNOWN
    last_seen_at: datetime | None = None
    created_at: datetime | None = None

    def __post_init__(self) -> None:
        """Forget a position that is none."""
        if (
            self.latitude is not None
            and self.longitude is not None
            and abs(self.latitude) + abs(self.longitude) < _NOWHERE
        ):
            object.__setattr__(self, "latitude", None)
            object.__setattr__(self, "longitude", None)


@dataclass(frozen=True, slots=True)
class Place:
    """A named position in degrees WGS 84 (a depot, a disposal site)."""

    name: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class DisposalSite(Place):
    """Where vehicles unload: how long that takes, the waste kinds taken (empty: all), local opening hours.

    `open_from_s` and `open_until_s` are seconds after midnight; None: always open.
    """

    unloading_s: int = 900
    waste_kinds: tuple[str, ...] = ()
    open_from_s: int | None = None
    open_until_s: int | None = None


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A kind of collection vehicle, `count` of them.

    `capacity_l` in litres of uncompacted waste, `capacity_kg` its payload (None: volume alone limits it). `shift_s` is
    the longest time from leaving to return, breaks included; it leaves from `shift_start_s` after local midnight on.
    Costs in euros: per day of use, kilometre and hour. The hour's is nothing by default: the crew is paid for the day
    anyway, and a stop on the way often saves a way later (docs/pickups.md, Backtest). `fuel_l_per_100km` for reports.
    `waste_kinds`: what it takes, one kind a day (empty: all). Gross weight in tonnes and height in metres limit its
    roads (None: as any vehicle).
    """

    name: str
    count: int
    capacity_l: float
    shift_s: int
    capacity_kg: float | None = None
    shift_start_s: int = 6 * 3600
    cost_per_day: float = 100.0
    cost_per_km: float = 0.8
    cost_per_hour: float = 0.0
    fuel_l_per_100km: float = 30.0
    waste_kinds: tuple[str, ...] = ()
    weight_t: float | None = None
    height_m: float | None = None


WORKING_DAYS: Final = (1, 2, 3, 4, 5)
DEFAULT_LEAST_LEVEL: Final = 0.3
"""Less is a way to an empty bin: chosen on four months of a recording (docs/pickups.md, Backtest)."""
DEFAULT_FILLING_THRESHOLD: Final = 0.8
"""Smart Data Models WasteContainer gives 80 % as its example of `binFullnessThreshold`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Municipality:
    """A tenant: partition key of everything. `filling_threshold` (0-1) is the level from which a bin is due."""

    municipality: str
    name: str
    latitude: float | None = None
    longitude: float | None = None
    filling_threshold: float = DEFAULT_FILLING_THRESHOLD
    planning_hour: int = 4
    """Local hour (Europe/Berlin unless the settings say otherwise) at which the day's plan is made."""
    depot: Place | None = None
    disposal_sites: tuple[DisposalSite, ...] = ()
    """None: vehicles unload at the depot."""
    vehicles: tuple[Vehicle, ...] = (Vehicle("truck", 1, 10_000.0, 8 * 3600),)
    collection_days: tuple[int, ...] = WORKING_DAYS
    """Weekdays on which bins are emptied, unless they are public holidays: 1 is Monday (ISO 8601)."""
    collects_on_holidays: bool = False
    """Whether public holidays are days like others."""
    required_probability: float = 0.99
    """A bin that is full before the next chance to empty it with this probability (0-1) must be emptied."""
    required_level: float = 1.0
    """A bin at this level (0-1) must be emptied, whatever its forecast says."""
    least_level: float = DEFAULT_LEAST_LEVEL
    """A bin below this level (0-1) is emptied only when it must be, not because a vehicle passes by."""
    overflow_cost: float = 50.0
    """What an overflow is worth to avoid, in euros: the way to a bin may cost it times the probability."""
    replanning_hours: tuple[int, ...] = ()
    """Local hours at which the plan of a day that drivers are at is made again, with what is done and newly due."""
    planned_with: tuple[str, ...] = ()
    """Neighbours whose bins and vehicles are planned together with its own."""
