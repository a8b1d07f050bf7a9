"""Rows of device files: takes CSV and GeoJSON apart into values by field or attribute name."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from core.csv_text import unguard
from core.device import Attribute
from core.errors import InvalidInputError

FIELDS: Final = ("device_id", "device_type", "municipality", "name", "latitude", "longitude", "street", "status")
"""Columns (CSV) and properties (GeoJSON) that are the registry's own; others become attributes."""
_ALIASES: Final = {
    "device_id": ("id", "serial"),
    "name": ("description",),
    "latitude": ("lat",),
    "longitude": ("lon", "lng"),
}
"""Read in place of a field that a file does not have and no option maps."""
ATTRIBUTE_PREFIX: Final = "attributes."
"""A CSV column of this beginning is an attribute even if its name is a field's."""
INFORMATION: Final = ("connection", "last_seen_at", "created_at")
"""Written for the reader, passed over when read: only the platform knows them."""
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?")
"""Text that is a number however it is written back; `007` and `1e5` are names."""


@dataclass(frozen=True, slots=True)
class FileRow:
    """One device as a file has it: its place (`line 7`, `feature 3`), raw fields and attributes, or what is wrong."""

    place: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None


def read_rows(text: str, form: str, columns: Mapping[str, str]) -> Iterator[FileRow]:
    """The rows of a file in one of the forms that `parse_devices` takes.

    Raises:
        InvalidInputError: the file as a whole cannot be read.
    """
    form = form.partition(";")[0].strip().lower()
    if form in (".csv", "csv", "text/csv", "text/plain"):
        return _csv_rows(text, columns)
    if form in (".geojson", ".json", "geojson", "json", "application/geo+json", "application/json"):
        return _geojson_rows(text, columns)
    raise InvalidInputError(
        f"{form[:80] or 'no media type'!r}: devices come as CSV (text/csv) or GeoJSON (application/geo+json)"
    )


def _csv_rows(text: str, columns: Mapping[str, str]) -> Iterator[FileRow]:
    text = text.removeprefix("\ufeff")
    heading = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=heading.count), strict=True)
    line = 1
    try:
        header = [unguard(name.strip()) for name in next(reader, [])]
        fields = _checked_header(header, columns)
        line = reader.line_num + 1
        for cells in reader:
            place, line = f"line {line}", reader.line_num + 1
            if len(cells) == len(header):
                yield _csv_row(place, dict(zip(header, cells, strict=True)), fields)
            elif any(cell.strip() for cell in cells):
                yield FileRow(place, problem=f"has {len(cells)} cells, the header {len(header)}")
    except csv.Error as error:
        raise InvalidInputError(f"line {line}: not CSV: {error}") from error


def _checked_header(header: list[str], columns: Mapping[str, str]) -> dict[str, str]:
    """Column to field."""
    if not any(header):
        raise InvalidInputError("the file has no header line")
    if "" in header:
        raise InvalidInputError(f"column {header.index('') + 1} has no name in the header")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise InvalidInputError(f"the header names {', '.join(map(repr, twice[:5]))} more than once")
    return _fields(header, columns)


def _csv_row(place: str, cells: Mapping[str, str], fields: Mapping[str, str]) -> FileRow:
    filled = {column: unguard(cell.strip()) for column, cell in cells.items() if cell.strip()}
    return FileRow(
        place,
        {fields[column]: cell for column, cell in filled.items() if column in fields},
        {
            column.removeprefix(ATTRIBUTE_PREFIX): _typed(cell)
            for column, cell in filled.items()
            if column not in fields and column not in INFORMATION
        },
    )


def _fields(present: Sequence[str], columns: Mapping[str, str]) -> dict[str, str]:
    """Column to field: as mapped, else of the same name, else by alias."""
    fields: dict[str, str] = {}
    for name in FIELDS:
        if name in columns:
            if columns[name] not in present:
                raise InvalidInputError(f"there is no column {columns[name]!r}; columns are {', '.join(present)}")
            fields[columns[name]] = name
        elif name in present:
            fields[name] = name
    for name, aliases in _ALIASES.items():
        alias = next((column for column in aliases if column in present and column not in fields), None)
        if name not in fields.values() and alias is not None:
            fields[alias] = name
    return fields


def _typed(cell: str) -> Attribute:
    """An attribute's text as the number or boolean that it is."""
    if cell.lower() in ("true", "false"):
        return cell.lower() == "true"
    if _NUMBER.fullmatch(cell):
        return float(cell) if "." in cell else int(cell)
    return cell


def _geojson_rows(text: str, columns: Mapping[str, str]) -> Iterator[FileRow]:
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
        place = f"feature {number}"
        try:
            yield _feature_row(place, feature, columns)
        except ValueError as error:
            yield FileRow(place, problem=str(error))


def _feature_row(place: str, feature: object, columns: Mapping[str, str]) -> FileRow:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    if not isinstance(feature, dict) or feature.get("type") != "Feature" or not isinstance(properties, dict):
        raise ValueError("is no GeoJSON Feature with properties")
    nested = properties.get("attributes") or {}
    if not isinstance(nested, dict):
        raise ValueError("attributes is no object")  # noqa: TRY004 - a value from outside
    names = _fields(tuple(properties), {name: column for name, column in columns.items() if column in properties})
    given = {name: value for name, value in properties.items() if value is not None}
    fields = {names[name]: value for name, value in given.items() if name in names}
    if "id" in feature:
        fields.setdefault("device_id", feature["id"])
    geometry = feature.get("geometry")
    if geometry is not None:
        coordinates = geometry.get("coordinates") if isinstance(geometry, dict) else None
        if not isinstance(coordinates, list) or geometry.get("type") != "Point" or len(coordinates) not in (2, 3):
            raise ValueError("geometry is no Point")
        fields["longitude"], fields["latitude"] = coordinates[:2]
    if "attributes" in properties:  # our own form: what else is there, such as newest readings, is information
        return FileRow(place, fields, nested)
    passed_over = (*names, *INFORMATION)
    return FileRow(place, fields, {name: value for name, value in given.items() if name not in passed_over})


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
