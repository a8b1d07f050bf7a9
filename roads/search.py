"""Matrices of the fastest ways in a truck's graph."""

from typing import Final

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from roads.geometry import Floats
from roads.network import Array
from roads.snapping import Snapped
from roads.truck_graph import Doors, TruckGraph

_CELLS: Final = 2_000_000
"""Distances held at once while searching from several positions (16 MB)."""


def ways(graph: TruckGraph, snapped: Snapped, known: int = 0, old: Floats | None = None) -> Floats:
    """Packed weights of the fastest ways between all positions; infinite where unreachable, 0 in the diagonal.

    The first `known` positions' weights may be given as `old` (known x known): only those of the others are searched.
    """
    count = len(snapped.chains)
    reachable = np.ones(count, dtype=bool)
    reachable[list(snapped.unreachable)] = False
    placed = snapped.chains, snapped.weights, snapped.vertices
    exits, entries = (_kept(doors, reachable) for doors in (graph.exits(*placed), graph.entries(*placed)))
    result = np.full((count, count), np.inf)
    new = np.arange(known, count)
    result[known:] = _searched(graph.graph, exits, entries, new, count)
    if old is not None and known:
        result[:known, :known] = old
        result[:known, known:] = _searched(graph.reversed, entries, exits, new, count).T[:known]
    _along_one_street(graph, snapped, result, reachable)
    result[np.arange(count), np.arange(count)] = 0.0
    return result


def _kept(doors: Doors, reachable: Array) -> Doors:
    ok = reachable[doors.positions]
    return Doors(doors.positions[ok], doors.vertices[ok], doors.weights[ok], doors.arcs[ok])


def with_sources(graph: csr_array, doors: Doors, sources: Array) -> csr_array:
    """The graph with a vertex more for each source, from which its doors lead."""
    begin, end = np.searchsorted(doors.positions, sources), np.searchsorted(doors.positions, sources, side="right")
    rows = np.concatenate([np.arange(first, last) for first, last in zip(begin, end, strict=True)])
    size = graph.shape[0] + len(sources)
    return csr_array(
        (
            np.concatenate([graph.data, doors.weights[rows]]),
            np.concatenate([graph.indices, doors.vertices[rows]]).astype(np.int32),
            np.concatenate([graph.indptr, graph.indptr[-1] + np.cumsum(end - begin)]).astype(np.int32),
        ),
        shape=(size, size),
    )


def _searched(graph: csr_array, exits: Doors, entries: Doors, sources: Array, count: int) -> Floats:
    """Least weights from the sources to all positions (sources x count)."""
    result = np.full((len(sources), count), np.inf)
    if not len(sources) or not len(entries.positions):
        return result
    targets, first = np.unique(entries.positions, return_index=True)
    size = graph.shape[0]
    whole = with_sources(graph, exits, sources)
    rows = max(1, _CELLS // (size + len(sources)))
    for begin in range(0, len(sources), rows):
        chunk = np.arange(begin, min(begin + rows, len(sources)))
        reached = dijkstra(whole, indices=size + chunk)
        at_doors = reached[:, entries.vertices] + entries.weights
        result[np.ix_(chunk, targets)] = np.minimum.reduceat(at_doors, first, axis=1)
    return result


def _along_one_street(graph: TruckGraph, snapped: Snapped, result: Floats, reachable: Array) -> None:
    """Ways between positions on one chain need not pass a vertex."""
    between = np.flatnonzero(reachable & (snapped.vertices < 0))
    order = between[np.argsort(snapped.chains[between], kind="stable")]
    for group in np.split(order, np.flatnonzero(np.diff(snapped.chains[order])) + 1):
        if len(group) > 1:
            chain = int(snapped.chains[group[0]])
            ahead = snapped.weights[None, group] - snapped.weights[group, None]
            direct = np.full(ahead.shape, np.inf)
            for against, signed in ((0, ahead), (1, -ahead)):
                if graph.arc_usable[2 * chain + against]:
                    direct = np.where(signed > 0, signed, direct)
            direct[ahead == 0] = 0.0
            block = np.ix_(group, group)
            result[block] = np.minimum(result[block], direct)
