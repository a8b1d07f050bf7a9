"""Bytes to meaning for native waste bins (INTERFACES section 1)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from core.device import Attribute
from devices.base import BOTH_TYPES, Decoded, RejectedValue, decode_json

QUANTITIES: Final = (
    "filling_level",
    "distance_m",
    "weight_kg",
    "temperature_c",
    "tilt_deg",
    "lid_open",
    "fire_detected",
)
_ALL = frozenset((*QUANTITIES, *BOTH_TYPES))
TOLERANCE: Final = 0.1
"""How far a distance may lie outside the container, as a share of its height, and still be read as empty or full."""


def decode(payload: bytes, attributes: Mapping[str, Attribute]) -> Decoded:
    """What a waste bin's `event/up` says; `distance_m` becomes `filling_level` with the container's dimensions.

    Raises:
        PayloadError: the message cannot be used.
    """
    decoded = decode_json(payload, _ALL)
    distance_m = decoded.values.get("distance_m")
    if distance_m is None or "filling_level" in decoded.values:
        return decoded
    try:
        level = filling_level(float(distance_m), attributes.get("height_m"), attributes.get("sensor_offset_m"))
    except ValueError as error:
        return replace(decoded, rejected=(*decoded.rejected, RejectedValue("distance_m", str(error))))
    return replace(decoded, values={**decoded.values, "filling_level": level})


def filling_level(distance_m: float, height_m: Attribute, sensor_offset_m: Attribute = None) -> float:
    """Share of the container's height that is filled, from the distance between sensor and contents.

    `height_m` is the inner height from floor to full; `sensor_offset_m` how far the sensor sits above full (default 0).
    Up to a tenth of the height outside is read as empty or full: walls and wet contents reflect.

    Raises:
        ValueError: no usable height, or the distance lies outside the container.
    """
    if isinstance(height_m, bool) or not isinstance(height_m, int | float) or height_m <= 0:
        raise ValueError("cannot become filling_level: the device has no attribute height_m above 0")
    is_number = isinstance(sensor_offset_m, int | float) and not isinstance(sensor_offset_m, bool)
    offset_m = float(sensor_offset_m) if is_number and sensor_offset_m is not None else 0.0
    level = 1 - (distance_m - offset_m) / height_m
    if not -TOLERANCE <= level <= 1 + TOLERANCE:
        raise ValueError(f"{distance_m:g} m lies outside a container of {height_m:g} m")
    return min(1.0, max(0.0, level))
