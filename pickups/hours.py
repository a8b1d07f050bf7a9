"""When a bin may be emptied: its attributes `collection_hours` and `no_collection_hours`, local time."""

import re
from collections.abc import Mapping
from typing import Final

from core.device import Attribute
from core.errors import InvalidInputError
from pickups.routes.problem import Window

DAY_S: Final = 86_400
_SPAN = re.compile(r"\s*([0-2]?\d):([0-5]\d)\s*-\s*([0-2]?\d):([0-5]\d)\s*", re.ASCII)
Spans = list[tuple[int, int]]
"""From one second after midnight to before another, ascending, apart."""


def collection_windows(attributes: Mapping[str, Attribute], service_s: int) -> tuple[Window, ...]:
    """When emptying may begin so that it ends in time; empty: at any time.

    Both attributes are lists such as `06:00-10:00,14:00-18:00`; one that ends before it begins goes over midnight.

    Raises:
        InvalidInputError: one of them cannot be read, or together they leave no time; says which.
    """
    allowed, forbidden = attributes.get("collection_hours"), attributes.get("no_collection_hours")
    if allowed is None and forbidden is None:
        return ()
    spans = [(0, DAY_S)] if allowed is None else _spans("collection_hours", allowed)
    for start_s, end_s in [] if forbidden is None else _spans("no_collection_hours", forbidden):
        spans = [
            part
            for begin_s, stop_s in spans
            for part in ((begin_s, min(stop_s, start_s)), (max(begin_s, end_s), stop_s))
            if part[0] < part[1]
        ]
    windows = tuple(Window(start_s, end_s - service_s) for start_s, end_s in spans if end_s - service_s >= start_s)
    if not windows:
        told = " and ".join(
            f"{name} {attributes[name]!r}"
            for name in ("collection_hours", "no_collection_hours")
            if attributes.get(name) is not None
        )
        raise InvalidInputError(f"{told} leave no time to empty it, which takes {service_s} s")
    return windows


def _spans(name: str, given: Attribute) -> Spans:
    spans = []
    for part in str(given).split(","):
        match = _SPAN.fullmatch(part)
        if match is None:
            raise InvalidInputError(f"{name} {str(given)[:80]!r} is no list of hours such as 06:00-10:00,14:00-18:00")
        hours = [int(number) for number in match.groups()]
        start_s, end_s = (hour * 3600 + minute * 60 for hour, minute in (hours[:2], hours[2:]))
        if max(start_s, end_s) > DAY_S or start_s == end_s:
            raise InvalidInputError(f"{name} {str(given)[:80]!r}: {part.strip()} is no span of a day")
        spans += [(start_s, end_s)] if start_s < end_s else [(start_s, DAY_S), (0, end_s)]
    return _joined([span for span in spans if span[0] < span[1]])


def _joined(spans: Spans) -> Spans:
    joined: Spans = []
    for start_s, end_s in sorted(spans):
        if joined and start_s <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end_s))
        else:
            joined.append((start_s, end_s))
    return joined
