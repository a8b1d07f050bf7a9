"""Devices as files: reads CSV and GeoJSON all or nothing, names every bad row, and writes what it reads."""

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from core.clock import format_rfc3339
from core.csv_text import unguard, write_csv
from core.device import Attribute, Device, DeviceStatus, is_device_id, is_municipality
from core.errors import InvalidInputError
from devices.registry import device_types

MAX_DEVICES: Final = 100_000
MAX_TEXT: Final = 1_000
"""Characters of a name, street or attribute."""
MAX_ATTRIBUTES: Final = 100
MAX_SHOWN: Final = 50
"""How many bad rows an error names; the rest is counted."""

FIELDS: Final = ("device_id", "device_type", "municipality", "name", "latitude", "longitude", "street", "status")
"""Columns (CSV) and properties (GeoJSON) that are the registry's own; others become attributes."""
_ALIASES: Final = {
    "device_id": ("id", "serial"),
    "name": ("description",),
    "latitude": ("lat",),
    "longitude": ("lon", "lng"),
}
"""Read in place of a field that a file does not have and no option maps."""
_INFORMATION: Final = ("connection", "last_seen_at", "created_at")
"""Written for the reader, passed over when read: only the platform knows them."""
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?")
"""Text that is a number however it is written back; `007` and `1e5` are names."""


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
    without geometry). Columns that are no field become attributes, where numbers, true and false are recognised.

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
    rows = list(_rows(text, form, columns))
    if not rows:
        raise InvalidInputError("the file has no devices")
    if len(rows) > MAX_DEVICES:
        raise InvalidInputError(f"the file has {len(rows)} devices, more than {MAX_DEVICES}")
    found: dict[str, Device] = {}
    bad: list[BadRow] = []
    for place, values in rows:
        try:
            device = _device(values, defaults)
            if device.device_id in found:
                raise ValueError(f"device_id {device.device_id!r} is in the file twice")
        except ValueError as error:
            bad.append(BadRow(place, str(error)))
        else:
            found[device.device_id] = device
    if bad:
        raise InvalidDevicesError(bad, len(rows))
    return list(found.values())


def format_devices_csv(many: Sequence[Device]) -> str:
    """CSV that `parse_devices` reads: the fields, what the platform knows, a column for each attribute in use."""
    attributes = sorted({name for device in many for name in device.attributes})
    return write_csv(
        [*FIELDS, *_INFORMATION, *map(_attribute_column, attributes)],
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
    return f"attributes.{name}" if name in FIELDS or name in _INFORMATION else name


_Row = tuple[str, dict[str, Any]]
"""Where a row stands, and its values by field or attribute name."""


def _rows(text: str, form: str, columns: Mapping[str, str]) -> Iterator[_Row]:
    form = form.partition(";")[0].strip().lower()
    if form in (".csv", "csv", "text/csv", "text/plain"):
        return _csv_rows(text, columns)
    if form in (".geojson", ".json", "geojson", "json", "application/geo+json", "application/json"):
        return _geojson_rows(text, columns)
    raise InvalidInputError(
        f"{form[:80] or 'no media type'!r}: devices come as CSV (text/csv) or GeoJSON (application/geo+json)"
    )


def _csv_rows(text: str, columns: Mapping[str, str]) -> Iterator[_Row]:
    text = text.removeprefix("\ufeff")
    heading = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=heading.count), strict=True)
    line = 1
    try:
        header = [unguard(name.strip()) for name in next(reader, [])]
        names = _names(header, columns)
        line = reader.line_num + 1
        for cells in reader:
            place, line = f"line {line}", reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) == len(header):
                values = {name: _typed(name, cell) for name, cell in zip(names, cells, strict=True) if cell.strip()}
            else:
                values = {"": f"has {len(cells)} cells, the header {len(header)}"}
            yield place, values
    except csv.Error as error:
        raise InvalidInputError(f"line {line}: not CSV: {error}") from error


def _names(header: list[str], columns: Mapping[str, str]) -> list[str]:
    """What each column is: a field, or an attribute by its own name."""
    if not any(header):
        raise InvalidInputError("the file has no header line")
    if "" in header:
        raise InvalidInputError(f"column {header.index('') + 1} has no name in the header")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise InvalidInputError(f"the header names {', '.join(map(repr, twice[:5]))} more than once")
    fields = _fields(header, columns)
    return [
        fields.get(name, name.removeprefix("attributes.") if name.startswith("attributes.") else name)
        for name in header
    ]


def _fields(present: Sequence[str], columns: Mapping[str, str]) -> dict[str, str]:
    """Column to field: as mapped, else of the same name, else by alias."""
    fields: dict[str, str] = {}
    for field in FIELDS:
        if field in columns:
            if columns[field] not in present:
                raise InvalidInputError(f"there is no column {columns[field]!r}; columns are {', '.join(present)}")
            fields[columns[field]] = field
        elif field in present:
            fields[field] = field
    for field, aliases in _ALIASES.items():
        alias = next((name for name in aliases if name in present and name not in fields), None)
        if field not in fields.values() and alias is not None:
            fields[alias] = field
    return fields


def _typed(name: str, cell: str) -> Attribute:
    """A cell as it is meant: text for fields (they are checked one by one), for attributes a number or boolean too."""
    cell = unguard(cell.strip())
    if name in FIELDS:
        return cell
    if cell.lower() in ("true", "false"):
        return cell.lower() == "true"
    if _NUMBER.fullmatch(cell):
        return float(cell) if "." in cell else int(cell)
    return cell


def _geojson_rows(text: str, columns: Mapping[str, str]) -> Iterator[_Row]:
    try:
        document = json.loads(text.removeprefix("\ufeff"), parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise InvalidInputError(f"not JSON: {error.msg} at line {error.lineno}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInputError("not usable JSON: a number too long, NaN or Infinity, or nested too deep") from error
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list) or document.get("type") != "FeatureCollection":
        raise InvalidInputError("expected a GeoJSON FeatureCollection")
    for number, feature in enumerate(features, start=1):
        try:
            values = _feature(feature, columns)
        except ValueError as error:
            values = {"": str(error)}
        yield f"feature {number}", values


def _feature(feature: object, columns: Mapping[str, str]) -> dict[str, Any]:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    if not isinstance(feature, dict) or feature.get("type") != "Feature" or not isinstance(properties, dict):
        raise ValueError("is no GeoJSON Feature with properties")
    fields = _fields(tuple(properties), {field: name for field, name in columns.items() if name in properties})
    values = {fields.get(name, name): value for name, value in properties.items() if value is not None}
    nested = values.pop("attributes", {})
    if not isinstance(nested, dict):
        raise ValueError("attributes is no object")
    values = {name: value for name, value in nested.items() if name not in FIELDS} | values
    if "id" in feature:
        values.setdefault("device_id", feature["id"])
    geometry = feature.get("geometry")
    if geometry is not None:
        coordinates = geometry.get("coordinates") if isinstance(geometry, dict) else None
        if not isinstance(coordinates, list) or geometry.get("type") != "Point" or len(coordinates) not in (2, 3):
            raise ValueError("geometry is no Point")
        values["longitude"], values["latitude"] = coordinates[:2]
    return values


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _device(values: Mapping[str, Any], defaults: Mapping[str, str]) -> Device:
    """A row's device; ValueError says what is wrong with it."""
    if "" in values:  # the row could not be taken apart
        raise ValueError(str(values[""]))
    values = {**defaults, **values}
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
    attributes = {name: value for name, value in values.items() if name not in FIELDS and name not in _INFORMATION}
    return Device(
        device_id=device_id,
        device_type=device_type,
        municipality=municipality,
        name=_text(values, "name") or "",
        latitude=latitude,
        longitude=longitude,
        street=_text(values, "street") or None,
        status=DeviceStatus(status),
        attributes=_attributes(attributes),
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
