"""Values that need more than one reading: a tracker sees every reading that has its quantities, in order of time.

What a tracker keeps is lost when ingest restarts; it then says nothing until it has seen enough again.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from core.quantity import CATALOGUE, Value
from devices.waste_bin.level import MAX_NOISE, REPORTS, settled_level
from rules.judged_reading import JudgedReading

_POINTS: Final = 48
"""Points kept of a span, at most one more; further ones replace the last."""


class Tracker(Protocol):
    """Keeps a note per device. Equal trackers share it."""

    @property
    def quantities(self) -> frozenset[str]:
        """Those that a reading must have to be noted."""

    def note(self, seen: JudgedReading) -> None:
        """Take notice of a reading; an older one than the last changes nothing."""

    def value(self, seen: JudgedReading) -> float | None:
        """The value after the readings noted so far; None: not known."""


@dataclass(slots=True)
class _Points:
    kept: deque[tuple[datetime, float]] = field(default_factory=deque)
    last: tuple[datetime, float] | None = None
    recent: deque[tuple[datetime, float]] = field(default_factory=lambda: deque(maxlen=REPORTS))


@dataclass(frozen=True, slots=True)
class Rate:
    """Change of a quantity per hour over the last `over_s` seconds; known from half of that on."""

    quantity: str
    over_s: float

    @property
    def quantities(self) -> frozenset[str]:
        """The quantity."""
        return frozenset({self.quantity})

    def note(self, seen: JudgedReading) -> None:
        """Keep the value; a counter that restarts and a bin from which something is taken begin anew."""
        value = float(seen.values[self.quantity])
        points = seen.memory.notes.setdefault(self, _Points())
        if points.last is not None and seen.at <= points.last[0]:
            return
        if self.quantity == "filling_level":
            points.recent.append((seen.at, value))
            value = settled_level(points.recent)
        if points.last is not None and points.last[1] - value > self._fall():
            points.kept.clear()
        points.last = (seen.at, value)
        kept = points.kept
        if not kept or (seen.at - kept[-1][0]).total_seconds() >= self.over_s / _POINTS:
            kept.append(points.last)
        oldest = seen.at - timedelta(seconds=self.over_s)
        while kept and kept[0][0] < oldest:
            kept.popleft()

    def value(self, seen: JudgedReading) -> float | None:
        """Per hour; negative when it falls."""
        points = seen.memory.notes.get(self)
        if points is None or points.last is None or not points.kept:
            return None
        (first_at, first), (last_at, last) = points.kept[0], points.last
        span_s = (last_at - first_at).total_seconds()
        return float((last - first) / span_s * 3600) if span_s >= self.over_s / 2 > 0 else None

    def _fall(self) -> float:
        if CATALOGUE[self.quantity].counter:
            return 0.0
        return MAX_NOISE if self.quantity == "filling_level" else float("inf")


@dataclass(frozen=True, slots=True)
class SettledLevel:
    """A bin's level without single reports that are far off; a new bin's first two reports are taken at their word."""

    @property
    def quantities(self) -> frozenset[str]:
        """The level."""
        return frozenset({"filling_level"})

    def note(self, seen: JudgedReading) -> None:
        """Keep the last three."""
        last = seen.memory.notes.setdefault(self, deque(maxlen=REPORTS))
        if not last or seen.at > last[-1][0]:
            last.append((seen.at, float(seen.values["filling_level"])))

    def value(self, seen: JudgedReading) -> float | None:
        """Share 0-1 as of the newest report."""
        last = seen.memory.notes.get(self)
        return settled_level(last) if last else None


@dataclass(slots=True)
class _Same:
    value: Value
    since: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Seconds for which a quantity has been exactly the same."""

    quantity: str

    @property
    def quantities(self) -> frozenset[str]:
        """The quantity."""
        return frozenset({self.quantity})

    def note(self, seen: JudgedReading) -> None:
        """Begin anew with another value."""
        value = seen.values[self.quantity]
        same = seen.memory.notes.get(self)
        if same is None or (value != same.value and seen.at > same.last_at):
            seen.memory.notes[self] = _Same(value, seen.at, seen.at)
        elif seen.at > same.last_at:
            same.last_at = seen.at

    def value(self, seen: JudgedReading) -> float | None:
        """From the first report of this value to the last."""
        same = seen.memory.notes.get(self)
        return None if same is None else float((same.last_at - same.since).total_seconds())


@dataclass(slots=True)
class _Switched:
    count: int
    presences: int
    own_presences: int
    at: datetime
    unexplained: deque[tuple[datetime, int]] = field(default_factory=deque)
    total: int = 0


@dataclass(frozen=True, slots=True)
class UnexplainedSwitchings:
    """How often a lamp went on within `over_s` seconds without a command or a presence in its street."""

    over_s: float

    @property
    def quantities(self) -> frozenset[str]:
        """The lamp's own counter."""
        return frozenset({"switch_on_count"})

    def note(self, seen: JudgedReading) -> None:
        """Compare with the last report; a counter that restarts tells nothing."""
        count = int(seen.values["switch_on_count"])
        last = seen.memory.notes.get(self)
        if last is not None and seen.at <= last.at:
            return
        presences = seen.surroundings.presences(seen.device)
        own = int(seen.number("presence_count") or 0)
        if last is None:
            seen.memory.notes[self] = _Switched(count, presences, own, seen.at)
            return
        if count > last.count:
            explained = max(presences - last.presences, own - last.own_presences)
            explained += seen.surroundings.context.commanded_switchings(seen.device.device_id, last.at, seen.at)
            if count - last.count > explained:
                last.unexplained.append((seen.at, count - last.count - explained))
                last.total += count - last.count - explained
        last.count, last.presences, last.own_presences, last.at = count, presences, own, seen.at
        while last.unexplained and (
            (seen.at - last.unexplained[0][0]).total_seconds() > self.over_s or len(last.unexplained) > _POINTS
        ):
            last.total -= last.unexplained.popleft()[1]

    def value(self, seen: JudgedReading) -> float | None:
        """Their number; None before the second report."""
        last = seen.memory.notes.get(self)
        return None if last is None else float(last.total)
