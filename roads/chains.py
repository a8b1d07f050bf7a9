"""Segments of ways joined to chains: what lies between two vertices is one edge of the graph, with its line kept.

A vertex is a node where roads meet or end, where the kind of road changes, or which is asked to be `kept`. This makes
the graph several times smaller than the extract's nodes are many, and the search as much faster.
"""

from array import array
from dataclasses import dataclass
from itertools import chain

import numpy as np

from roads.network import Array


@dataclass(frozen=True)
class Chains:
    """As in `RoadNetwork`, with nodes as points; `segments`: the one that begins at a point, -1 at a chain's last.

    `first_ways` and `last_ways` are those of its first and last segment.
    """

    tails: Array
    heads: Array
    kinds: Array
    first_points: Array
    points: Array
    segments: Array
    first_ways: Array
    last_ways: Array
    vertex_of: Array
    """The vertex of each node, -1 for others."""


def join_chains(
    starts: Array,
    ends: Array,
    *,
    blocked: Array,
    kept: Array,
    ways: Array,
    kinds: Array,
    turned: Array,
) -> Chains:
    """Join segments from node to node.

    Args:
        starts: node at which each segment begins.
        ends: node at which it ends.
        blocked: by node; a road does not go on there (each of its ends is a dead end).
        kept: by node; is a vertex whatever meets there.
        ways: of each segment.
        kinds: of each segment.
        turned: for each kind that of the same road drawn from its other end.
    """
    used = np.flatnonzero(starts != ends)
    starts, ends, ways, kinds = starts[used], ends[used], ways[used], kinds[used]
    nodes = len(blocked)
    is_vertex = _vertices(starts, ends, kinds, turned, nodes) | kept | blocked
    # Half-segments: 2 * segment leaves its start, 2 * segment + 1 its end.
    at = np.stack([starts, ends], axis=1).ravel()
    order = np.argsort(at, kind="stable")
    first = np.searchsorted(at[order], np.arange(nodes + 1))
    # Plain arrays: read one by one as quickly as lists, at a tenth of their memory.
    sides, begins, half_segments = (array("i", each.astype(np.int32).tobytes()) for each in (at, first, order))
    vertex_flags = bytearray(is_vertex.astype(np.uint8).tobytes())
    taken = bytearray(len(starts))
    points, segments, flipped, first_points = array("i"), array("i"), bytearray(), array("i", [0])
    # Rings that touch no other road come last: each gets a vertex where it is first met.
    begin_here = array("i", order[is_vertex[at[order]]].astype(np.int32).tobytes())
    for half in chain(begin_here, range(0, len(at), 2)):
        if taken[half >> 1]:
            continue
        vertex_flags[sides[half]] = 1
        current = half
        while True:
            segment = current >> 1
            taken[segment] = 1
            points.append(sides[current])
            segments.append(segment)
            flipped.append(current & 1)
            node = sides[current ^ 1]
            if vertex_flags[node]:
                break
            here = begins[node]
            current = half_segments[here] if half_segments[here] != current ^ 1 else half_segments[here + 1]
        points.append(node)
        segments.append(-1)
        flipped.append(0)
        first_points.append(len(points))
    return _numbered(
        np.frombuffer(points, np.int32),
        np.frombuffer(segments, np.int32),
        np.frombuffer(flipped, bool),
        np.array(first_points, dtype=np.int64),
        is_vertex=np.frombuffer(vertex_flags, bool),
        blocked=blocked,
        ways=ways,
        kinds=kinds,
        turned=turned,
        used=used,
    )


def _vertices(starts: Array, ends: Array, kinds: Array, turned: Array, nodes: int) -> Array:
    """Nodes that are not just a point between two segments of one kind."""
    ones = np.bincount(starts, minlength=nodes) + np.bincount(ends, minlength=nodes)
    # Seen from the node, both segments have to leave as one road would: one of them turned round.
    leaving = np.concatenate([kinds, turned[kinds]])
    at = np.concatenate([starts, ends])
    order = np.argsort(at, kind="stable")
    pair = np.flatnonzero(ones[at[order]][:-1] == 2)  # noqa: PLR2004  two segments meet
    pair = pair[at[order][pair] == at[order][pair + 1]]
    differ = turned[leaving[order][pair]] != leaving[order][pair + 1]
    result: Array = ones != 2  # noqa: PLR2004
    result[at[order][pair[differ]]] = True
    return result


def _numbered(
    points: Array,
    segments: Array,
    flipped: Array,
    first_points: Array,
    *,
    is_vertex: Array,
    blocked: Array,
    ways: Array,
    kinds: Array,
    turned: Array,
    used: Array,
) -> Chains:
    begin, end = first_points[:-1], first_points[1:] - 1
    vertex_of = np.where(is_vertex & ~blocked, np.cumsum(is_vertex & ~blocked) - 1, -1).astype(np.int32)
    ends = np.stack([vertex_of[points[begin]], vertex_of[points[end]]], axis=1)
    dead = ends < 0  # at a barrier every road gets an end of its own
    ends[dead] = int((is_vertex & ~blocked).sum()) + np.arange(int(dead.sum()))
    first_segments, last_segments = segments[begin], segments[end - 1]
    chain_kinds = np.where(flipped[begin], turned[kinds[first_segments]], kinds[first_segments])
    return Chains(
        tails=ends[:, 0].astype(np.int32),
        heads=ends[:, 1].astype(np.int32),
        kinds=chain_kinds.astype(np.int32),
        first_points=first_points,
        points=points,
        segments=np.where(segments >= 0, used[segments], -1),
        first_ways=ways[first_segments],
        last_ways=ways[last_segments],
        vertex_of=vertex_of,
    )
