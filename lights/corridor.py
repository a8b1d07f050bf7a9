"""Light ahead of people: from the lamps that somebody passes to direction, speed and the lamps to be lit in time.

One lamp's sensor says only that somebody is there, not who. So detections are joined to *tracks*: where somebody was
seen last, which way and how fast. Only one track, alone in its part of the street, that fits the detection well gives a
direction; otherwise both sides are lit: in doubt too many lamps shine, never too few.

Lamps further ahead than those lit at once are lit by dead reckoning, shortly before the traveller needs them, so that
the loss of one message leaves nobody without light.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from lights.street import StreetRow

SLOWEST_MPS: Final = 1.0
"""Who was seen once may be so slow: walking speed of older people at German signals (RiLSA; 1.2 m/s for others)."""
ASSUMED_MPS: Final = 25 / 3.6
"""And so fast: a cyclist or pedelec. Who is faster is known to be from the second lamp on."""
FASTEST_MPS: Final = 25.0
"""Two detections that would take more than 90 km/h are not one traveller."""
FASTER: Final = 1.3
SLOWER: Final = 1.5
"""Until the next lamp somebody may become so many times as fast, or as slow."""
ALIKE: Final = 2.5
"""A detection that would make somebody so many times as fast or as slow is somebody else."""
EXPECTED: Final = 1.5
"""One that makes somebody at most so many times as fast or as slow is surely not somebody else."""
NEAR: Final = 3
"""Others who were last seen so many lamps away or less may be meant as well."""
REACTION_S: Final = 2.0
"""From the passing of a sensor until a lamp shines: messages both ways, a tick of the control, and the usual fade."""
SENSOR_RANGE_M: Final = 15.0
"""Whoever has gone on so far is out of the sight of a lamp's sensor (half the usual spacing)."""
LINGERS_S: Final = 3.0
LOST_IN_A_ROW: Final = 1
"""So many lamps in succession may fail to report somebody without leaving them in the dark."""
REMEMBERED_S: Final = 120.0
MOST_TRACKS: Final = 24
"""Per row; the oldest goes first. Whoever is forgotten is somebody new: light on both sides."""


class Span(NamedTuple):
    """When a lamp is needed, in seconds after the detection; its hold time comes on top where that is longer."""

    from_s: float
    until_s: float


HERE: Final = Span(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class _Track:
    """Somebody: last at a lamp (place in the row), going up (1) or down (-1) the row or unknown (0), in m/s."""

    index: int
    at: datetime
    direction: int = 0
    speed_mps: float | None = None


class _Course(NamedTuple):
    """Which way to light, up the row (1), down (-1) or both (0), and how fast or slow people may be (m/s)."""

    direction: int
    fast_mps: float
    slow_mps: float


@dataclass(slots=True)
class _Row:
    row: StreetRow
    tracks: list[_Track] = field(default_factory=list)


class Corridor:
    """Who is on the way in which row, and what lies ahead of them. Nothing is kept over a restart: it is soon known.

    Args:
        rows: every lamp in at most one.
        adjoining: lamps of other rows that are lit together with one, where streets meet.
        reaction_s: how long it takes from passing a sensor until a lamp that is told to shines.
    """

    def __init__(
        self,
        rows: Iterable[StreetRow],
        adjoining: Mapping[str, tuple[str, ...]] | None = None,
        *,
        reaction_s: float = REACTION_S,
    ) -> None:
        self._places = {lamp: (kept, index) for kept in map(_Row, rows) for index, lamp in enumerate(kept.row.lamps)}
        self._adjoining = adjoining or {}
        self._reaction_s = reaction_s

    def passed(self, lamp_id: str, now: datetime, lamps_ahead: int = 2) -> dict[str, Span]:
        """Somebody is at a lamp: which lamps are needed when, this one first; never empty.

        `lamps_ahead` lamps ahead of a traveller are lit at any time, also if the next lamp does not report them, on
        both sides while the direction is unknown; the lamp behind stays lit too. 0: only this lamp.
        """
        spans = {lamp_id: HERE}
        place = self._places.get(lamp_id)
        if place is None or not lamps_ahead:
            return spans
        kept, index = place
        spans.update(self._around(kept.row, index, _course(kept, index, now), lamps_ahead))
        for lamp in self._adjoining.get(lamp_id, ()):
            spans.setdefault(lamp, HERE)
        return spans

    def _around(self, row: StreetRow, index: int, course: _Course, lamps_ahead: int) -> Iterator[tuple[str, Span]]:
        ways = (course.direction,) if course.direction else (1, -1)
        reaches = [self._reach(row, index, way, lamps_ahead, course) for way in ways]
        for step in range(max(map(len, reaches))):
            yield from (reach[step] for reach in reaches if step < len(reach))
        behind = index - course.direction
        if course.direction and 0 <= behind < len(row.lamps):  # for somebody whom this one hides from us
            yield row.lamps[behind], Span(0.0, abs(row.along_m[behind] - row.along_m[index]) / SLOWEST_MPS)

    def _reach(self, row: StreetRow, index: int, way: int, lamps_ahead: int, course: _Course) -> list[tuple[str, Span]]:
        """The lamps one way that must be told now, because the traveller may need them before we hear of them again."""
        along_m, last = row.along_m, len(row.lamps) - 1
        here_m = along_m[index]
        heard = min(max(index + way * (LOST_IN_A_ROW + 1), 0), last)
        heard_m = abs(along_m[heard] - here_m) + course.fast_mps * self._reaction_s
        reach = []
        ahead, needed_m = index + way, 0.0
        while 0 <= ahead <= last:
            if abs(ahead - index) > lamps_ahead:  # needed once the traveller has that many fewer in front
                needed_m = abs(along_m[ahead - way * lamps_ahead] - here_m)
                if needed_m > heard_m:
                    break
            from_s = max(0.0, needed_m / course.fast_mps - self._reaction_s)
            until_s = abs(along_m[ahead] - here_m) / course.slow_mps
            reach.append((row.lamps[ahead], Span(from_s, until_s)))
            ahead += way
        return reach


def _course(kept: _Row, index: int, now: datetime) -> _Course:
    """Where those are going who may have been seen at a lamp; the tracks they are on are brought there."""
    along_m = kept.row.along_m
    seen: list[_Track] = []
    others: list[_Track] = []
    is_clear = True
    for track in kept.tracks:
        age_s = (now - track.at).total_seconds()
        distance_m = abs(along_m[index] - along_m[track.index])
        if not 0 <= age_s <= REMEMBERED_S:
            continue
        if _explains(track, index, age_s, distance_m):
            is_clear = is_clear and not seen and _is_expected(track, index, age_s, distance_m)
            seen.append(_moved(track, index, now, age_s, distance_m))
        else:
            is_clear = is_clear and abs(track.index - index) > NEAR
            others.append(track)
    known = seen or [_Track(index, now)]
    kept.tracks = (others + [track for place, track in enumerate(known) if track not in known[:place]])[-MOST_TRACKS:]
    goes_on = seen and 0 <= index + seen[0].direction < len(along_m)  # who is at the end leaves, or somebody enters
    if goes_on and is_clear and seen[0].speed_mps is not None:
        return _Course(seen[0].direction, seen[0].speed_mps * FASTER, seen[0].speed_mps / SLOWER)
    fastest_mps = max((track.speed_mps for track in seen if track.speed_mps is not None), default=0.0)
    return _Course(0, max(fastest_mps, ASSUMED_MPS) * FASTER, SLOWEST_MPS)


def _explains(track: _Track, index: int, age_s: float, distance_m: float) -> bool:
    """Whether who was on the track may be the one now seen."""
    steps = index - track.index
    if steps == 0:
        return track.direction == 0 or age_s <= max(LINGERS_S, SENSOR_RANGE_M / (track.speed_mps or SLOWEST_MPS))
    if steps * track.direction < 0 or abs(steps) > LOST_IN_A_ROW + 1:
        return False
    if age_s <= 0 or distance_m > FASTEST_MPS * age_s:
        return False
    if track.speed_mps is None:
        return distance_m >= SLOWEST_MPS / ALIKE * age_s
    return track.speed_mps / ALIKE <= distance_m / age_s <= track.speed_mps * ALIKE


def _is_expected(track: _Track, index: int, age_s: float, distance_m: float) -> bool:
    """Whether this is so much what was to be expected of the track that nobody else has to be thought of."""
    steps = abs(index - track.index)
    if track.speed_mps is None or not steps:
        return steps <= 1
    expected_s = distance_m / track.speed_mps
    return expected_s / EXPECTED <= age_s <= expected_s * EXPECTED


def _moved(track: _Track, index: int, now: datetime, age_s: float, distance_m: float) -> _Track:
    if index == track.index:
        stands = track.direction == 0 and age_s > LINGERS_S
        return _Track(index, now) if stands else track
    if distance_m == 0:
        return _Track(index, now)
    speed_mps = max(distance_m / age_s, SLOWEST_MPS / SLOWER)
    if track.speed_mps is not None:
        speed_mps = (speed_mps + track.speed_mps) / 2
    return _Track(index, now, 1 if index > track.index else -1, speed_mps)
