"""Limits and access that stand on nodes, and streets where nobody may stand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.travel import Position, TruckProfile
from roads.openstreetmap import OpenStreetMapRoads
from tests.roads.conftest import SHARED, Street

Town = Callable[..., OpenStreetMapRoads]
At = Callable[[float, float], Position]
TRUCK = TruckProfile(weight_t=18.0, height_m=3.7, width_m=2.55)
# d - c
# |   |   a square with sides of a kilometre, m in the middle of a - b
# a-m-b
SQUARE = {"a": (0, 0), "m": (500, 0), "b": (1000, 0), "c": (1000, 1000), "d": (0, 1000)}
SIDES: list[Street] = [("a m b", {}), ("b c", {}), ("c d", {}), ("d a", {})]
FOUND = SHARED / "found"


def km(roads: OpenStreetMapRoads, *positions: Position, truck: TruckProfile | None = TRUCK) -> list[list[float]]:
    matrix = roads.matrix(positions, truck)
    assert matrix.unreachable == {}
    rounded: list[list[float]] = np.round(matrix.distances_m / 1000, 2).tolist()
    return rounded


@pytest.mark.parametrize(
    ("tags", "by_truck", "by_car"),
    [
        ({"barrier": "height_restrictor", "maxheight": "2.1"}, 3, 1),
        ({"maxheight": "2.1"}, 3, 1),
        ({"maxwidth": "2 m"}, 3, 1),
        ({"maxweight": "3.5"}, 3, 1),
        ({"barrier": "gate", "hgv": "no"}, 3, 1),
        ({"barrier": "gate", "motor_vehicle": "no", "hgv": "yes"}, 1, 3),
        ({"barrier": "bollard"}, 3, 3),
        ({"barrier": "gate"}, 1, 1),
        ({"barrier": "height_restrictor", "maxheight": "4"}, 1, 1),
        ({"highway": "traffic_signals"}, 1, 1),
    ],
)
def test_a_node_lets_through_whom_it_says(
    town: Town, at: At, tags: dict[str, str], by_truck: float, by_car: float
) -> None:
    roads = town(SQUARE, SIDES, node_tags={"m": tags})
    assert km(roads, at(0, 0), at(1000, 0)) == [[0, by_truck], [by_truck, 0]]
    assert km(roads, at(0, 0), at(1000, 0), truck=None) == [[0, by_car], [by_car, 0]]


def test_what_lies_before_a_bar_is_reached_up_to_it(town: Town, at: At) -> None:
    roads = town(SQUARE, SIDES, node_tags={"m": {"maxheight": "2.1"}})
    assert km(roads, at(0, 0), at(400, 0), at(600, 0)) == [[0, 0.4, 3.4], [0.4, 0, 3.8], [3.4, 3.8, 0]]


@pytest.mark.parametrize("number", [0, 3])
def test_a_bar_at_the_end_of_a_street_counts_too(town: Town, at: At, number: int) -> None:
    """At the corner a, where two streets begin or end; the way from d to b leads past it or over c."""
    sides = [*SIDES]
    line = sides[number][0].split()
    sides[number] = (" ".join(reversed(line)), {})
    roads = town(SQUARE, sides, node_tags={"a": {"maxheight": "2.1"}})
    assert km(roads, at(0, 500), at(500, 0))[0][1] == 3.0


@pytest.mark.parametrize(
    "tags",
    [
        {"highway": "motorway_link"},
        {"highway": "trunk", "motorroad": "yes"},
        {"tunnel": "yes"},
        {"bridge": "yes"},
    ],
)
def test_nobody_stops_where_one_may_not_stand(town: Town, at: At, tags: dict[str, str]) -> None:
    """A bin 20 m from such a road and 80 m from a street: the truck stops in the street."""
    nodes = {"a": (0, 0), "b": (1000, 0), "c": (1000, 100), "d": (0, 100)}
    roads = town(nodes, [("a b", {}), ("b c", {}), ("c d", tags), ("d a", {})])
    assert km(roads, at(0, 0), at(500, 80)) == [[0, 0.5], [0.5, 0]]


def test_one_may_drive_there(town: Town, at: At) -> None:
    nodes = {"a": (0, 0), "b": (1000, 0), "c": (2000, 0)}
    roads = town(nodes, [("a b", {}), ("b c", {"bridge": "yes"})])
    with_bridge = town({**nodes, "e": (3000, 0)}, [("a b", {}), ("b c", {"bridge": "yes"}), ("c e", {})])
    assert km(with_bridge, at(0, 0), at(3000, 0)) == [[0, 3], [3, 0]]
    assert km(roads, at(0, 0), at(900, 0)) == [[0, 0.9], [0.9, 0]]


@pytest.mark.skipif(not FOUND.is_dir(), reason=f"{FOUND} is not there")
def test_the_cases_that_were_found(tmp_path: Path) -> None:
    roads = OpenStreetMapRoads(FOUND / "10-motorway-stop" / "motorway.osm", tmp_path / "motorway")
    there = km(roads, (49.9990827, 8.9944053), (49.9995953, 9.0), truck=TruckProfile(weight_t=18.0))
    assert there[0][1] == 0.4
    roads = OpenStreetMapRoads(FOUND / "11-limits-on-nodes" / "bar.osm", tmp_path / "bar")
    across = (50.0, 9.0), (50.0, 9.0055964)
    assert km(roads, *across)[0][1] == 1.6
    assert km(roads, *across, truck=None)[0][1] == 0.4
