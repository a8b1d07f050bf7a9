"""Time at the edges: aware UTC datetimes inside, RFC 3339 and epoch milliseconds outside."""

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST_LEAD: Final = timedelta(minutes=5)
"""How far a clock that is not ours, of a device or a telephone, may be ahead (INTERFACES section 1)."""
_RFC3339 = re.compile(r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}):(\d{2})(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_WHOLE_SECONDS: Final = len("2026-11-22T03:45:14Z")
_USUAL: Final = frozenset((_WHOLE_SECONDS, _WHOLE_SECONDS + 4, _WHOLE_SECONDS + 7))
_DURATION = re.compile(
    r"P(?:(?P<weeks>\d{1,5})W|(?:(?P<days>\d{1,5})D)?(?:T(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,7})M)?(?:(?P<seconds>\d{1,8})S)?)?)",
    re.ASCII,
)


def utc_now() -> datetime:
    """The present instant, aware UTC. The only place that reads the wall clock for domain times."""
    return datetime.now(UTC)


class SteadyClock:
    """The wall clock as it would be if nobody had set it since this was made."""

    def __init__(self) -> None:
        self._began_at = utc_now()
        self._began_s = time.monotonic()

    def now(self) -> datetime:
        """Aware UTC."""
        return self._began_at + timedelta(seconds=time.monotonic() - self._began_s)


def parse_rfc3339(text: str) -> datetime:
    """Read a date-time of RFC 3339 section 5.6 (a zone is required); aware UTC, microseconds kept.

    A leap second (``:60``) becomes ``:59``; digits below a microsecond are cut off.

    Raises:
        ValueError: not an RFC 3339 date-time, or outside the years 1-9999.
    """
    length = len(text)
    separated = length in _USUAL and text[4] == text[7] == "-" and text[10] == "T" and text[13] == text[16] == ":"
    if separated and text[-1] == "Z" and (length == _WHOLE_SECONDS or text[19] == "."):
        # YYYY-MM-DDThh:mm:ssZ with 0, 3 or 6 digits of a second: with everything else in its place, only digits are
        # left for the standard library to read. What it refuses (a leap second) is judged below.
        try:  # no `suppress`: this runs for every message, and it costs as much as the reading
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 date-time with zone")
    date, minutes, seconds, fraction, zone = match.groups()
    fraction = (fraction or "")[:7].ljust(7, "0") if fraction else ""
    zone = "+00:00" if zone in "Zz" else zone
    try:
        parsed = datetime.fromisoformat(f"{date}T{minutes}:{'59' if seconds == '60' else seconds}{fraction}{zone}")
        return parsed.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("outside the years 1-9999") from error


def format_rfc3339(at: datetime) -> str:
    """Write an aware instant as RFC 3339 in UTC with ``Z``, with as many fraction digits as it has (0, 3 or 6)."""
    at = at.astimezone(UTC)
    if at.microsecond == 0:
        timespec = "seconds"
    elif at.microsecond % 1000 == 0:
        timespec = "milliseconds"
    else:
        timespec = "microseconds"
    return at.replace(tzinfo=None).isoformat(timespec=timespec) + "Z"


def from_epoch_ms(milliseconds: float) -> datetime:
    """Turn epoch milliseconds into an aware UTC instant.

    Raises:
        ValueError: outside the years 1-9999 or not finite.
    """
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except (OverflowError, ValueError) as error:
        raise ValueError("epoch milliseconds outside the years 1-9999") from error


def to_epoch_us(at: datetime) -> int:
    """Whole microseconds since 1970-01-01T00:00:00Z, exact."""
    since = at - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds  # a quarter of the time of dividing


def from_epoch_us(microseconds: int) -> datetime:
    """The instant of `to_epoch_us`, aware UTC."""
    return EPOCH + timedelta(microseconds=microseconds)


def parse_duration(text: str) -> timedelta:
    """Read an ISO 8601 duration of weeks, or of days, hours, minutes and whole seconds (``PT15M``, ``P1DT12H``).

    Months and years are refused: their length depends on the date.

    Raises:
        ValueError: not such a duration, or zero.
    """
    match = _DURATION.fullmatch(text)
    if match is None or text.endswith(("P", "T")):
        raise ValueError("not an ISO 8601 duration such as PT15M, PT1H or P1D")
    duration = timedelta(**{unit: int(count) for unit, count in match.groupdict(default="0").items()})
    if duration <= timedelta(0):
        raise ValueError("a duration must be longer than zero")
    return duration
