"""An OpenStreetMap extract read into a road network. Two passes: restrictions, then nodes and ways."""

from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import osmium
from osmium.osm import NODE, RELATION, WAY

from core.errors import RoadsError
from roads.chains import join_chains
from roads.network import Array, RoadNetwork
from roads.tags import LIMITS, RoadKind, is_blocked, passage, restricted_turn, road_kind, speed_kmh
from roads.turns import Restriction, forbidden_turns

SIGNAL_DELAY_DS: Final = 80
"""Lost at traffic lights on average, in tenths of seconds (chosen)."""


@dataclass
class _Roads:
    """What one pass over nodes and ways finds: segments as they come, nodes by their OpenStreetMap ids."""

    nodes: "array[int]" = field(default_factory=lambda: array("q"))
    latitudes: "array[int]" = field(default_factory=lambda: array("i"))
    longitudes: "array[int]" = field(default_factory=lambda: array("i"))
    lengths: "array[int]" = field(default_factory=lambda: array("q"))
    ways: "array[int]" = field(default_factory=lambda: array("q"))
    kinds: "array[int]" = field(default_factory=lambda: array("i"))
    speeds: "array[int]" = field(default_factory=lambda: array("B"))
    kind_numbers: dict[RoadKind, int] = field(default_factory=dict)
    blocked: set[int] = field(default_factory=set)
    passages: dict[int, RoadKind] = field(default_factory=dict)
    """Nodes that let only some through."""
    beyond: int = -(1 << 60)
    """Number of the next node that we make: the far side of one that lets only some through."""
    signals: set[int] = field(default_factory=set)

    def add_node(self, node: osmium.osm.Node) -> None:
        tags = dict(node.tags)
        kind = passage(tags)
        if is_blocked(tags):
            self.blocked.add(node.id)
        elif kind is not None:
            self.passages[node.id] = kind
        if tags.get("highway") == "traffic_signals":
            self.signals.add(node.id)

    def add_way(self, way: osmium.osm.Way) -> None:
        tags = dict(way.tags)
        kind = road_kind(tags)
        if kind is None:
            return
        speed, length = speed_kmh(tags), 0
        nodes = [node for node in way.nodes if node.location.valid()]  # an extract cuts some off
        for number, node in enumerate(nodes):
            through, x, y = self.passages.get(node.ref), node.location.x, node.location.y
            if through is None:
                self._add_point(node.ref, x, y)
                length += 1
                continue
            # A road of no length stands for the node: who may not pass gets to it from either side. Where the way ends
            # it comes before the node, so that it lies between this way and whatever goes on there.
            is_last = number == len(nodes) - 1
            near, far = (self.beyond, node.ref) if is_last else (node.ref, self.beyond)
            self.beyond += 1
            self._add_point(near, x, y)
            self._end_part(way.id, kind, speed, length + 1)
            self._add_point(near, x, y)
            self._add_point(far, x, y)
            self._end_part(way.id, through, speed, 2)
            self._add_point(far, x, y)
            length = 1
        self._end_part(way.id, kind, speed, length)

    def _add_point(self, node: int, x: int, y: int) -> None:
        self.nodes.append(node)
        self.longitudes.append(x)
        self.latitudes.append(y)

    def _end_part(self, way: int, kind: RoadKind, speed: int, length: int) -> None:
        self.lengths.append(length)
        self.ways.append(way)
        self.kinds.append(self.kind_numbers.setdefault(kind, len(self.kind_numbers)))
        self.kind_numbers.setdefault(kind.turned(), len(self.kind_numbers))
        self.speeds.append(speed)


def read_extract(path: Path) -> RoadNetwork:
    """Read all roads of an extract (.osm.pbf, .osm, ...).

    Raises:
        RoadsError: the file cannot be read, or has no roads; names it.
    """
    try:
        return _read(path)
    except (RuntimeError, OSError, ValueError, UnicodeError) as error:  # what osmium raises for files it cannot read
        raise RoadsError(f"the OpenStreetMap extract {path} cannot be read: {error}") from error


def _read(path: Path) -> RoadNetwork:
    restrictions, unsupported = _restrictions(path)
    roads = _Roads()
    found = osmium.FileProcessor(str(path), NODE | WAY).with_locations()
    for each in found.with_filter(osmium.filter.KeyFilter("highway", "barrier", *LIMITS)):
        if isinstance(each, osmium.osm.Node):
            roads.add_node(each)
        elif isinstance(each, osmium.osm.Way):
            roads.add_way(each)
    ids, first, places = np.unique(np.frombuffer(roads.nodes, np.int64), return_index=True, return_inverse=True)
    lengths = np.frombuffer(roads.lengths, np.int64)
    way_of = np.repeat(np.arange(len(lengths)), lengths)
    begins = np.flatnonzero(way_of[:-1] == way_of[1:])
    if not len(begins):
        raise RoadsError(f"the OpenStreetMap extract {path} has no roads")
    kinds = list(roads.kind_numbers)
    chains = join_chains(
        places[begins],
        places[begins + 1],
        blocked=_among(ids, roads.blocked),
        kept=_among(ids, {restriction.via for restriction in restrictions}),
        ways=np.frombuffer(roads.ways, np.int64)[way_of[begins]],
        kinds=np.frombuffer(roads.kinds, np.int32)[way_of[begins]],
        turned=np.array([roads.kind_numbers[kind.turned()] for kind in kinds], dtype=np.int32),
    )
    turns, left_out = forbidden_turns(restrictions, chains, ids)
    last = chains.first_points[1:] - 1
    # A light stands between two segments: each has half of its delay.
    half = (SIGNAL_DELAY_DS // 2 * _among(ids, roads.signals)[chains.points]).astype(np.uint8)
    delays = half.copy()
    delays[:-1] += half[1:]
    delays[last] = 0
    speeds = np.frombuffer(roads.speeds, np.uint8)[way_of[begins]]
    return RoadNetwork(
        tails=chains.tails,
        heads=chains.heads,
        kinds=chains.kinds,
        first_points=chains.first_points,
        latitudes=np.frombuffer(roads.latitudes, np.int32)[first][chains.points],
        longitudes=np.frombuffer(roads.longitudes, np.int32)[first][chains.points],
        speeds=np.where(chains.segments >= 0, speeds[chains.segments], 0).astype(np.uint8),
        delays=delays,
        turns=turns,
        kind_access=np.array(
            [(kind.forward_light, kind.forward_heavy, kind.backward_light, kind.backward_heavy) for kind in kinds],
            dtype=np.uint8,
        ),
        kind_limits=np.array([(kind.max_weight_t, kind.max_height_m, kind.max_width_m) for kind in kinds]),
        kind_overweight=np.array([kind.overweight for kind in kinds], dtype=np.uint8),
        kind_dual=np.array([kind.dual for kind in kinds]),
        kind_stops=np.array([kind.stops for kind in kinds]),
        about={
            "ways": len(np.unique(np.frombuffer(roads.ways, np.int64))),
            "restrictions": len(restrictions) - left_out,
            "left_out": unsupported + left_out,
        },
    )


def _among(ids: Array, some: set[int]) -> Array:
    return np.isin(ids, np.fromiter(some, dtype=np.int64, count=len(some)))


def _restrictions(path: Path) -> tuple[list[Restriction], int]:
    """Those with nodes as via, and how many of others there are."""
    found, unsupported = [], 0
    relations = osmium.FileProcessor(str(path), RELATION).with_filter(osmium.filter.TagFilter(("type", "restriction")))
    for relation in relations:
        said = restricted_turn(dict(relation.tags))
        if said is None or not isinstance(relation, osmium.osm.Relation):
            continue
        members: dict[tuple[str, str], list[int]] = {}
        for member in relation.members:
            members.setdefault((member.role, member.type), []).append(member.ref)
        via = members.get(("via", "n"), [])
        if len(via) == 1 and ("from", "w") in members and ("to", "w") in members:
            found.append(Restriction(via[0], members["from", "w"], members["to", "w"], *said))
        else:
            unsupported += 1
    return found, unsupported
