"""Straight lines times a factor, as sources without roads are marked."""

import math

from core.geo import great_circle_m
from core.settings import Settings
from roads import open_roads
from roads.great_circle import GreatCircleRoads

PLACES = [(50.0, 9.0), (50.01, 9.0), (50.0, 9.02)]


def test_distances_are_great_circles_times_the_factor_and_times_are_rounded_up() -> None:
    matrix = GreatCircleRoads().matrix(PLACES)
    assert matrix.source == "great_circle_x1.35"
    expected = [[round(great_circle_m(*a, *b) * 1.35) for b in PLACES] for a in PLACES]
    assert matrix.distances_m.tolist() == expected
    assert matrix.durations_s.tolist() == [[math.ceil(each / (30 / 3.6)) for each in row] for row in expected]


def test_a_position_that_is_none_is_left_out() -> None:
    matrix = GreatCircleRoads().matrix([*PLACES, (math.nan, 9.0)])
    assert matrix.unreachable == {3: "its position is no latitude and longitude"}
    assert matrix.distances_m[0, 1] == round(great_circle_m(*PLACES[0], *PLACES[1]) * 1.35)
    assert GreatCircleRoads().matrix([]).distances_m.shape == (0, 0)


def test_legs_are_straight() -> None:
    assert GreatCircleRoads().legs(PLACES) == [[PLACES[0], PLACES[1]], [PLACES[1], PLACES[2]]]


def test_they_are_used_where_nothing_is_set() -> None:
    roads = open_roads(Settings(_env_file=None))
    assert isinstance(roads, GreatCircleRoads)
    assert "KREISPULS_OSM_PBF" in roads.check()
