"""Devices as files: reads CSV and GeoJSON all or nothing, names every bad row, and writes what it reads."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from core.clock import format_rfc3339
from core.csv_text import write_csv
from core.device import Attribute, Device, DeviceStatus, is_device_id, is_municipality
from core.errors import InvalidInputError
from devices.file_rows import ATTRIBUTE_PREFIX, FIELDS, INFORMATION, FileRow, read_rows
from devices.registry import device_types

MAX_DEVICES: Final = 100_000
MAX_TEXT: Final = 1_000
"""Characters of a name, street or attribute."""
MAX_ATTRIBUTES: Final = 100
MAX_SHOWN: Final = 50
"""How many bad rows an error names; the rest is counted."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be a device: where (`line 7`, `feature 3`) and why."""

    place: str
    reason: str


class InvalidDevicesError(InvalidInputError):
    """Rows of a device file are wrong; `rows` has every one of them, the text the first 50."""

    def __init__(self, rows: Sequence[BadRow], total: int) -> None:
        shown = "; ".join(f"{row.place}: {row.reason}" for row in rows[:MAX_SHOWN])
        more = f"; and {len(rows) - MAX_SHOWN} more" if len(rows) > MAX_SHOWN else ""
        super().__init__(f"{len(rows)} of {total} devices cannot be imported: {shown}{more}")
        self.rows = tuple(rows)


def parse_devices(
    text: str,
    form: str,
    *,
    columns: Mapping[str, str] | None = None,
    defaults: Mapping[str, str] | None = None,
) -> list[Device]:
    """Read devices from CSV or GeoJSON, all or none.

    CSV has a header; a position is `latitude`, `longitude`. GeoJSON is a FeatureCollection of Points (or of features
    without geometry). Columns that are no field become attributes, where numbers, true and false are recognised; so do
    properties, unless the feature has an object `attributes`.

    Args:
        text: the file.
        form: a media type (`text/csv`, `application/geo+json`) or suffix (`.csv`, `.geojson`, `.json`).
        columns: field to the column that holds it, where they differ.
        defaults: field to its value where a row does not say.

    Raises:
        InvalidDevicesError: rows are wrong; names each.
        InvalidInputError: the file as a whole cannot be read, or an option names no field or column.
    """
    columns, defaults = columns or {}, defaults or {}
    for option in (*columns, *defaults):
        if option not in FIELDS:
            raise InvalidInputError(f"{option!r} is no field of a device; fields are {', '.join(FIELDS)}")
    rows = list(read_rows(text, form, columns))
    if not rows:
        raise InvalidInputError("the file has no devices")
    if len(rows) > MAX_DEVICES:
        raise InvalidInputError(f"the file has {len(rows)} devices, more than {MAX_DEVICES}")
    found: dict[str, Device] = {}
    bad: list[BadRow] = []
    for row in rows:
        try:
            device = _device(row, defaults)
            if device.device_id in found:
                raise ValueError(f"device_id {device.device_id!r} is in the file twice")
        except (ValueError, InvalidInputError) as error:
            bad.append(BadRow(row.place, str(error)))
        else:
            found[device.device_id] = device
    if bad:
        raise InvalidDevicesError(bad, len(rows))
    return list(found.values())


def format_devices_csv(many: Sequence[Device]) -> str:
    """CSV that `parse_devices` reads: the fields, what the platform knows, a column for each attribute in use."""
    attributes = sorted({name for device in many for name in device.attributes})
    return write_csv(
        [*FIELDS, *INFORMATION, *map(_attribute_column, attributes)],
        (
            [
                *(getattr(device, name) for name in FIELDS),
                *_information(device).values(),
                *(device.attributes.get(name) for name in attributes),
            ]
            for device in many
        ),
    )


def format_devices_geojson(many: Sequence[Device]) -> dict[str, Any]:
    """A FeatureCollection (RFC 7946) that `parse_devices` reads; a device without position has no geometry."""
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "id": device.device_id,
                "geometry": None
                if device.latitude is None
                else {"type": "Point", "coordinates": [device.longitude, device.latitude]},
                "properties": {
                    **{name: getattr(device, name) for name in FIELDS if name not in ("latitude", "longitude")},
                    **_information(device),
                    "attributes": dict(device.attributes),
                },
            }
            for device in many
        ],
    }


def _information(device: Device) -> dict[str, str | None]:
    return {
        "connection": device.connection.value,
        "last_seen_at": format_rfc3339(device.last_seen_at) if device.last_seen_at else None,
        "created_at": format_rfc3339(device.created_at) if device.created_at else None,
    }


def _attribute_column(name: str) -> str:
    is_other = name in FIELDS or name in INFORMATION or name.startswith(ATTRIBUTE_PREFIX)
    return ATTRIBUTE_PREFIX + name if is_other else name


def _device(row: FileRow, defaults: Mapping[str, str]) -> Device:
    """A row's device; ValueError or InvalidInputError says what is wrong with it."""
    if row.problem is not None:
        raise ValueError(row.problem)
    values = {**defaults, **row.fields}
    device_id = str(values.get("device_id", ""))
    if not is_device_id(device_id):
        raise ValueError(f"device_id {device_id[:80]!r} is not 1-64 of A-Z a-z 0-9 . _ -")
    device_type = str(values.get("device_type", ""))
    if device_type not in device_types():
        raise ValueError(f"device_type {device_type[:80]!r} is none of {', '.join(sorted(device_types()))}")
    municipality = str(values.get("municipality", ""))
    if not is_municipality(municipality):
        raise ValueError(f"municipality {municipality[:80]!r} is not 1-64 of a-z 0-9 -")
    latitude, longitude = _degrees(values, "latitude", 90), _degrees(values, "longitude", 180)
    if (latitude is None) != (longitude is None):
        raise ValueError("latitude and longitude belong together: one is missing")
    status = str(values.get("status", DeviceStatus.ACTIVE))
    if status not in list(DeviceStatus):
        raise ValueError(f"status {status[:80]!r} is none of {', '.join(DeviceStatus)}")
    attributes = _attributes(row.attributes)
    device_types()[device_type].check_attributes(attributes)
    return Device(
        device_id=device_id,
        device_type=device_type,
        municipality=municipality,
        name=_text(values, "name") or "",
        latitude=latitude,
        longitude=longitude,
        street=_text(values, "street") or None,
        status=DeviceStatus(status),
        attributes=attributes,
    )


def _degrees(values: Mapping[str, Any], name: str, most: int) -> float | None:
    raw = values.get(name)
    if raw is None:
        return None
    try:
        degrees = math.nan if isinstance(raw, bool) else float(raw)
    except (ValueError, TypeError, OverflowError):
        degrees = math.nan
    if not -most <= degrees <= most:
        raise ValueError(f"{name} {str(raw)[:80]!r} is no number of degrees from -{most} to {most}")
    return degrees


def _text(values: Mapping[str, Any], name: str) -> str:
    text = str(values.get(name, ""))
    if len(text) > MAX_TEXT:
        raise ValueError(f"{name} is longer than {MAX_TEXT} characters")
    return text


def _attributes(values: Mapping[str, Any]) -> dict[str, Attribute]:
    if len(values) > MAX_ATTRIBUTES:
        raise ValueError(f"has {len(values)} attributes, more than {MAX_ATTRIBUTES}")
    for name, value in values.items():
        if not isinstance(value, str | float | int | bool | None):
            raise ValueError(f"attribute {name[:80]!r} is no text, number or boolean")  # noqa: TRY004 - a value from outside
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"attribute {name[:80]!r} is not finite")
        if len(str(value)) > MAX_TEXT or len(name) > MAX_TEXT:
            raise ValueError(f"attribute {name[:80]!r} is longer than {MAX_TEXT} characters")
    return dict(values)
