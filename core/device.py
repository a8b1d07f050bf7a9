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
    """One device of the registry. Position in degrees WGS 84, times aware UTC."""

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


@dataclass(frozen=True, slots=True)
class Place:
    """A named position in degrees WGS 84 (a depot, a disposal site)."""

    name: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A kind of collection vehicle; capacity in litres of uncompacted waste, shift in seconds."""

    name: str
    count: int
    capacity_l: float
    shift_s: int


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
    disposal_site: Place | None = None
    vehicles: tuple[Vehicle, ...] = (Vehicle("truck", 1, 10_000.0, 8 * 3600),)
