"""The due list: which bins are to be emptied, and why."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core.device import Device, DeviceStatus
from core.pickup import DueBin, DueReason, Forecast

DEVICE_TYPE: Final = "waste_bin"
DEFAULT_VOLUME_L: Final = 240.0
"""Where the registry does not say `volume_l`: the common two-wheeled container of EN 840-1."""
_NOT_SERVED: Final = frozenset({DeviceStatus.DISCOVERED, DeviceStatus.RETIRED})


@dataclass(frozen=True, slots=True)
class Level:
    """A filling level (0-1) and when it was observed (aware UTC)."""

    filling_level: float
    observed_at: datetime


def due_bins(
    devices: Iterable[Device],
    levels: Mapping[str, Level],
    *,
    thresholds: Mapping[str, float],
    requested: Collection[str],
    forecasts: Mapping[str, Forecast],
) -> list[DueBin]:
    """The bins to be emptied, most urgent first, then by id.

    A bin is due when its level has reached its municipality's threshold, when the forecast (made for the end of the
    day asked about) has, or when somebody asked for it. Bins without position are listed too; discovered and retired
    ones are not. Urgent is: over the threshold, then requested, then only expected; among these the fuller first.

    Args:
        devices: the registry; other device types are passed over.
        levels: newest level per device id.
        thresholds: level (0-1) from which a bin is due, per municipality.
        requested: device ids with an open pickup request.
        forecasts: expected level per device id at the end of the day.
    """
    due = []
    for device in devices:
        if not is_served(device):
            continue
        bin_ = _bin(device, levels, thresholds[device.municipality], requested, forecasts)
        if bin_.reasons:
            due.append(bin_)
    return sorted(due, key=_urgency)


def is_served(device: Device) -> bool:
    """Whether it is a bin that is in service."""
    return device.device_type == DEVICE_TYPE and device.status not in _NOT_SERVED


def reasons_for(
    device: Device, level: Level | None, threshold: float, requested: Collection[str], expected: Forecast | None
) -> tuple[DueReason, ...]:
    """Why a bin is due, if it is; `expected` is its level at the end of the day asked about."""
    reasons = []
    if level is not None and level.filling_level >= threshold:
        reasons.append(DueReason.ABOVE_THRESHOLD)
    elif expected is not None and expected.filling_level >= threshold:
        reasons.append(DueReason.FORECAST)
    if device.device_id in requested:
        reasons.append(DueReason.REQUESTED)
    return tuple(reasons)


def volume_l(device: Device) -> float:
    """The container's volume in litres: the attribute `volume_l` where it is a number above 0, else 240."""
    volume = device.attributes.get("volume_l")
    is_number = isinstance(volume, int | float) and not isinstance(volume, bool)
    return float(volume) if is_number and volume is not None and float(volume) > 0 else DEFAULT_VOLUME_L


def _bin(
    device: Device,
    levels: Mapping[str, Level],
    threshold: float,
    requested: Collection[str],
    forecasts: Mapping[str, Forecast],
) -> DueBin:
    level, forecast = levels.get(device.device_id), forecasts.get(device.device_id)
    return DueBin(
        device_id=device.device_id,
        municipality=device.municipality,
        name=device.name,
        latitude=device.latitude,
        longitude=device.longitude,
        filling_level=level.filling_level if level else None,
        observed_at=level.observed_at if level else None,
        threshold=threshold,
        reasons=reasons_for(device, level, threshold, requested, forecast),
        forecast=forecast,
        volume_l=volume_l(device),
    )


def _urgency(bin_: DueBin) -> tuple[int, float, str]:
    if DueReason.ABOVE_THRESHOLD in bin_.reasons:
        group = 0
    elif DueReason.REQUESTED in bin_.reasons:
        group = 1
    else:
        group = 2
    level = bin_.filling_level if bin_.filling_level is not None else 1.0  # asked for and never measured: may be full
    return group, -level, bin_.device_id
