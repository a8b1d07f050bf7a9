"""What is kept on disk answers as a new search would."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.travel import Position, TruckProfile
from roads.matrix_cache import KnownWays, MatrixCache, rounded
from roads.openstreetmap import OpenStreetMapRoads

At = Callable[[float, float], Position]
Write = Callable[..., Path]


@pytest.fixture
def extract(tmp_path: Path, write: Write) -> Path:
    """Blocks of 300 m, every other street one way."""
    nodes = {f"{x}.{y}": (300 * x, 300 * y) for x in range(5) for y in range(5)}
    streets = []
    for number in range(5):
        one_way = {"oneway": "yes"} if number % 2 else {}
        streets.append((" ".join(f"{x}.{number}" for x in range(5)), one_way))
        streets.append((" ".join(f"{number}.{y}" for y in range(5)), one_way))
    return write(tmp_path / "blocks.osm.pbf", nodes, streets)


def places(at: At, count: int, seed: int) -> list[Position]:
    rng = random.Random(seed)
    return [at(rng.uniform(0, 1200), rng.uniform(0, 1200)) for _ in range(count)]


def files(folder: Path) -> list[Path]:
    return list((folder / "matrices").glob("*.npz"))


@pytest.mark.parametrize("truck", [None, TruckProfile(weight_t=12.0)])
def test_growing_by_new_positions_gives_what_a_new_search_gives(
    extract: Path, tmp_path: Path, at: At, truck: TruckProfile | None
) -> None:
    first, more = places(at, 12, 1), [*places(at, 4, 2), (54.5, 7.0)]
    wanted = [*more[:2], *first[3:], *more[2:]]
    kept = tmp_path / "kept"
    OpenStreetMapRoads(extract, kept).matrix(first, truck)
    grown = OpenStreetMapRoads(extract, kept).matrix(wanted, truck)
    fresh = OpenStreetMapRoads(extract, tmp_path / "fresh").matrix(wanted, truck)
    assert np.array_equal(grown.distances_m, fresh.distances_m)
    assert np.array_equal(grown.durations_s, fresh.durations_s)
    assert grown.unreachable == fresh.unreachable == {len(wanted) - 1: "no road within 300 m"}
    assert len(files(kept)) == 1  # the grown one has replaced the first


def test_known_positions_need_no_roads_again(extract: Path, tmp_path: Path, at: At) -> None:
    wanted = places(at, 10, 3)
    before = OpenStreetMapRoads(extract, tmp_path / "roads").matrix(wanted)
    for network in (tmp_path / "roads").glob("*.npz"):
        network.unlink()
    order = [7, 2, 2, 5]
    again = OpenStreetMapRoads(extract, tmp_path / "roads").matrix([wanted[index] for index in order])
    assert np.array_equal(again.distances_m, before.distances_m[np.ix_(order, order)])
    assert not list((tmp_path / "roads").glob("*.npz"))


def test_trucks_have_matrices_of_their_own(extract: Path, tmp_path: Path, at: At) -> None:
    wanted = places(at, 5, 4)
    roads = OpenStreetMapRoads(extract, tmp_path / "roads")
    roads.matrix(wanted)
    roads.matrix(wanted, TruckProfile())  # the same as none
    assert len(files(tmp_path / "roads")) == 1
    roads.matrix(wanted, TruckProfile(height_m=3.5))
    assert len(files(tmp_path / "roads")) == 2


def test_mostly_new_positions_get_a_file_of_their_own(extract: Path, tmp_path: Path, at: At) -> None:
    roads = OpenStreetMapRoads(extract, tmp_path / "roads")
    first = places(at, 5, 5)
    roads.matrix(first)
    roads.matrix([first[0], *places(at, 9, 6)])
    assert len(files(tmp_path / "roads")) == 2


def known(seed: int, count: int = 3) -> KnownWays:
    positions = rounded([(seed + index / 100, 9.0) for index in range(count)])
    return KnownWays(positions, np.arange(count * count, dtype=np.float64).reshape(count, count), {1: "no road"})


def test_a_file_comes_back_as_it_was(tmp_path: Path) -> None:
    cache = MatrixCache(tmp_path, "a")
    cache.keep(known(1))
    found = cache.find(known(1).positions[1:])
    assert found is not None
    assert np.array_equal(found.weights, known(1).weights)
    assert found.unreachable == {1: "no road"}
    assert cache.find(known(2).positions) is None
    assert MatrixCache(tmp_path, "b").find(known(1).positions) is None


def test_the_folder_is_bounded_and_the_least_used_goes(tmp_path: Path) -> None:
    def age() -> None:
        for path in tmp_path.glob("*.npz"):
            status = path.stat()
            os.utime(path, (status.st_atime - 10, status.st_mtime - 10))

    MatrixCache(tmp_path, "a").keep(known(1))
    size = next(tmp_path.glob("*.npz")).stat().st_size
    cache = MatrixCache(tmp_path, "a", max_bytes=2 * size)
    age()
    cache.keep(known(2))
    age()
    assert cache.find(known(1).positions) is not None  # used now
    cache.keep(known(3))
    assert [cache.find(known(seed).positions) is not None for seed in (1, 2, 3)] == [True, False, True]
