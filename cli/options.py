"""What several commands take: KEY=VALUE pairs, days, time zones, positions and files."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.errors import InvalidInputError

MOST_MIB: Final = 256


def read_pairs(option: str, texts: Iterable[str]) -> dict[str, str]:
    """`KEY=VALUE` texts as a mapping.

    Raises:
        InvalidInputError: one is not of this form, or a key comes twice.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not key or not equals or not value:
            raise InvalidInputError(f"{option}: expected KEY=VALUE, got {text[:80]!r}")
        if key in pairs:
            raise InvalidInputError(f"{option}: {key} is given twice")
        pairs[key] = value
    return pairs


def read_day(option: str, text: str) -> date:
    """A date as ISO 8601 writes it.

    Raises:
        InvalidInputError: it is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInputError(f"{option}: {text[:80]!r} is no date such as 2026-05-06") from error


def read_zone(option: str, name: str) -> ZoneInfo:
    """The time zone of this name.

    Raises:
        InvalidInputError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInputError(f"{option}: {name[:80]!r} is no time zone such as Europe/Berlin") from error


def read_position(option: str, text: str) -> tuple[float, float]:
    """`LAT,LON` in degrees WGS 84.

    Raises:
        InvalidInputError: it is no such position.
    """
    try:
        latitude, longitude = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InvalidInputError(f"{option}: {text[:80]!r} is no position such as 50.8,8.77") from error
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):  # noqa: PLR2004  degrees; false for nan too
        raise InvalidInputError(f"{option}: {text[:80]!r} is not within 90 degrees of latitude and 180 of longitude")
    return latitude, longitude


def read_text(file: Path, most_mib: int = MOST_MIB) -> str:
    """The text of a file in UTF-8, with or without a mark at its begin.

    Raises:
        InvalidInputError: it cannot be read, is larger, or is something else.
    """
    try:
        if file.stat().st_size > most_mib << 20:
            raise InvalidInputError(f"{file} is larger than {most_mib} MiB")
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InvalidInputError(f"{file} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{file} is not UTF-8: byte {error.start}") from error
