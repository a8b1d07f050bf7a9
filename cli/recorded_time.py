"""Times as recordings write them: finds out the form from a whole column."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from typing import Final

from core.clock import from_epoch_ms, parse_rfc3339
from core.errors import InvalidInputError

_NUMERIC: Final = re.compile(r"(\d{1,2})([-./])(\d{1,2})\2(\d{4})(?:[ T,]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?", re.ASCII)
"""Day and month in either order, year, perhaps a time of day."""
_EPOCH: Final = re.compile(r"-?\d{9,14}(\.\d+)?", re.ASCII)
_MILLISECONDS_FROM: Final = 10**11
"""Epoch seconds reach this number in the year 5138, epoch milliseconds had it in 1973."""
_MONTHS: Final = 12


class TimeReader:
    """Reads the times of one column; made from all of it, because `01-02-2019` alone does not tell day from month.

    Args:
        column: every time as written.
        zone: of times without a zone.
        time_format: as of `datetime.strptime`; None: RFC 3339, ISO 8601, epoch seconds or milliseconds, day-month-year
            or month-day-year, whichever a time is.

    Raises:
        InvalidInputError: `time_format` cannot be used, or nothing in the column tells day from month.
    """

    def __init__(self, column: Iterable[str], zone: tzinfo, time_format: str | None) -> None:
        self._zone = zone
        self._format = time_format
        self._day_first = True
        self.notes: list[str] = []
        if time_format is None:
            self._find_order(column)
        else:
            try:
                datetime.strptime(datetime(2019, 5, 6, tzinfo=UTC).strftime(time_format), time_format)  # noqa: DTZ007
            except (ValueError, re.error) as error:
                raise InvalidInputError(f"time format {time_format[:80]!r} cannot be used: {error}") from error

    def __call__(self, text: str) -> datetime:
        """The instant, aware UTC.

        Raises:
            ValueError: it is none.
        """
        try:
            at = self._read(text)
            return (at if at.tzinfo else at.replace(tzinfo=self._zone)).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"time {text[:80]!r} cannot be read") from error

    def _read(self, text: str) -> datetime:
        if self._format is not None:
            return datetime.strptime(text, self._format)  # noqa: DTZ007 - the zone is added where it is missing
        if _EPOCH.fullmatch(text):
            number = float(text)
            return from_epoch_ms(number if abs(number) >= _MILLISECONDS_FROM else number * 1000)
        match = _NUMERIC.fullmatch(text)
        if match is not None:
            first, _, second, year, hours, minutes, seconds = match.groups("0")
            day, month = (first, second) if self._day_first else (second, first)
            at = (int(year), int(month), int(day), int(hours), int(minutes), int(seconds))
            return datetime(*at)  # noqa: DTZ001 - the zone is added where it is missing
        try:
            return parse_rfc3339(text)
        except ValueError:
            return datetime.fromisoformat(text)

    def _find_order(self, column: Iterable[str]) -> None:
        example, dotted, day_first, month_first = "", False, False, False
        for text in column:
            match = _NUMERIC.fullmatch(text.strip())
            if match is None:
                continue
            example = match.group()
            dotted |= match.group(2) == "."  # 06.05.2019 is always day, month, year
            day_first |= int(match.group(1)) > _MONTHS
            month_first |= int(match.group(3)) > _MONTHS
        if not example:
            return
        if not dotted and not day_first and not month_first:
            raise InvalidInputError(
                f"time {example!r} may be day or month first: --time-format tells, such as %d-%m-%Y"
            )
        self._day_first = dotted or day_first
        self.notes.append(f"times such as {example!r} are read as {'day' if self._day_first else 'month'} first")
