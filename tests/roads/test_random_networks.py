"""On random networks, every way is as long as a plain search over all nodes says."""

import heapq
import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from core.geo import great_circle_m
from core.travel import Position
from roads.openstreetmap import OpenStreetMapRoads

Town = Callable[..., OpenStreetMapRoads]
At = Callable[[float, float], Position]
SIDE = 6


def plain_search(edges: dict[str, list[tuple[str, float]]], source: str) -> dict[str, float]:
    """Dijkstra's algorithm as in the textbook; metres by node."""
    found: dict[str, float] = {}
    queue = [(0.0, source)]
    while queue:
        distance, node = heapq.heappop(queue)
        if node not in found:
            found[node] = distance
            for other, length in edges.get(node, []):
                heapq.heappush(queue, (distance + length, other))
    return found


@pytest.mark.parametrize("seed", range(12))
def test_matrices_and_lines_agree_with_a_plain_search(town: Town, at: At, seed: int) -> None:
    rng = random.Random(seed)
    nodes = {
        f"{x}.{y}": (400 * x + rng.uniform(-150, 150), 400 * y + rng.uniform(-150, 150))
        for x in range(SIDE)
        for y in range(SIDE)
    }
    places = {name: at(*place) for name, place in nodes.items()}
    edges: dict[str, list[tuple[str, float]]] = {}
    streets = []
    for x in range(SIDE):
        for y in range(SIDE):
            for other in ((x + 1, y), (x, y + 1)):
                if max(other) < SIDE and rng.random() < 0.75:
                    start, end = f"{x}.{y}", f"{other[0]}.{other[1]}"
                    length = great_circle_m(*places[start], *places[end])
                    tags = rng.choice([{}, {}, {}, {"oneway": "yes"}, {"oneway": "-1"}])
                    if tags.get("oneway") != "-1":
                        edges.setdefault(start, []).append((end, length))
                    if tags.get("oneway") != "yes":
                        edges.setdefault(end, []).append((start, length))
                    streets.append((f"{start} {end}", tags))
    plain = {name: plain_search(edges, name) for name in nodes}
    # The nodes of the largest part in which each can be reached from each.
    parts = [[b for b in nodes if b in plain[a] and a in plain[b]] for a in nodes]
    main = max(parts, key=len)
    roads = town(nodes, streets)
    matrix = roads.matrix([places[name] for name in main])
    assert matrix.unreachable == {}
    expected = [[plain[a][b] for b in main] for a in main]
    assert np.abs(matrix.distances_m - np.array(expected)).max() <= 2
    order = rng.sample(main, 6)
    lines = roads.legs([places[name] for name in order])
    lengths = [sum(great_circle_m(*a, *b) for a, b in pairwise(line)) for line in lines]
    assert lengths == pytest.approx([plain[a][b] for a, b in pairwise(order)], abs=3)


@pytest.mark.parametrize("seed", range(10))
def test_growing_matrices_and_lines_agree_with_one_search(town: Town, at: At, seed: int) -> None:
    """With everything: one-ways, destination streets, forbidden turns, positions between nodes, some not reachable."""
    rng = random.Random(100 + seed)
    nodes = {f"{x}.{y}": (300 * x + rng.uniform(-99, 99), 300 * y) for x in range(SIDE) for y in range(SIDE)}
    pairs = [
        (f"{x}.{y}", f"{x + dx}.{y + dy}") for x in range(SIDE) for y in range(SIDE) for dx, dy in ((1, 0), (0, 1))
    ]
    pairs = [pair for pair in pairs if pair[1] in nodes and rng.random() < 0.85]
    tags = [{}, {}, {}, {"oneway": "yes"}, {"vehicle": "destination"}, {"highway": "track"}, {"maxspeed": "20"}]
    streets = [(" ".join(pair), rng.choice(tags)) for pair in pairs]
    turns: list[Any] = []
    for via in rng.sample(sorted(nodes), 15):
        meeting = [number for number, pair in enumerate(pairs) if via in pair]
        if len(meeting) > 1:
            value = rng.choice(["no_left_turn", "only_straight_on", "no_u_turn"])
            origin, target = rng.sample(meeting, 2) if value != "no_u_turn" else [meeting[0]] * 2
            turns.append((value, origin, via, target, {}))
    roads, grown = town(nodes, streets, turns), town(nodes, streets, turns)
    places = [at(rng.uniform(0, 1500), rng.uniform(0, 1500)) for _ in range(16)]
    whole = roads.matrix(places)
    grown.matrix(places[:10])
    after = grown.matrix(places)
    assert after.unreachable == whole.unreachable
    assert np.array_equal(after.distances_m, whole.distances_m)
    assert np.array_equal(after.durations_s, whole.durations_s)
    rows = [row for row in range(len(places)) if row not in whole.unreachable]
    lines = roads.legs([places[row] for row in rows])
    lengths = [sum(great_circle_m(*a, *b) for a, b in pairwise(line)) for line in lines]
    assert lengths == pytest.approx([int(whole.distances_m[a, b]) for a, b in pairwise(rows)], rel=0.005, abs=3)
