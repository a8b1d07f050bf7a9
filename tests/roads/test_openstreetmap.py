"""Ways on small towns that can be checked by hand. Distances in metres, streets 100 m or 1 km long."""

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from core.errors import RoadsError
from core.geo import great_circle_m
from core.travel import Position, TravelMatrix, TruckProfile
from roads.openstreetmap import OpenStreetMapRoads

Town = Callable[..., OpenStreetMapRoads]
At = Callable[[float, float], Position]
TRUCK = TruckProfile(weight_t=18.0, height_m=3.7, width_m=2.55)
# d - c
# |   |   a square with sides of a kilometre
# a - b
SQUARE: dict[str, tuple[float, float]] = {"a": (0, 0), "b": (1000, 0), "c": (1000, 1000), "d": (0, 1000)}
SIDES = ["a b", "b c", "c d", "d a"]


def kilometres(matrix: TravelMatrix) -> list[list[float]]:
    rounded: list[list[float]] = np.round(matrix.distances_m / 1000, 2).tolist()
    return rounded


def corners(at: At, nodes: dict[str, tuple[float, float]] = SQUARE) -> list[Position]:
    return [at(*place) for place in nodes.values()]


def length_m(line: list[Position]) -> float:
    return sum(great_circle_m(*start, *end) for start, end in pairwise(line))


def square(town: Town, tags: dict[int, dict[str, str]] | None = None, **options: object) -> OpenStreetMapRoads:
    return town(SQUARE, [(side, (tags or {}).get(number, {})) for number, side in enumerate(SIDES)], **options)


def test_a_two_way_square(town: Town, at: At) -> None:
    matrix = square(town).matrix(corners(at))
    assert matrix.source == "osm"
    assert matrix.unreachable == {}
    assert kilometres(matrix) == [[0, 1, 2, 1], [1, 0, 1, 2], [2, 1, 0, 1], [1, 2, 1, 0]]
    assert matrix.durations_s[0].tolist() == [0, 144, 288, 144]  # 25 km/h


@pytest.mark.parametrize(
    ("tags", "there", "back"),
    [({"oneway": "yes"}, 1, 3), ({"oneway": "-1"}, 3, 1), ({"junction": "roundabout"}, 1, 3)],
)
def test_a_one_way_street_is_driven_one_way(
    town: Town, at: At, tags: dict[str, str], there: float, back: float
) -> None:
    matrix = square(town, {0: tags}).matrix(corners(at)[:2])
    assert kilometres(matrix) == [[0, there], [back, 0]]


def test_positions_on_one_one_way_street_are_reached_in_its_order(town: Town, at: At) -> None:
    matrix = square(town, {0: {"oneway": "yes"}}).matrix([at(200, 5), at(700, -5), at(200, -9)])
    assert kilometres(matrix) == [[0, 0.5, 0], [3.5, 0, 3.5], [0, 0.5, 0]]


def test_the_fastest_way_counts_and_the_distance_is_its_own(town: Town, at: At) -> None:
    matrix = square(town, {3: {"maxspeed": "5"}}).matrix([at(0, 0), at(0, 1000)])
    assert kilometres(matrix) == [[0, 3], [3, 0]]
    assert matrix.durations_s[0, 1] == 3 * 144


def test_traffic_lights_take_time(town: Town, at: At) -> None:
    roads = town(
        {"a": (0, 0), "s": (500, 0), "b": (1000, 0)}, [("a s b", {})], node_tags={"s": {"highway": "traffic_signals"}}
    )
    assert roads.matrix([at(0, 0), at(1000, 0)]).durations_s[0, 1] == 152


@pytest.mark.parametrize(
    "tags",
    [{"maxweight": "7.5"}, {"maxheight": "3.6"}, {"maxwidth": "2.5"}, {"hgv": "no"}, {"access": "private"}],
)
def test_a_truck_goes_round_what_it_may_not_pass(town: Town, at: At, tags: dict[str, str]) -> None:
    roads = square(town, {0: tags})
    assert kilometres(roads.matrix(corners(at)[:2], TRUCK))[0][1] == 3
    if "access" not in tags:
        assert kilometres(roads.matrix(corners(at)[:2]))[0][1] == 1
        assert kilometres(roads.matrix(corners(at)[:2], TruckProfile(weight_t=3.0, height_m=2.0)))[0][1] == 1


def test_a_limit_that_spares_destination_traffic_is_passed_only_to_its_ends(town: Town, at: At) -> None:
    tags = {"maxweight": "7.5", "maxweight:conditional": "none @ destination"}
    matrix = square(town, {0: tags}).matrix([at(0, 0), at(1000, 0), at(500, 0)], TRUCK)
    assert kilometres(matrix) == [[0, 3, 0.5], [3, 0, 0.5], [0.5, 0.5, 0]]


def test_a_limit_that_the_truck_keeps_is_none(town: Town, at: At) -> None:
    roads = square(town, {0: {"maxweight": "18", "maxheight": "3.7", "maxwidth": "2.55"}})
    assert kilometres(roads.matrix(corners(at)[:2], TRUCK))[0][1] == 1


def test_trucks_are_slower_outside_towns_as_the_law_wants(town: Town, at: At) -> None:
    """StVO section 3: 60 km/h over 7.5 t, 80 km/h over 3.5 t; 100 km/h x 0.85 else."""
    roads = town({"a": (0, 0), "b": (1000, 0)}, [("a b", {"highway": "primary", "maxspeed": "100"})])
    ends = [at(0, 0), at(1000, 0)]
    weights = (None, 7.5, 18.0)
    times = [int(roads.matrix(ends, TruckProfile(weight_t=weight)).durations_s[0, 1]) for weight in weights]
    assert times == [42, 45, 60]


# x - y - z: a way through, 2 km; x - p - q - z: a longer one; p - q for those who have business there.
DESTINATION = {"x": (0, 0), "y": (1000, 0), "z": (2000, 0), "p": (0, 1000), "q": (2000, 1000), "m": (1000, 300)}


def test_a_street_for_destination_traffic_is_passed_only_to_its_ends(town: Town, at: At) -> None:
    roads = town(
        DESTINATION, [("x p", {}), ("p q", {}), ("q z", {}), ("x y z", {"motor_vehicle": "destination"}), ("y m", {})]
    )
    x, y, z = at(0, 0), at(1000, 0), at(2000, 0)
    matrix = roads.matrix([x, y, z, at(500, 0)])
    assert kilometres(matrix) == [[0, 1, 4, 0.5], [1, 0, 1, 0.5], [4, 1, 0, 1.5], [0.5, 0.5, 1.5, 0]]
    assert length_m(roads.legs([x, z])[0]) == pytest.approx(4000, abs=5)


def test_a_pocket_behind_a_destination_street_can_be_reached(town: Town, at: At) -> None:
    roads = town(DESTINATION, [("x p", {}), ("p q", {}), ("q z", {}), ("x y", {"access": "destination"}), ("y m", {})])
    matrix = roads.matrix([at(0, 1000), at(1000, 300), at(1000, 0)])
    assert kilometres(matrix) == [[0, 2.3, 2], [2.3, 0, 0.3], [2, 0.3, 0]]


def test_where_all_streets_are_for_destination_traffic_all_can_be_reached(town: Town, at: At) -> None:
    roads = town(SQUARE | {"e": (-1000, 0)}, [(street, {"highway": "track"}) for street in (*SIDES, "a e")])
    matrix = roads.matrix([at(-1000, 0), *corners(at)])
    assert kilometres(matrix)[0] == [0, 1, 2, 3, 2]
    assert kilometres(matrix)[3] == [3, 2, 1, 0, 1]


@pytest.mark.parametrize(
    ("barrier", "distance"),
    [({"barrier": "bollard"}, 3), ({"barrier": "gate"}, 1), ({"barrier": "gate", "access": "no"}, 3)],
)
def test_a_barrier_blocks_the_street(town: Town, at: At, barrier: dict[str, str], distance: float) -> None:
    roads = town(
        SQUARE | {"e": (600, 0)}, [("a e b", {}), ("b c", {}), ("c d", {}), ("d a", {})], node_tags={"e": barrier}
    )
    assert kilometres(roads.matrix(corners(at)[:2]))[0][1] == distance
    beside = roads.matrix([at(590, 0), at(610, 0)])
    assert kilometres(beside)[0][1] == (0.02 if distance == 1 else 3.98)


#         n
#         |
# w ----- o ----- e      turning left from w to n is forbidden; r lets one turn round further on
#         |
#         s
CROSS = {"o": (0, 0), "w": (-1000, 0), "n": (0, 1000), "e": (1000, 0), "s": (0, -1000), "r": (1000, 1000)}
ARMS = [("w o", {}), ("o n", {}), ("o e", {}), ("o s", {}), ("e r", {"oneway": "yes"}), ("r n", {"oneway": "yes"})]


@pytest.mark.parametrize(
    ("restriction", "truck", "to_n", "to_s"),
    [
        (("no_left_turn", 0, "o", 1, {}), None, 4, 2),
        (("only_straight_on", 0, "o", 2, {}), None, 4, 4),
        (("no_left_turn", 0, "o", 1, {"except": "hgv"}), TRUCK, 2, 2),
        (("no_left_turn", 0, "o", 1, {"except": "hgv"}), None, 4, 2),
        (("no_left_turn", 1, "o", 0, {}), None, 2, 2),
    ],
)
def test_turn_restrictions(  # noqa: PLR0917
    town: Town, at: At, restriction: object, truck: TruckProfile | None, to_n: float, to_s: float
) -> None:
    """Over e one turns round for s (4 km = 1 + 1 + 1 + 1), and reaches n by r."""
    roads = town(CROSS, ARMS, [restriction])
    ends = [at(-1000, 0), at(0, 1000), at(0, -1000)]
    matrix = roads.matrix(ends, truck)
    assert kilometres(matrix)[0] == [0, to_n, to_s]
    assert kilometres(matrix)[1][2] == 2
    for leg, expected in zip(
        (roads.legs([ends[0], ends[1]], truck), roads.legs([ends[0], ends[2]], truck)), (to_n, to_s), strict=True
    ):
        assert length_m(leg[0]) == pytest.approx(expected * 1000, rel=0.002)


def test_a_position_at_a_restricted_junction_is_reached_from_all_sides(town: Town, at: At) -> None:
    roads = town(CROSS, ARMS, [("no_left_turn", 0, "o", 1, {})])
    assert kilometres(roads.matrix([at(-1000, 0), at(0, 0), at(0, 1000)])) == [[0, 1, 4], [1, 0, 1], [2, 1, 0]]


def test_restrictions_that_speak_of_other_roads_are_counted(town: Town) -> None:
    roads = town(
        CROSS,
        [*ARMS, ("n r", {"highway": "footway"})],
        [("no_left_turn", 0, "o", 6, {}), ("no_left_turn", 0, "o", 1, {})],
    )
    assert "1 turn restrictions (1 not understood)" in roads.check()


def test_positions_snap_to_the_part_that_hangs_together(town: Town, at: At) -> None:
    """An island street 200 m north of the square's side d c: a position on it snaps to the side."""
    roads = town(SQUARE | {"i": (0, 1200), "j": (1000, 1200)}, [*((side, {}) for side in SIDES), ("i j", {})])
    matrix = roads.matrix([at(0, 0), at(500, 1195), at(500, 1310)])
    assert kilometres(matrix)[0][1] == 1.5
    assert matrix.unreachable == {2: "no road within 300 m"}


def test_a_bin_in_the_sea_or_nowhere_is_reported_and_the_rest_planned(town: Town, at: At) -> None:
    roads = square(town)
    positions = [at(0, 0), (54.5, 7.0), at(1000, 1000), (math.nan, 9.0), (91.0, 0.0)]
    matrix = roads.matrix(positions)
    assert matrix.unreachable == {
        1: "no road within 300 m",
        3: "its position is no latitude and longitude",
        4: "its position is no latitude and longitude",
    }
    assert kilometres(matrix)[0][2] == 2
    assert roads.legs(positions[:2]) == [[at(0, 0), (54.5, 7.0)]]
    assert roads.matrix(positions).unreachable == matrix.unreachable


def test_no_positions_and_one_position(town: Town, at: At) -> None:
    roads = square(town)
    assert roads.matrix([]).distances_m.shape == (0, 0)
    assert roads.matrix([at(0, 0)]).distances_m.tolist() == [[0]]
    assert roads.legs([]) == []
    assert roads.legs([at(0, 0)]) == []


def test_a_position_between_nodes_is_on_the_street_beside_it(town: Town, at: At) -> None:
    roads = square(town)
    positions = [at(250, 40), at(1000, 500), at(250, -20)]
    assert kilometres(roads.matrix(positions)) == [[0, 1.25, 0], [1.25, 0, 1.25], [0, 1.25, 0]]
    line = roads.legs(positions[:2])[0]
    assert [
        great_circle_m(*found, *at(*wanted)) < 0.1
        for found, wanted in zip(line, [(250, 0), (1000, 0), (1000, 500)], strict=True)
    ] == [True] * 3


@pytest.mark.parametrize("turned", [False, True])
def test_lines_follow_the_bends_of_streets_in_driving_order(town: Town, at: At, turned: bool) -> None:  # noqa: FBT001
    """The street is drawn in two ways, the second one against the first."""
    nodes = {"a": (0, 0), "k": (400, 300), "b": (800, 0), "l": (1200, -300), "c": (1600, 0)}
    roads = town(nodes, [("a k b", {}), ("c l b", {})])
    ends = [at(200, 150), at(1400, -150)]
    bends = [(200, 150), (400, 300), (1200, -300), (1400, -150)]
    line = roads.legs(ends[::-1] if turned else ends)[0]
    expected = [at(*place) for place in (bends[::-1] if turned else bends)]
    assert len(line) == 4
    assert max(great_circle_m(*found, *wanted) for found, wanted in zip(line, expected, strict=True)) < 0.2
    assert kilometres(roads.matrix(ends))[0][1] == 1.5


def test_a_leg_to_where_one_is_has_two_ends(town: Town, at: At) -> None:
    line = square(town).legs([at(300, 0), at(300, 0)])[0]
    assert len(line) == 2
    assert line[0] == line[1]


def test_the_shorter_of_two_streets_between_the_same_junctions(town: Town, at: At) -> None:
    roads = town(
        {"a": (0, 0), "b": (1000, 0), "k": (500, 900), "z": (-500, 0)}, [("a k b", {}), ("a b", {}), ("z a", {})]
    )
    assert kilometres(roads.matrix([at(-500, 0), at(1000, 0)]))[0][1] == 1.5
    assert length_m(roads.legs([at(-500, 0), at(1000, 0)])[0]) == pytest.approx(1500, abs=2)


def test_a_street_that_returns_to_its_junction(town: Town, at: At) -> None:
    nodes = {"z": (-1000, 0), "a": (0, 0), "k": (300, 400), "l": (300, -400)}
    roads = town(nodes, [("z a", {}), ("a k l a", {"oneway": "yes"})])
    assert kilometres(roads.matrix([at(-1000, 0), at(300, 400), at(300, -400)])) == [
        [0, 1.5, 2.3],
        [2.3, 0, 0.8],
        [1.5, 1, 0],
    ]


def test_streets_cut_off_at_the_border_are_used_as_far_as_they_go(town: Town, at: At) -> None:
    roads = town(SQUARE | {"f": (2000, 0)}, [*((side, {}) for side in SIDES), ("b f", {})], missing=["f"])
    assert kilometres(roads.matrix(corners(at)))[0] == [0, 1, 2, 1]


def test_a_corrupt_extract_is_named(town: Town, at: At, tmp_path: Path) -> None:
    extract = tmp_path / "torn.osm.pbf"
    extract.write_bytes(b"\x00\x00\x00\x0d\n\tOSMHeader torn")
    roads = OpenStreetMapRoads(extract, tmp_path / "roads")
    for ask in (roads.check, lambda: roads.matrix([at(0, 0)])):
        with pytest.raises(RoadsError, match=r"torn\.osm\.pbf cannot be read"):
            ask()
    assert list(tmp_path.glob("roads/*")) == []
    with pytest.raises(RoadsError, match=r"nowhere\.pbf .*cannot be read: No such file"):
        OpenStreetMapRoads(tmp_path / "nowhere.pbf", tmp_path).matrix([at(0, 0)])
    with pytest.raises(RoadsError, match="has no roads"):
        town({"a": (0, 0), "b": (10, 0)}, [("a b", {"highway": "footway"})]).matrix([at(0, 0)])


def test_what_was_read_is_kept_by_content(tmp_path: Path, write: Callable[..., Path], at: At) -> None:
    """The kept graph serves without the reader; a changed extract is read anew; a torn or foreign file is no harm."""
    extract, folder = tmp_path / "town.osm.pbf", tmp_path / "roads"
    write(extract, SQUARE, [(side, {}) for side in SIDES])

    def far() -> float:
        return kilometres(OpenStreetMapRoads(extract, folder).matrix(corners(at)))[0][3]

    assert "--fix prepares" in OpenStreetMapRoads(extract, folder).check()
    assert not folder.exists()
    assert "--fix" not in OpenStreetMapRoads(extract, folder).check(fix=True)
    (kept,) = folder.glob("*.npz")
    assert "--fix" not in OpenStreetMapRoads(extract, folder).check()
    assert far() == 1
    whole = kept.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"PK foreign", whole[:-200] + bytes(200)):
        kept.write_bytes(content)
        for matrix in folder.glob("matrices/*"):
            matrix.write_bytes(content)
        assert far() == 1
        assert kept.read_bytes() == whole
    write(extract, SQUARE, [(side, {}) for side in SIDES[:3]])
    assert far() == 3
    assert len(list(folder.glob("*.npz"))) == 2


def test_a_folder_that_cannot_be_written_costs_only_time(
    tmp_path: Path, write: Callable[..., Path], at: At, caplog: pytest.LogCaptureFixture
) -> None:
    extract = write(tmp_path / "town.osm.pbf", SQUARE, [(side, {}) for side in SIDES])
    (tmp_path / "file").write_text("no folder")
    roads = OpenStreetMapRoads(extract, tmp_path / "file" / "roads")
    assert kilometres(roads.matrix(corners(at)))[0] == [0, 1, 2, 1]
    assert "cannot be kept" in caplog.text
