"""Restriction relations of OpenStreetMap as forbidden turns from one arc to another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from roads.chains import Chains
from roads.network import Array


@dataclass(frozen=True, slots=True)
class Restriction:
    """From ways over a node to ways: the only turn allowed, or one forbidden, for vehicles (bits LIGHT, HEAVY)."""

    via: int
    origins: Sequence[int]
    targets: Sequence[int]
    only: bool
    vehicles: int


def forbidden_turns(restrictions: Sequence[Restriction], chains: Chains, node_ids: Array) -> tuple[Array, int]:
    """The forbidden turns (t x 3, as in `RoadNetwork`), and how many restrictions speak of roads that are not there."""
    rows = np.searchsorted(node_ids, [restriction.via for restriction in restrictions])
    rows = np.minimum(rows, len(node_ids) - 1)
    ends = np.concatenate([chains.tails, chains.heads])
    order = np.argsort(ends, kind="stable")
    left_out = 0
    turns: dict[tuple[int, int], int] = {}
    for restriction, row in zip(restrictions, rows.tolist(), strict=True):
        vertex = int(chains.vertex_of[row]) if node_ids[row] == restriction.via else -1
        if vertex < 0:
            left_out += 1
            continue
        begin, end = np.searchsorted(ends, [vertex, vertex + 1], sorter=order)
        found = list(_turns(restriction, _leaving(order[begin:end], chains)))
        left_out += not found
        for turn in found:
            turns[turn] = turns.get(turn, 0) | restriction.vehicles
    return np.array([(*turn, vehicles) for turn, vehicles in turns.items()], dtype=np.int32).reshape(-1, 3), left_out


def _leaving(at_vertex: Array, chains: Chains) -> dict[int, int]:
    """The way of each arc that leaves the vertex."""
    count = len(chains.tails)
    return {
        2 * chain + against: int(chains.last_ways[chain] if against else chains.first_ways[chain])
        for chain, against in ((index % count, index // count) for index in at_vertex.tolist())
    }


def _turns(restriction: Restriction, leaving: dict[int, int]) -> Iterator[tuple[int, int]]:
    """Pairs of arcs; an arc that comes to the vertex is the reverse of one that leaves it."""
    allowed = [arc for arc, way in leaving.items() if way in restriction.targets]
    if not allowed:
        return
    for reverse, way in leaving.items():
        if way not in restriction.origins:
            continue
        for arc, target in leaving.items():
            named = target in restriction.targets
            if restriction.only is not named:
                yield reverse ^ 1, arc
