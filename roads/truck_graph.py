"""What a vehicle may drive of a road network, as a graph that scipy searches.

Streets for those who have business there (`Access.DESTINATION`, and streets that can only be reached over such) are
passed only where a way begins or ends. The graph has three copies of their vertices for that: before the first other
street, in between, and after the last.

The weight of an edge is its time and length in one number (`pack`), so that the shortest way is the fastest, the
shorter one among equally fast, and its time and length both come out of the search exactly.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from core.travel import TruckProfile
from roads.geometry import Floats
from roads.network import Array, RoadNetwork
from roads.tags import HEAVY, HEAVY_OVER_T, LIGHT, Access

_DISTANCES: Final = float(1 << 24)
"""Decimetres in a packed weight: to 1,677 km; the milliseconds above them to 149 h, within a double's 53 bits."""


def pack(milliseconds: Floats, decimetres: Floats) -> Floats:
    """Time and length, both whole, as one weight that can be added and compared."""
    return milliseconds * _DISTANCES + decimetres


def unpack(weights: Floats) -> tuple[Floats, Floats]:
    """Milliseconds and decimetres, of finite weights."""
    milliseconds = np.floor(weights / _DISTANCES)
    return milliseconds, weights - milliseconds * _DISTANCES


def most_kmh(truck: TruckProfile | None) -> tuple[float, float]:
    """What a vehicle may drive outside towns, and on roads with two carriageways (StVO sections 3 and 18)."""
    weight = (truck and truck.weight_t) or 0.0
    if weight <= HEAVY_OVER_T:
        return math.inf, math.inf
    return (80.0, 80.0) if weight <= 7.5 else (60.0, 80.0)  # noqa: PLR2004  tonnes


@dataclass(frozen=True)
class Doors:
    """Where positions enter or leave the graph: door d belongs to position `positions[d]` (ascending)."""

    positions: Array
    vertices: Array
    weights: Array
    arcs: Array
    """The arc that is driven in part; -1: none."""


class TruckGraph:
    """The streets of a vehicle.

    `access` by arc; `arc_weights` packed; `point_ms` and `point_dm` from a chain's begin to each of its points.
    """

    def __init__(self, network: RoadNetwork, truck: TruckProfile | None) -> None:
        self.network = network
        self.vehicle = HEAVY if truck is not None and (truck.weight_t or 0.0) > HEAVY_OVER_T else LIGHT
        self.access = _access(network, truck, self.vehicle)
        self._measure(truck)
        self._tails = np.stack([network.tails, network.heads], axis=1).ravel()
        self._heads = np.stack([network.heads, network.tails], axis=1).ravel()
        self._build(*self._turned())

    def _measure(self, truck: TruckProfile | None) -> None:
        network = self.network
        rural, dual = most_kmh(truck)
        sizes = np.diff(network.first_points)
        most = np.repeat(np.where(network.kind_dual[network.kinds], dual, rural), sizes)
        speed = np.maximum(np.minimum(network.speeds, most), 1.0)
        begin, end = network.first_points[:-1], network.first_points[1:] - 1
        self.point_ms = _from_begin(network.segment_m * 3600.0 / speed + network.delays * 100.0, begin, sizes)
        self.point_dm = _from_begin(network.segment_m * 10.0, begin, sizes)
        self.arc_weights = np.repeat(pack(self.point_ms[end], self.point_dm[end]), 2)

    def _turned(self) -> tuple[Array, Array, Array]:
        """Edges (from, to, arc) with a copy of a vertex for each arc into it from which not all turns are allowed."""
        network = self.network
        allowed = np.flatnonzero(self.access)
        heads = self._heads.copy()
        forbidden: dict[int, set[int]] = {}
        for origin, target, vehicles in network.turns.tolist():
            if vehicles & self.vehicle and self.access[origin]:
                forbidden.setdefault(origin, set()).add(target)
        self._copied = np.array([heads[origin] for origin in forbidden], dtype=heads.dtype)
        for number, origin in enumerate(forbidden):
            heads[origin] = network.vertex_count + number
        by_tail = allowed[np.argsort(self._tails[allowed], kind="stable")]
        sources, arcs = [self._tails[allowed]], [allowed]
        for number, targets in enumerate(forbidden.values()):
            span = np.searchsorted(self._tails[by_tail], [self._copied[number], self._copied[number] + 1])
            leaving = by_tail[span[0] : span[1]]
            leaving = leaving[~np.isin(leaving, list(targets))]
            sources.append(np.full(len(leaving), network.vertex_count + number))
            arcs.append(leaving)
        self._arc_heads = heads
        all_arcs = np.concatenate(arcs)
        return np.concatenate(sources), heads[all_arcs], all_arcs

    def _build(self, sources: Array, targets: Array, arcs: Array) -> None:
        count = self.network.vertex_count + len(self._copied)
        lengths = self.arc_weights[arcs] % _DISTANCES
        inside = _largest(sources, targets, lengths, count)
        self.vertex_usable = inside[: self.network.vertex_count]
        main = inside[sources] & inside[targets]
        sources, targets, arcs, lengths = sources[main], targets[main], arcs[main], lengths[main]
        through = self.access[arcs] == Access.YES
        core = _largest(sources[through], targets[through], lengths[through], count)
        through &= core[sources] & core[targets]
        self._core = core
        zone = np.zeros(count, dtype=bool)
        zone[sources[~through]] = zone[targets[~through]] = True
        ranks = np.cumsum(zone) - 1
        self._before = np.where(zone, count + ranks, -1)
        self._after = np.where(zone, count + int(zone.sum()) + ranks, -1)
        self._edges = (sources, targets, arcs, through)
        self.arc_usable = np.zeros(len(self.access), dtype=bool)
        self.arc_usable[arcs] = True
        self._arc_through = np.zeros(len(self.access), dtype=bool)
        self._arc_through[arcs[through]] = True
        leaving = through & zone[sources]
        ends = ~through
        self.size = count + 2 * int(zone.sum())
        self._graph_edges = (
            np.concatenate(
                [sources[through], self._before[sources[leaving]], self._before[sources[ends]],
                 self._after[sources[ends]], sources[ends]]
            ),
            np.concatenate(
                [targets[through], targets[leaving], self._before[targets[ends]],
                 self._after[targets[ends]], self._after[targets[ends]]]
            ),
            np.concatenate([arcs[through], arcs[leaving], arcs[ends], arcs[ends], arcs[ends]]),
        )  # fmt: skip

    @cached_property
    def graph(self) -> csr_array:
        """Packed weights from vertex to vertex, the best where several edges join two; `size` x `size`."""
        return self._graph_and_arcs[0]

    @cached_property
    def reversed(self) -> csr_array:
        """The same with every edge turned round."""
        return self.graph.T.tocsr()

    def arc_between(self, source: int, target: int) -> int:
        """The arc of the edge."""
        graph, arcs = self._graph_and_arcs
        begin, end = graph.indptr[source], graph.indptr[source + 1]
        return int(arcs[begin + np.searchsorted(graph.indices[begin:end], target)])

    @cached_property
    def _graph_and_arcs(self) -> tuple[csr_array, Array]:
        sources, targets, arcs = self._graph_edges
        weights = self.arc_weights[arcs]
        order = np.lexsort((weights, targets, sources))
        sources, targets, arcs, weights = sources[order], targets[order], arcs[order], weights[order]
        first = np.ones(len(sources), dtype=bool)
        first[1:] = (np.diff(sources) != 0) | (np.diff(targets) != 0)
        graph = coo_array((weights[first], (sources[first], targets[first])), shape=(self.size, self.size)).tocsr()
        graph.sort_indices()
        return graph, arcs[first]

    def exits(self, chains: Array, weights_from_tail: Array, at_vertices: Array) -> Doors:
        """How positions get into the graph.

        Args:
            chains: on which each lies.
            weights_from_tail: packed, along the chain.
            at_vertices: the vertex at which it lies, -1 where in between.
        """
        between = np.flatnonzero(at_vertices < 0)
        found: list[tuple[Array, Array, Array, Array]] = []
        for against in (0, 1):
            arcs = 2 * chains[between] + against
            ok = self.arc_usable[arcs]
            arcs, positions = arcs[ok], between[ok]
            rest = weights_from_tail[positions] if against else self.arc_weights[arcs] - weights_from_tail[positions]
            heads = self._arc_heads[arcs]
            found.append((positions, np.where(self._arc_through[arcs], heads, self._before[heads]), rest, arcs))
        at = np.flatnonzero(at_vertices >= 0)
        vertices = at_vertices[at]
        starts = np.where(self._core[vertices], vertices, self._before[vertices])
        found.append((at, starts, np.zeros(len(at)), np.full(len(at), -1)))
        return _doors(found)

    def entries(self, chains: Array, weights_from_tail: Array, at_vertices: Array) -> Doors:
        """How positions are reached from the graph; arguments as of `exits`."""
        sources, _, arcs, through = self._edges
        found: list[tuple[Array, Array, Array, Array]] = []
        between = np.flatnonzero(at_vertices < 0)
        for against in (0, 1):
            wanted = 2 * chains[between] + against
            edges, which = _joined(arcs, wanted)
            positions = between[which]
            offset = weights_from_tail[positions]
            cost = self.arc_weights[arcs[edges]] - offset if against else offset
            for layer, ok in (
                (sources[edges], np.ones(len(edges), dtype=bool)),
                (self._before[sources[edges]], self._before[sources[edges]] >= 0),
                (self._after[sources[edges]], ~through[edges]),
            ):
                found.append((positions[ok], layer[ok], cost[ok], arcs[edges][ok]))
        at = np.flatnonzero(at_vertices >= 0)
        copies, which = _joined(np.concatenate([np.arange(self.network.vertex_count), self._copied]), at_vertices[at])
        for layer in (copies, self._before[copies], np.where(self._core[copies], -1, self._after[copies])):
            ok = layer >= 0
            found.append((at[which][ok], layer[ok], np.zeros(int(ok.sum())), np.full(int(ok.sum()), -1)))
        return _doors(found)


def _access(network: RoadNetwork, truck: TruckProfile | None, vehicle: int) -> Array:
    """By arc; weight, height and width are compared with the limits of the kind of road."""
    columns = (1, 3) if vehicle == HEAVY else (0, 2)
    access = network.kind_access[:, columns].copy()
    if truck is not None:
        weight, height, width = (network.kind_limits[:, column] for column in range(3))
        if truck.weight_t is not None:
            overweight = (truck.weight_t > weight)[:, None]
            access = np.where(overweight, np.minimum(access, network.kind_overweight[:, None]), access)
        too_big = ((truck.height_m or 0.0) > height) | ((truck.width_m or 0.0) > width)
        access[too_big] = Access.NO
    result: Array = access[network.kinds].ravel()
    return result


def _from_begin(lengths: Floats, begin: Array, sizes: Array) -> Floats:
    """Whole sums from each chain's begin to each of its points of what its segments take."""
    before = np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
    whole: Floats = np.rint(before - np.repeat(before[begin], sizes))
    return whole


def _largest(sources: Array, targets: Array, lengths: Floats, count: int) -> Array:
    """Which vertices are in the part with most metres of street in which each vertex can be reached from each."""
    graph = coo_array((np.ones(len(sources), dtype=np.int8), (sources, targets)), shape=(count, count)).tocsr()
    _, labels = connected_components(graph, directed=True, connection="strong")
    within = labels[sources] == labels[targets]
    largest: Array = labels == np.argmax(np.bincount(labels[sources[within]], lengths[within], minlength=1))
    return largest


def _joined(values: Array, wanted: Array) -> tuple[Array, Array]:
    """All pairs (index of values, index of wanted) where they are equal."""
    order = np.argsort(wanted, kind="stable")
    begin = np.searchsorted(wanted[order], values)
    end = np.searchsorted(wanted[order], values, side="right")
    counts = end - begin
    rows = np.repeat(np.arange(len(values)), counts)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, order[np.repeat(begin, counts) + within]


def _doors(found: list[tuple[Array, Array, Array, Array]]) -> Doors:
    positions, vertices, weights, arcs = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.argsort(positions, kind="stable")
    return Doors(positions[order], vertices[order], weights[order], arcs[order])
