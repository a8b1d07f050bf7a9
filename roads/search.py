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
_SLACK: Final = 1.2
"""A wider first search saves second ones."""


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
    if reachable.any():
        places = snapped.places[reachable]
        middle = int(np.flatnonzero(reachable)[np.argmin(np.abs(places - places.mean(axis=0)).sum(axis=1))])
        result[known:] = _searched(graph.graph, graph.reversed, exits, entries, new, count, middle)
        if old is not None and known:
            result[:known, :known] = old
            result[:known, known:] = _searched(graph.reversed, graph.graph, entries, exits, new, count, middle).T[
                :known
            ]
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


def _searched(  # noqa: PLR0917  as the caller has them
    graph: csr_array, back: csr_array, exits: Doors, entries: Doors, sources: Array, count: int, middle: int
) -> Floats:
    """Least weights from the sources to all positions (sources x count).

    No search needs to go further than to the position in the middle and from there to the furthest one, but for what
    turning round there would take; where that was not enough, it is searched again to the end.
    """
    result = np.full((len(sources), count), np.inf)
    found = np.flatnonzero(np.isin(sources, exits.positions))
    if not len(found):
        return result
    furthest = _from(graph, exits, entries, np.array([middle]), np.inf)[0].max()
    to_middle = _from(back, entries, exits, np.array([middle]), np.inf)[0]
    far = furthest + to_middle[np.searchsorted(np.unique(exits.positions), sources[found])]
    targets = np.unique(entries.positions)
    rows = max(1, _CELLS // (graph.shape[0] + len(sources)))
    order = np.argsort(far)
    for begin in range(0, len(found), rows):
        chunk = order[begin : begin + rows]
        limit = float(_SLACK * far[chunk].max())
        reached = _from(graph, exits, entries, sources[found[chunk]], limit)
        again = (reached > limit).any(axis=1)
        if again.any():
            reached[again] = _from(graph, exits, entries, sources[found[chunk[again]]], np.inf)
        result[np.ix_(found[chunk], targets)] = reached
    return result


def _from(graph: csr_array, exits: Doors, entries: Doors, sources: Array, limit: float) -> Floats:
    """Least weights from the sources to the positions of the entries (ascending); sure up to the limit."""
    reached = dijkstra(
        with_sources(graph, exits, sources), indices=graph.shape[0] + np.arange(len(sources)), limit=limit
    )
    first = np.flatnonzero(np.diff(entries.positions, prepend=-1))
    totals: Floats = np.minimum.reduceat(reached[:, entries.vertices] + entries.weights, first, axis=1)
    return totals


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
