"""Positions put onto the nearest street that a vehicle may use, in the part of the network that hangs together."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.spatial import KDTree

from core.travel import Position
from roads.geometry import METRES_IN_DEGREE, Floats, in_space
from roads.network import Array
from roads.tolerances import REACH_M
from roads.truck_graph import TruckGraph, pack

_SAMPLE_M: Final = 100.0
"""Streets are looked up by samples at most this far apart."""
_AT_VERTEX_M: Final = 1.0
_AT_ONCE: Final = 200_000
"""Segments looked through at a time, so that memory does not grow with the network."""


@dataclass(frozen=True)
class Snapped:
    """Where positions are on the streets, by position; of those in `unreachable` the rest means nothing.

    `weights` packed from the chain's tail; `points`: the last point of the chain before the place; `vertices`: the one
    it is at, or -1; `places`: degrees (n x 2).
    """

    chains: Array
    weights: Floats
    points: Array
    vertices: Array
    places: Floats
    unreachable: dict[int, str]


class Snapper:
    """The streets of a graph."""

    def __init__(self, graph: TruckGraph) -> None:
        self._graph = graph

    def snap(self, positions: Sequence[Position]) -> Snapped:
        """Each position at its nearest place on a street."""
        given = np.asarray(positions, dtype=np.float64).reshape(-1, 2)
        good = np.isfinite(given).all(axis=1) & (np.abs(given[:, 0]) <= 90) & (np.abs(given[:, 1]) <= 180)  # noqa: PLR2004
        unreachable = {int(index): "its position is no latitude and longitude" for index in np.flatnonzero(~good)}
        points = np.zeros(len(given), dtype=np.int64)
        shares, nearest = np.zeros(len(given)), np.full(len(given), np.inf)
        rows = np.flatnonzero(good)
        for segments in self._segments(given[rows]):
            tree, sampled = self._samples(segments)
            found = tree.query_ball_point(in_space(*given[rows].T), REACH_M + _SAMPLE_M / 2 + 1)
            for row, candidates in zip(rows.tolist(), found, strict=True):
                if candidates:
                    near = np.unique(sampled[candidates])
                    away, share = self._project(given[row], near)
                    best = int(np.argmin(away))
                    if away[best] < nearest[row]:
                        nearest[row], points[row], shares[row] = away[best], near[best], share[best]
        reason = (
            f"no road within {REACH_M:.0f} m" if self._graph.arc_usable.any() else "no road that the vehicle may use"
        )
        unreachable |= dict.fromkeys(rows[nearest[rows] > REACH_M].tolist(), reason)
        return self._snapped(points, shares, unreachable)

    def _segments(self, given: Floats) -> Iterator[Array]:
        """The segments where the vehicle may stand in the rectangle around the positions, a part at a time."""
        network = self._graph.network
        if not len(given) or not len(network.latitudes):
            return
        north_m = 1 / METRES_IN_DEGREE
        east_m = north_m / max(0.01, math.cos(math.radians(float(np.abs(given[:, 0]).max()))))
        stops = network.kind_stops[network.kinds]
        usable = np.repeat(self._graph.arc_usable.reshape(-1, 2).any(axis=1) & stops, np.diff(network.first_points))
        usable[network.first_points[1:] - 1] = False
        for coordinates, places, degree in (
            (network.latitudes, given[:, 0], north_m),
            (network.longitudes, given[:, 1], east_m),
        ):
            low, high = ((places.min() - REACH_M * degree) * 1e7, (places.max() + REACH_M * degree) * 1e7)
            usable[:-1] &= np.minimum(coordinates[:-1], coordinates[1:]) <= high
            usable[:-1] &= np.maximum(coordinates[:-1], coordinates[1:]) >= low
        chosen = np.flatnonzero(usable)
        yield from (chosen[begin : begin + _AT_ONCE] for begin in range(0, len(chosen), _AT_ONCE))

    def _samples(self, segments: Array) -> tuple[KDTree, Array]:
        """Places along the segments, and the segment of each."""
        points, ends = in_space(*self._degrees(segments)), in_space(*self._degrees(segments + 1))
        counts = np.maximum(1, np.ceil(self._graph.network.segment_m[segments] / _SAMPLE_M)).astype(np.int64)
        rows = np.repeat(np.arange(len(counts)), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        share = ((within + 0.5) / counts[rows])[:, None]
        return KDTree(points[rows] * (1 - share) + ends[rows] * share), segments[rows]

    def _degrees(self, points: Array) -> tuple[Floats, Floats]:
        network = self._graph.network
        return network.latitudes[points] / 1e7, network.longitudes[points] / 1e7

    def _project(self, position: Floats, segments: Array) -> tuple[Floats, Floats]:
        """Metres from the position to each segment, and the share of it where it is nearest."""
        scale = np.array([1.0, math.cos(math.radians(position[0]))]) * METRES_IN_DEGREE
        start = (np.stack(self._degrees(segments), axis=1) - position) * scale
        along = (np.stack(self._degrees(segments + 1), axis=1) - position) * scale - start
        length = (along**2).sum(axis=1)
        share = np.clip(-(start * along).sum(axis=1) / np.where(length > 0, length, 1.0), 0.0, 1.0)
        return np.hypot(*(start + share[:, None] * along).T), share

    def _snapped(self, points: Array, shares: Floats, unreachable: dict[int, str]) -> Snapped:
        graph, network = self._graph, self._graph.network
        chains = np.searchsorted(network.first_points, points, side="right") - 1
        after = np.minimum(points + 1, len(graph.point_ms) - 1)
        milliseconds, decimetres = (
            np.rint(each[points] + shares * (each[after] - each[points])) for each in (graph.point_ms, graph.point_dm)
        )
        whole = graph.point_dm[network.first_points[chains + 1] - 1]
        vertices = np.full(len(points), -1, dtype=np.int64)
        for near, ends in (
            (decimetres < _AT_VERTEX_M * 10, network.tails),
            (whole - decimetres < _AT_VERTEX_M * 10, network.heads),
        ):
            ends_there = ends[chains]
            vertices = np.where(near & graph.vertex_usable[ends_there], ends_there, vertices)
        latitudes, longitudes = (
            each[points] / 1e7 + shares * (each[after].astype(np.float64) - each[points]) / 1e7
            for each in (network.latitudes, network.longitudes)
        )
        return Snapped(
            chains,
            pack(milliseconds, decimetres),
            points,
            vertices,
            np.stack([latitudes, longitudes], axis=1),
            unreachable,
        )
