"""What every backend of readings checks and computes the same way: keys, values, intervals, sums of parts."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from core.device import is_device_id, is_municipality
from core.errors import InvalidInputError, StorageError
from core.quantity import Value
from core.reading import Aggregate
from devices.registry import device_types
from readings.calls import MAX_US, MIN_US, TotalRow

HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US


def check_key(device_id: str, device_type: str, municipality: str) -> None:
    """Refuse what can be no key of a reading.

    Raises:
        StorageError: names the part that is wrong.
    """
    if not is_device_id(device_id):
        raise StorageError(f"a reading of device {device_id[:80]!a} cannot be kept: not a device id")
    if device_type not in device_types():
        raise StorageError(f"a reading of device {device_id} cannot be kept: unknown device type {device_type[:80]!a}")
    if not is_municipality(municipality):
        raise StorageError(f"a reading of device {device_id} cannot be kept: {municipality[:80]!a} is no municipality")


def check_instant(device_id: str, observed_us: int) -> None:
    """Refuse an instant outside the years 1678 to 2261.

    Raises:
        StorageError: it is.
    """
    if not MIN_US <= observed_us < MAX_US:
        raise StorageError(f"a reading of device {device_id} cannot be kept: observed outside the years 1678 to 2261")


def refuse_values(device_id: str, device_type: str, values: Mapping[str, Value]) -> StorageError:
    """The error for a reading whose values cannot be kept; says which one."""
    known = device_types()[device_type].quantities
    for name, value in values.items():
        if name not in known:
            return StorageError(
                f"a reading of device {device_id} cannot be kept: {name[:80]!a} is not of {device_type}"
            )
        if isinstance(value, float) and not math.isfinite(value):
            return StorageError(f"a reading of device {device_id} cannot be kept: {name} is not finite")
    return StorageError(f"a reading of device {device_id} cannot be kept: a value has the wrong type")


def interval_start(observed_us: int, every_us: int) -> int:
    """The multiple of `every_us` since 1970 at or before an instant."""
    return observed_us - observed_us % every_us


Totals = dict[tuple[int, str], tuple[float, int]]
"""Value and count by interval start and group."""


def add_totals(totals: Totals, rows: Iterable[tuple[int, str, Any, int]], aggregate: Aggregate) -> None:
    """Add the aggregates of further parts of the groups; None, a sum that SQLite does not have, becomes NaN."""
    for start_us, group, raw, count in rows:
        value = math.nan if raw is None else float(raw)
        known = totals.get((start_us, group))
        if known is not None:
            if aggregate is Aggregate.MIN:
                value = min(value, known[0])
            elif aggregate is Aggregate.MAX:
                value = max(value, known[0])
            elif aggregate is Aggregate.MEAN:
                value = (value * count + known[0] * known[1]) / (count + known[1])
            else:
                value += known[0]
            count += known[1]  # noqa: PLW2901
        totals[start_us, group] = (value, count)


def rows_of(totals: Totals) -> list[TotalRow]:
    """The rows of totals, as `TotalsQuery.totals` takes them."""
    return [(start_us, group, value, count) for (start_us, group), (value, count) in totals.items()]


def check_delete(device_id: str | None, before: datetime | None) -> None:
    """Refuse to delete everything.

    Raises:
        InvalidInputError: neither a device nor an instant is given.
    """
    if device_id is None and before is None:
        raise InvalidInputError("delete: needs a device id, an instant, or both")
