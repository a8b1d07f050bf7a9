"""The line of a fastest way through the streets."""

from itertools import pairwise
from typing import Final

import numpy as np
from scipy.sparse.csgraph import dijkstra

from core.errors import RoadsError
from core.travel import Position
from roads.geometry import great_circles_m, simplified
from roads.network import Array
from roads.search import with_sources
from roads.snapping import Snapped
from roads.tolerances import LINE_TOLERANCE_M
from roads.truck_graph import TruckGraph, pack

_WHOLE_DAY_S: Final = 86_400.0
Step = tuple[int, int | None, int | None]
"""An arc, and the points of its chain after which it is entered and left (None: at its end)."""


class Tracer:
    """Lines between positions, of which all that are asked for are reachable."""

    def __init__(self, graph: TruckGraph, snapped: Snapped) -> None:
        self._graph = graph
        self._snapped = snapped
        placed = snapped.chains, snapped.weights, snapped.vertices
        self._exits, self._entries = graph.exits(*placed), graph.entries(*placed)
        self._whole = with_sources(graph.graph, self._exits, np.arange(len(snapped.chains)))

    def line(self, start: int, end: int) -> list[Position]:
        """The fastest way from one position to another: its two ends on the street and what lies between.

        Raises:
            RoadsError: there is none (never between two positions that are reachable).
        """
        network, places = self._graph.network, self._snapped.places
        points = [
            np.stack([network.latitudes[each], network.longitudes[each]], axis=1) / 1e7
            for each in (self._points(*step) for step in self._steps(start, end))
        ]
        line = np.concatenate([places[None, start], *points, places[None, end]])
        return simplified([(latitude, longitude) for latitude, longitude in line.tolist()], LINE_TOLERANCE_M)

    def _direct(self, start: int, end: int) -> tuple[float, list[Step]]:
        """The way along one chain, infinite where there is none."""
        snapped = self._snapped
        chain, ahead = int(snapped.chains[start]), float(snapped.weights[end] - snapped.weights[start])
        if chain != snapped.chains[end] or max(snapped.vertices[start], snapped.vertices[end]) >= 0:
            return np.inf, []
        if ahead == 0:
            return 0.0, []
        arc = 2 * chain + (ahead < 0)
        weight = abs(ahead) if self._graph.arc_usable[arc] else np.inf
        return weight, [(arc, int(snapped.points[start]), int(snapped.points[end]))]

    def _steps(self, start: int, end: int) -> list[Step]:
        """The arcs of the fastest way. The search widens until it has found it."""
        direct, steps = self._direct(start, end)
        doors = np.flatnonzero(self._entries.positions == end)
        source = self._graph.size + start
        limit_s = 60.0 + 0.2 * float(great_circles_m(*self._snapped.places[start], *self._snapped.places[end]))
        while True:
            limit = float(pack(np.array(limit_s * 1000.0), np.array(0.0))) if limit_s < _WHOLE_DAY_S else np.inf
            reached, before = dijkstra(self._whole, indices=source, limit=limit, return_predecessors=True)
            totals = reached[self._entries.vertices[doors]] + self._entries.weights[doors]
            best = int(np.argmin(totals))
            # A door's own weight is not within the limit, so that a better one might lie just beyond it.
            if min(float(totals[best]), direct) <= limit or limit == np.inf:
                break
            limit_s *= 4
        if direct <= totals[best]:
            if not np.isfinite(direct):
                raise RoadsError(f"no way from {self._snapped.places[start]} to {self._snapped.places[end]}")
            return steps
        vertices = [int(self._entries.vertices[doors[best]])]
        while vertices[-1] != source:
            vertices.append(int(before[vertices[-1]]))
        return self._along(vertices[-2::-1], start, end, int(self._entries.arcs[doors[best]]))

    def _along(self, vertices: list[int], start: int, end: int, entering: int) -> list[Step]:
        exits = self._exits
        out = np.flatnonzero((exits.positions == start) & (exits.vertices == vertices[0]))
        leaving = int(exits.arcs[out[np.argmin(exits.weights[out])]])
        steps: list[Step] = [] if leaving < 0 else [(leaving, int(self._snapped.points[start]), None)]
        steps += [(self._graph.arc_between(*pair), None, None) for pair in pairwise(vertices)]
        if entering >= 0:
            steps.append((entering, None, int(self._snapped.points[end])))
        return steps

    def _points(self, arc: int, first: int | None, last: int | None) -> Array:
        """The points of a step in driving order."""
        chain, against = divmod(arc, 2)
        begin, end = self._graph.network.first_points[chain : chain + 2]
        if not against:
            return np.arange(begin if first is None else first + 1, end if last is None else last + 1)
        return np.arange(end if first is None else first + 1, begin if last is None else last + 1, -1) - 1
