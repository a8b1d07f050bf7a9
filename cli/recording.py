"""Recordings: CSV or JSON lines that somebody else made, turned into readings of one device type."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from cli.recorded_time import TimeReader
from core.device import is_device_id
from core.errors import InvalidInputError
from core.quantity import CATALOGUE, Kind, Quantity, Value
from devices.base import DeviceType

MAX_FILE_BYTES: Final = 1 << 30
"""A recording is sorted in memory."""
DEVICE_ID: Final = "device_id"
OBSERVED_AT: Final = "observed_at"
_SCALES: Final = ((10, Decimal("0.1")), (100, Decimal("0.01")))
"""Highest value of a column of tenths and of one of percent, with the factor that makes them shares."""
_MAX_EXPONENT: Final = 300
"""Numbers beyond would not fit a float."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one device said at one instant."""

    device_id: str
    observed_at: datetime
    values: Mapping[str, Value]


@dataclass(slots=True)
class Recording:
    """A recording, oldest first, with what could not be used (line and reason) and what was assumed."""

    readings: list[Recorded] = field(default_factory=list)
    rows: int = 0
    repeated: int = 0
    """Rows of a device and instant that a later row names again; the last one in the file counts."""
    unusable: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_recording(
    path: Path,
    device_type: DeviceType,
    columns: Mapping[str, str],
    *,
    zone: ZoneInfo,
    oldest: datetime,
    newest: datetime,
    time_format: str | None = None,
    scales: Mapping[str, Decimal] | None = None,
) -> Recording:
    """Read a CSV (with header) or JSON lines file; rows that cannot be used do not stop it.

    Args:
        path: the file; a first line that begins with `{` makes it JSON lines.
        device_type: decides which quantities there are.
        columns: `device_id`, `observed_at` and at least one quantity, each to the column that holds it.
        zone: of times that do not name one.
        oldest: what was observed before is not kept by the platform: such rows cannot be used.
        newest: what was observed later was not: neither can they.
        time_format: as of `datetime.strptime`; without it the form is found out from the whole column.
        scales: quantity to the factor its column is multiplied by; without one, a share (0-1) whose column goes further
            is taken for tenths (to 10) or percent (to 100), and a note says so.

    Raises:
        InvalidInputError: the file cannot be read, lacks a column, or `columns` or `scales` name no quantity.
    """
    scales = dict(scales or {})
    _check_keys(device_type, columns, scales)
    recording = Recording()
    rows = []
    for line, row in _rows(path, columns):
        recording.rows += 1
        if isinstance(row, str):
            recording.unusable.append((line, row))
        else:
            rows.append((line, row))
    read_time = TimeReader((str(row[OBSERVED_AT]) for _, row in rows), zone, time_format)
    recording.notes += read_time.notes
    quantities = [CATALOGUE[key] for key in columns if key not in (DEVICE_ID, OBSERVED_AT)]
    for quantity in quantities:
        if quantity.name not in scales and (scale := _found_scale(quantity, [row[quantity.name] for _, row in rows])):
            scales[quantity.name] = scale
            recording.notes.append(
                f"column {columns[quantity.name]!r} goes beyond 1: {quantity.name} is {scale} times it"
                f" (--scale {quantity.name}=1 takes it as it is)"
            )
    found: dict[tuple[datetime, str], dict[str, Value]] = {}
    for line, row in rows:
        try:
            device_id, observed_at = str(row[DEVICE_ID] or "").strip(), read_time(str(row[OBSERVED_AT] or "").strip())
            if not oldest <= observed_at <= newest:
                raise ValueError(f"time {row[OBSERVED_AT]!s} is {_outside(observed_at, oldest)}")
            if not is_device_id(device_id):
                raise ValueError(f"device_id {device_id[:80]!r} is not 1-64 of A-Z a-z 0-9 . _ -")
            values = _values(quantities, row, scales)
        except ValueError as error:
            recording.unusable.append((line, str(error)))
            continue
        recording.repeated += (observed_at, device_id) in found
        found.setdefault((observed_at, device_id), {}).update(values)
    recording.readings = [
        Recorded(device_id, at, values) for (at, device_id), values in sorted(found.items(), key=_when)
    ]
    recording.unusable.sort()
    return recording


def _when(item: tuple[tuple[datetime, str], object]) -> tuple[datetime, str]:
    return item[0]


def _outside(at: datetime, oldest: datetime) -> str:
    return "older than the retention" if at < oldest else "in the future"


def _check_keys(device_type: DeviceType, columns: Mapping[str, str], scales: Mapping[str, Decimal]) -> None:
    known = (DEVICE_ID, OBSERVED_AT, *device_type.quantities)
    for key in (*columns, *scales):
        if key not in known:
            raise InvalidInputError(f"{key!r} is nothing a {device_type.name} says; keys are {', '.join(known)}")
    for key in (DEVICE_ID, OBSERVED_AT):
        if key not in columns:
            raise InvalidInputError(f"--map {key}=COLUMN is missing")
    if len(columns) == len((DEVICE_ID, OBSERVED_AT)):
        raise InvalidInputError(
            f"--map names no quantity; a {device_type.name} has {', '.join(device_type.quantities)}"
        )
    for key in scales:
        if key not in columns or CATALOGUE[key].kind not in (Kind.NUMBER, Kind.INTEGER):
            raise InvalidInputError(f"--scale {key}: no number that --map takes from a column")


def _rows(path: Path, columns: Mapping[str, str]) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Line number with the wanted raw values by key, or with what is wrong."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidInputError(f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB")
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            start = file.read(1024)
            file.seek(0)
            yield from (
                _json_rows(file, path, columns) if start.lstrip().startswith("{") else _csv_rows(file, path, columns)
            )
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror or error}") from error


def _csv_rows(
    file: Iterator[str], path: Path, columns: Mapping[str, str]
) -> Iterator[tuple[int, dict[str, Any] | str]]:
    heading = next(file, "")
    delimiter = max(",;\t", key=heading.count)
    header = [name.strip() for name in next(csv.reader([heading], delimiter=delimiter), [])]
    for column in columns.values():
        if column not in header:
            raise InvalidInputError(f"{path} has no column {column!r}; its columns are {', '.join(header)[:500]}")
    places = {key: header.index(column) for key, column in columns.items()}
    reader = csv.reader(file, delimiter=delimiter)
    while True:
        line = reader.line_num + 2  # the first line of the row; the header was read before the reader began
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, f"not CSV: {error}"
            continue
        if len(cells) == len(header):
            yield line, {key: cells[place] for key, place in places.items()}
        elif any(cell.strip() for cell in cells):
            yield line, f"has {len(cells)} cells, the header {len(header)}"


def _json_rows(
    file: Iterator[str], path: Path, columns: Mapping[str, str]
) -> Iterator[tuple[int, dict[str, Any] | str]]:
    seen: set[str] = set()
    for line, text in enumerate(file, start=1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            yield line, "not JSON"
            continue
        if not isinstance(row, dict):
            yield line, "no JSON object"
            continue
        seen.update(row.keys() & columns.values())
        yield line, {key: row.get(column) for key, column in columns.items()}
    missing = sorted(set(columns.values()) - seen)
    if missing:
        raise InvalidInputError(f"no line of {path} has the key {missing[0]!r}")


def _values(quantities: list[Quantity], row: Mapping[str, Any], scales: Mapping[str, Decimal]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for quantity in quantities:
        raw = row[quantity.name]
        if raw is None or (isinstance(raw, str) and not raw.strip()):
            continue
        try:
            values[quantity.name] = quantity.accept(_typed(quantity, raw, scales.get(quantity.name)))
        except ValueError as error:
            raise ValueError(f"{quantity.name}: {error}") from error
    if not values:
        raise ValueError("no value")
    return values


def _typed(quantity: Quantity, raw: Any, scale: Decimal | None) -> Any:
    """A cell as the JSON value that a device would send."""
    if quantity.kind in (Kind.NUMBER, Kind.INTEGER):
        number = _number(raw)
        if number is None:
            raise ValueError(f"{str(raw)[:80]!r} is no number")
        number = number if scale is None else number * scale
        return int(number) if number == number.to_integral_value() and abs(number) < 10**15 else float(number)
    if quantity.kind is Kind.BOOLEAN and isinstance(raw, str):
        return {"true": True, "1": True, "false": False, "0": False}.get(raw.strip().lower(), raw)
    if quantity.kind is Kind.FAULTS and isinstance(raw, str):
        return [name.strip() for name in raw.replace(";", ",").split(",") if name.strip()]
    return raw.strip() if isinstance(raw, str) else raw


def _number(raw: Any) -> Decimal | None:
    """The number that was written, exactly: 6 tenths are to be 0.6."""
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        return None
    try:
        number = Decimal(str(raw).strip())
    except (InvalidOperation, ValueError):
        return None
    return number if number.is_finite() and abs(number.adjusted()) < _MAX_EXPONENT else None


def _found_scale(quantity: Quantity, column: list[Any]) -> Decimal | None:
    """The factor that makes a column of tenths or percent a share; None: it is one, or nothing is clear."""
    if quantity.kind is not Kind.NUMBER or (quantity.minimum, quantity.maximum) != (0, 1):
        return None
    (most_tenths, tenths), (most_percent, percent) = _SCALES
    numbers = [number for number in map(_number, column) if number is not None and 0 <= number <= most_percent]
    highest = max(numbers, default=Decimal(0))
    if highest <= 1:
        return None
    return tenths if highest <= most_tenths and all(number == int(number) for number in numbers) else percent
