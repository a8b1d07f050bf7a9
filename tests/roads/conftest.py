"""Small towns written as OpenStreetMap extracts."""

import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import osmium
import pytest
from osmium.osm.mutable import Node, Relation, Way

from core.geo import EARTH_RADIUS_M
from core.travel import Position
from roads.openstreetmap import OpenStreetMapRoads

LATITUDE, LONGITUDE = 50.0, 9.0
SHARED = Path(__file__).parents[3] / "shared" / "data"
Street = tuple[str, dict[str, str]]
"""The names of its nodes in order, and its tags."""
Restriction = tuple[str, int, str, int, dict[str, str]]
"""Its value, the number of the street it leads from, the node, the number of the street it leads to, more tags."""
Town = Callable[..., OpenStreetMapRoads]
At = Callable[[float, float], Position]


def position(east_m: float, north_m: float) -> Position:
    degree_m = EARTH_RADIUS_M * math.pi / 180
    return (LATITUDE + north_m / degree_m, LONGITUDE + east_m / degree_m / math.cos(math.radians(LATITUDE)))


@pytest.fixture
def at() -> At:
    """A position so many metres east and north of the towns' origin."""
    return position


def write_town(
    path: Path,
    nodes: dict[str, tuple[float, float]],
    streets: Sequence[Street],
    restrictions: Sequence[Restriction] = (),
    *,
    node_tags: dict[str, dict[str, str]] | None = None,
    missing: Sequence[str] = (),
) -> Path:
    """Nodes by name with metres east and north; those `missing` are named by streets but cut off."""
    numbers = {name: 1000 + index for index, name in enumerate(nodes)}
    with osmium.SimpleWriter(str(path), overwrite=True) as writer:
        for name, place in nodes.items():
            if name not in missing:
                latitude, longitude = position(*place)
                tags = (node_tags or {}).get(name, {})
                writer.add_node(Node(id=numbers[name], location=(longitude, latitude), tags=tags, version=1))
        for number, (line, tags) in enumerate(streets):
            refs = [numbers[name] for name in line.split()]
            writer.add_way(Way(id=100 + number, nodes=refs, tags={"highway": "residential"} | tags, version=1))
        for number, (value, origin, via, target, more) in enumerate(restrictions):
            members = [("w", 100 + origin, "from"), ("n", numbers[via], "via"), ("w", 100 + target, "to")]
            tags = {"type": "restriction", "restriction": value} | more
            writer.add_relation(Relation(id=number + 1, members=members, tags=tags, version=1))
    return path


@pytest.fixture
def town(tmp_path: Path) -> Town:
    """The roads of a town, as `write_town` takes it, with a cache of its own."""
    numbers = itertools.count()

    def build(*arguments: object, **options: object) -> OpenStreetMapRoads:
        folder = tmp_path / f"town{next(numbers)}"
        folder.mkdir()
        extract = write_town(folder / "town.osm.pbf", *arguments, **options)  # type: ignore[arg-type]
        return OpenStreetMapRoads(extract, folder / "roads")

    return build


@pytest.fixture
def write() -> Callable[..., Path]:
    """`write_town` itself."""
    return write_town


@pytest.fixture(scope="session")
def liechtenstein() -> Path:
    """The real extract, or a skip."""
    path = SHARED / "osm" / "liechtenstein.osm.pbf"
    if not path.exists():
        pytest.skip(f"{path} is missing: real roads are not in the repository")
    return path
