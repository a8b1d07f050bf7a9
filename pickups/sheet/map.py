"""The map of a driver's sheet as figures: what lies where on the paper, and labels that do not cover each other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

from core.geo import to_local_m
from core.travel import Position

Point = tuple[float, float]
"""Millimetres to the right and down from the paper's corner."""

LEAST_SPAN_M: Final = 200.0
"""A map shows at least so much: a route within one yard is no blot."""
STOPS_SHARE: Final = 0.35
"""Where the stops would take less than this share of a map with depot and disposal site, the map shows the stops."""
FEW: Final = 3
"""So many stops are no heap: their map shows the whole way."""
LEAST_ENLARGED: Final = 1.8
"""A second map is worth its paper when it enlarges at least so much."""
_CROWD: Final = 0.6
_LABEL_MM: Final = 4.4
_MARGIN: Final = 0.07
_RINGS_MM: Final = (0.0, 4.2, 6.5, 9.0, 12.0, 16.0)
_DIRECTIONS: Final = 12
_ROUND_METRES: Final = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on paper in millimetres."""

    x: float
    y: float
    width: float
    height: float

    def holds(self, point: Point, inside: float = 0.0) -> bool:
        """Whether a point lies in it, at least so far from its edge."""
        x, y = point
        return (
            self.x + inside <= x <= self.x + self.width - inside
            and self.y + inside <= y <= self.y + self.height - inside
        )


@dataclass(frozen=True, slots=True)
class MapView:
    """A piece of the earth on paper, north up, the same scale in both directions."""

    box: Box
    origin: Position
    east_m: float
    north_m: float
    """The box's middle lies so far from the origin."""
    m_per_mm: float

    def point(self, position: Position) -> Point:
        """Where a position lies on paper."""
        east, north = to_local_m(*position, *self.origin)
        x = self.box.x + self.box.width / 2 + (east - self.east_m) / self.m_per_mm
        y = self.box.y + self.box.height / 2 - (north - self.north_m) / self.m_per_mm
        return x, y

    def frame(self, other: "MapView") -> Box:
        """Where on this map another one's piece of the earth lies."""
        x, y = self.point(other.origin)
        x += other.east_m / self.m_per_mm
        y -= other.north_m / self.m_per_mm
        width, height = (side * other.m_per_mm / self.m_per_mm for side in (other.box.width, other.box.height))
        return Box(x - width / 2, y - height / 2, width, height)

    def at_edge(self, point: Point, inside: float) -> Point:
        """The place at the box's edge towards a point that lies outside it."""
        x, y = self.box.x + self.box.width / 2, self.box.y + self.box.height / 2
        dx, dy = point[0] - x, point[1] - y
        reach = min(
            (self.box.width / 2 - inside) / max(abs(dx), 1e-9), (self.box.height / 2 - inside) / max(abs(dy), 1e-9)
        )
        return x + dx * reach, y + dy * reach


def view_of(stops: Sequence[Position], others: Sequence[Position], box: Box) -> MapView:
    """The map that shows all stops, and the other places unless the stops became too small a heap by it.

    At least one position is given.
    """
    everything = _fitted([*stops, *others], box)
    if len(stops) <= FEW:
        return everything
    alone = _fitted(stops, box)
    return everything if alone.m_per_mm >= STOPS_SHARE * everything.m_per_mm else alone


def detail_of(stops: Sequence[Position], view: MapView, box: Box) -> MapView | None:
    """A map of the crowded part of another: the stops nearest to the middle one; None where it shows little more."""
    if not stops:
        return None
    middle = median(stop[0] for stop in stops), median(stop[1] for stop in stops)
    nearest = sorted(stops, key=lambda stop: math.hypot(*to_local_m(stop[0], stop[1], *middle)))
    detail = _fitted(nearest[: math.ceil(len(stops) * _CROWD)], box)
    return detail if detail.m_per_mm * LEAST_ENLARGED <= view.m_per_mm else None


def scale_bar(view: MapView, longest_mm: float = 40.0) -> int:
    """The longest of 1, 2, 5, 10, 20, 50 ... metres that is no longer than so much on paper."""
    most = longest_mm * view.m_per_mm
    power: int = 10 ** math.floor(math.log10(most))
    return max(factor * power for factor in _ROUND_METRES if factor * power <= most)


def thinned(points: Sequence[Point], least_mm: float = 0.2) -> list[Point]:
    """A line without the points that nobody sees on paper; its ends stay."""
    kept = list(points[:1])
    for point in points[1:-1]:
        if math.dist(point, kept[-1]) >= least_mm:
            kept.append(point)
    return kept + list(points[-1:]) if len(points) > 1 else kept


def place_labels(
    points: Sequence[Point], sizes: Sequence[Point], box: Box, taken: Sequence[Box] = ()
) -> list[Point | None]:
    """Middles of the labels of points, in order, each as near to its point as one finds room; None where there is none.

    A label lies on its point or on a ring around it, inside the box and clear of the labels before it and of what is
    `taken`. `sizes`: width and height of each.
    """
    placed = list(taken)
    middles: list[Point | None] = []
    for point, (width, height) in zip(points, sizes, strict=True):
        for middle in _candidates(point):
            label = Box(middle[0] - width / 2, middle[1] - height / 2, width, height)
            if _fits(label, box) and not _covers(label, placed):
                placed.append(label)
                middles.append(middle)
                break
        else:
            middles.append(None)
    return middles


def label_size(text: str) -> Point:
    """Width and height of a number's label."""
    return _LABEL_MM + 0.9 * max(0, len(text) - 2), _LABEL_MM


def is_crowded(stops: Sequence[tuple[Point, str]], box: Box) -> bool:
    """Whether there is no room for all the numbers on a map."""
    return None in place_labels([point for point, _ in stops], [label_size(text) for _, text in stops], box)


def arrows(points: Sequence[Point], every_mm: float = 28.0) -> list[tuple[Point, float]]:
    """Where a line gets arrowheads and in which direction (radians, clockwise from the right) it runs there."""
    found = []
    until = every_mm / 2
    for start, end in pairwise(points):
        length = math.dist(start, end)
        while until <= length and length > 0:
            share = until / length
            at = (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share)
            found.append((at, math.atan2(end[1] - start[1], end[0] - start[0])))
            until += every_mm
        until -= length
    return found


def _fitted(positions: Sequence[Position], box: Box) -> MapView:
    origin = positions[0]
    east, north = zip(*(to_local_m(*position, *origin) for position in positions), strict=True)
    room = 1 - 2 * _MARGIN
    m_per_mm = max(
        (max(east) - min(east)) / (box.width * room),
        (max(north) - min(north)) / (box.height * room),
        LEAST_SPAN_M / min(box.width, box.height),
    )
    return MapView(box, origin, (max(east) + min(east)) / 2, (max(north) + min(north)) / 2, m_per_mm)


def _candidates(point: Point) -> list[Point]:
    turns = [2 * math.pi * step / _DIRECTIONS - math.pi / 4 for step in range(_DIRECTIONS)]
    rings = [
        (point[0] + ring * math.cos(turn), point[1] + ring * math.sin(turn)) for ring in _RINGS_MM[1:] for turn in turns
    ]
    return [point, *rings]


def _fits(label: Box, box: Box) -> bool:
    return box.holds((label.x, label.y), 0.5) and box.holds((label.x + label.width, label.y + label.height), 0.5)


def _covers(label: Box, placed: Sequence[Box]) -> bool:
    return any(
        label.x < other.x + other.width
        and other.x < label.x + label.width
        and label.y < other.y + other.height
        and other.y < label.y + label.height
        for other in placed
    )
