"""Windows of places and disposal sites: joined, cut to a shift, asked for the next beginning."""

from collections.abc import Sequence

from pickups.routes.problem import Window


def joined(windows: Sequence[Window]) -> tuple[Window, ...]:
    """In order, overlapping and adjoining ones as one, those that end before they begin left out."""
    found: list[Window] = []
    for window in sorted(windows, key=lambda one: one.start_s):
        if window.end_s < window.start_s:
            continue
        if found and window.start_s <= found[-1].end_s + 1:
            found[-1] = Window(found[-1].start_s, max(found[-1].end_s, window.end_s))
        else:
            found.append(window)
    return tuple(found)


def within(windows: Sequence[Window], earliest_s: int, latest_s: int) -> tuple[Window, ...]:
    """What of the windows lies between two instants."""
    return tuple(
        Window(max(window.start_s, earliest_s), min(window.end_s, latest_s))
        for window in windows
        if window.start_s <= latest_s and window.end_s >= earliest_s
    )


def next_begin_s(windows: Sequence[Window], arrival_s: int) -> int | None:
    """The first instant from the arrival on at which it may begin; None: not any more. No windows: at once."""
    if not windows:
        return arrival_s
    return min((max(window.start_s, arrival_s) for window in windows if arrival_s <= window.end_s), default=None)


def last_begin_s(windows: Sequence[Window], latest_s: int) -> int | None:
    """The last instant up to `latest_s` at which it may begin; None: none. No windows: then."""
    if not windows:
        return latest_s
    return max((min(window.end_s, latest_s) for window in windows if window.start_s <= latest_s), default=None)
