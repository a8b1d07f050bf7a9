"""What devices said."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from core.quantity import Value


@dataclass(frozen=True, slots=True)
class Reading:
    """What one device said at one instant; times are aware UTC, units those of the quantity catalogue."""

    device_id: str
    device_type: str
    municipality: str
    observed_at: datetime
    received_at: datetime
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Observation:
    """A single value at one instant."""

    quantity: str
    observed_at: datetime
    value: Value


class DeviceObservation(NamedTuple):
    """A single value of one device, as `latest` gives it; a tuple, as there may be hundreds of thousands at once."""

    device_id: str
    device_type: str
    municipality: str
    quantity: str
    observed_at: datetime
    value: Value


@dataclass(frozen=True, slots=True)
class Total:
    """An aggregate over a group (a municipality, device type or street) for the interval that starts at `start`."""

    group: str
    start: datetime
    every: timedelta
    value: float
    count: int


class Aggregate(StrEnum):
    """How the observations of one interval become one number."""

    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    SUM = "sum"
    COUNT = "count"
    LAST = "last"
    TIME_WEIGHTED_MEAN = "time_weighted_mean"


class GroupBy(StrEnum):
    """What totals are grouped by."""

    MUNICIPALITY = "municipality"
    DEVICE_TYPE = "device_type"
    STREET = "street"
    DEVICE = "device"


TOTAL_AGGREGATES = (Aggregate.MEAN, Aggregate.MIN, Aggregate.MAX, Aggregate.SUM, Aggregate.COUNT)
