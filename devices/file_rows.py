"""Rows of device files: takes CSV and GeoJSON apart into values by field or attribute name."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
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
INFORMATION: Final = ("connection", "last_seen_at", "created_at")
"""Written for the reader, passed over when read: only the platform knows them."""
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?")
"""Text that is a number however it is written back; `007` and `1e5` are names."""


Row = tuple[str, dict[str, Any]]
"""Where a row stands, and its values by field or attribute name."""


def read_rows(text: str, form: str, columns: Mapping[str, str]) -> Iterator[Row]:
    """The rows of a file in one of the forms that `parse_devices` takes; a bad one has its reason under the name "".

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


def _csv_rows(text: str, columns: Mapping[str, str]) -> Iterator[Row]:
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
    fields: dict[str, str] = {}  # column to field
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


def _geojson_rows(text: str, columns: Mapping[str, str]) -> Iterator[Row]:
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
    values: dict[str, Any] = {fields.get(name, name): value for name, value in properties.items() if value is not None}
    nested = values.pop("attributes", {})
    if not isinstance(nested, dict):
        raise ValueError("attributes is no object")  # noqa: TRY004 - a value from outside
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
