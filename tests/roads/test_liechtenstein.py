"""On real roads (OpenStreetMap contributors, ODbL)."""

import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from core.geo import great_circle_m
from core.travel import TruckProfile
from roads.openstreetmap import OpenStreetMapRoads

TRUCK = TruckProfile(weight_t=18.0, height_m=3.7)


@pytest.fixture(scope="module")
def roads(liechtenstein: Path, tmp_path_factory: pytest.TempPathFactory) -> OpenStreetMapRoads:
    return OpenStreetMapRoads(liechtenstein, tmp_path_factory.mktemp("roads"))


def test_roads_are_longer_than_straight_lines_and_keep_the_triangle(roads: OpenStreetMapRoads) -> None:
    rng = random.Random(5)
    places = [(rng.uniform(47.06, 47.25), rng.uniform(9.49, 9.56)) for _ in range(40)]
    matrix = roads.matrix(places, TRUCK)
    rows = [row for row in range(40) if row not in matrix.unreachable]
    assert len(rows) >= 15
    distances, times = (each[np.ix_(rows, rows)] for each in (matrix.distances_m, matrix.durations_s))
    straight = np.array([[great_circle_m(*places[a], *places[b]) for b in rows] for a in rows])
    assert (distances >= straight - 2 * 300).all()  # each is at most so far from its street
    over = (times[:, :, None] + times[None, :, :]).min(axis=1)  # by any third position
    assert (times <= over + 2).all()
    speeds = 3.6 * distances[times > 60] / times[times > 60]
    assert speeds.min() > 5
    assert speeds.max() < 70


def test_lines_are_as_long_as_the_matrix_says(roads: OpenStreetMapRoads) -> None:
    rng = random.Random(6)
    places = [(rng.uniform(47.06, 47.25), rng.uniform(9.49, 9.56)) for _ in range(30)]
    matrix = roads.matrix(places)
    rows = [row for row in range(30) if row not in matrix.unreachable]
    lines = roads.legs([places[row] for row in rows])
    for line, start, end in zip(lines, rows, rows[1:], strict=False):
        length = sum(great_circle_m(*a, *b) for a, b in pairwise(line))
        assert length == pytest.approx(int(matrix.distances_m[start, end]), rel=0.01, abs=3)
