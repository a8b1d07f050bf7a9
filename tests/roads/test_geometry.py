import math
import random

import numpy as np
import pytest

from core.geo import great_circle_m
from roads.geometry import great_circles_m, in_space, simplified


def test_great_circles_of_arrays_are_those_of_single_positions() -> None:
    rng = random.Random(3)
    places = [(rng.uniform(-89, 89), rng.uniform(-180, 180)) for _ in range(50)]
    array = np.array(places)
    found = great_circles_m(array[:, 0, None], array[:, 1, None], array[None, :, 0], array[None, :, 1])
    assert found == pytest.approx(np.array([[great_circle_m(*a, *b) for b in places] for a in places]), abs=0.001)
    near = in_space(np.array([50.0, 50.001]), np.array([9.0, 9.002]))
    assert math.dist(*near.tolist()) == pytest.approx(great_circle_m(50.0, 9.0, 50.001, 9.002), abs=0.001)


def test_simplified_lines_keep_ends_and_corners_and_stay_within_the_tolerance() -> None:
    north = [(50.0 + 1e-5 * step, 9.0 + 1e-6 * (step % 2)) for step in range(100)]  # 0.07 m to and fro
    east = [(north[-1][0], 9.0 + 1e-5 * step) for step in range(100)]
    assert simplified([*north, *east], 2.0) == [north[0], pytest.approx(east[0], abs=2e-6), east[-1]]
    assert simplified(north, 0.01) == north
    loop = [(50.0, 9.0), (50.001, 9.001), (50.0, 9.0)]
    assert simplified(loop, 2.0) == loop
    assert simplified(loop[:2], 2.0) == loop[:2]
