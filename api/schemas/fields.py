"""Types that several schemas and parameters share: times, names, positions, text; and the form of every list."""

import math
import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final, Generic, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)

from core.clock import format_rfc3339, parse_duration, parse_rfc3339
from core.device import DEVICE_ID_PATTERN, MUNICIPALITY_PATTERN
from devices.registry import device_types

EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2262, 1, 1, tzinfo=UTC)
"""Nanoseconds since 1970 fit into 64 bits until then: the limit of time-series databases."""
LONGEST_INTERVAL: Final = timedelta(days=366)
MAX_DAY: Final = date(2199, 12, 31)
MIN_DAY: Final = date(2000, 1, 1)
NO_CONTROL_CHARACTERS: Final = r"^[^\x00-\x1f\x7f]*$"

ItemT = TypeVar("ItemT")


def _time_in(raw: object) -> datetime:
    try:
        at = parse_rfc3339(str(raw))
    except ValueError as error:
        raise ValueError(f"{error} (in a query a + is written %2B)") from error
    if not EARLIEST <= at < LATEST:
        raise ValueError("outside the years 1970-2261")
    return at


def _day_in(raw: object) -> date:
    text = str(raw)
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        raise ValueError("expected a date such as 2026-05-04")
    day = date.fromisoformat(text)
    if not MIN_DAY <= day <= MAX_DAY:
        raise ValueError("outside the years 2000-2199")
    return day


def _interval_in(raw: object) -> timedelta:
    interval = parse_duration(str(raw))
    if interval > LONGEST_INTERVAL:
        raise ValueError("longer than P366D")
    return interval


def _device_type_in(name: str) -> str:
    if name not in device_types():
        raise ValueError(f"unknown device type; known: {', '.join(sorted(device_types()))}")
    return name


def parse_bbox(text: str) -> tuple[float, float, float, float]:
    """Read `west,south,east,north` in degrees; west > east is a box across the antimeridian (RFC 7946).

    Raises:
        ValueError: not four numbers, or not a box on the earth.
    """
    parts = text.split(",")
    try:
        west, south, east, north = (float(part) for part in parts)
    except ValueError as error:
        raise ValueError("expected west,south,east,north in degrees, such as 8.6,50.7,8.9,50.9") from error
    if not all(math.isfinite(edge) for edge in (west, south, east, north)):
        raise ValueError("expected finite numbers")
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):  # noqa: PLR2004 - degrees
        raise ValueError("expected longitudes within -180 to 180 and -90 <= south <= north <= 90")
    return west, south, east, north


def _bbox_in(text: str) -> str:
    parse_bbox(text)
    return text


TimeIn = Annotated[
    datetime,
    PlainValidator(_time_in),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-05-04T06:00:00Z"]}),
]
"""A time from outside: RFC 3339 with zone."""
TimeOut = Annotated[
    datetime,
    PlainSerializer(format_rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-05-04T06:00:00Z"]}),
]
"""A time we give: RFC 3339 in UTC."""
Day = Annotated[
    date,
    PlainValidator(_day_in),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-05-04"]}),
]
Interval = Annotated[
    timedelta,
    PlainValidator(_interval_in),
    WithJsonSchema({"type": "string", "format": "duration", "examples": ["PT1H"]}),
]
Bbox = Annotated[str, AfterValidator(_bbox_in), Field(max_length=200, examples=["8.6,50.7,8.9,50.9"])]
Slug = Annotated[str, StringConstraints(pattern=f"^{MUNICIPALITY_PATTERN}$"), Field(examples=["marburg"])]
DeviceId = Annotated[str, StringConstraints(pattern=f"^{DEVICE_ID_PATTERN}$"), Field(examples=["lamp-0001"])]
DeviceTypeName = Annotated[
    str,
    AfterValidator(_device_type_in),
    WithJsonSchema({"type": "string", "enum": sorted(device_types()), "examples": ["waste_bin"]}),
]
RuleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$"), Field(examples=["bin_full"])]
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,128}$")]
"""An id that the platform gave."""
Line = Annotated[str, StringConstraints(max_length=200, pattern=NO_CONTROL_CHARACTERS)]
"""One line of text."""
Text = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")]
"""Text of several lines."""
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False, description="degrees north, WGS 84")]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False, description="degrees east, WGS 84")]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Body(BaseModel):
    """A request body: unknown keys are refused, and a number is no text and a boolean no number."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Shown(BaseModel):
    """Part of a response, made from a noun of `core`."""

    model_config = ConfigDict(from_attributes=True)


class Items(BaseModel, Generic[ItemT]):
    """A page of a list."""

    items: list[ItemT]
    next_cursor: str | None = Field(None, description="give it as `cursor` for the next page; null: this is the last")
