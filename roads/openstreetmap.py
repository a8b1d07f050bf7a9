"""Ways on the roads of an OpenStreetMap extract, computed here."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import astuple
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from core.errors import RoadsError
from core.travel import Position, TravelMatrix, TruckProfile
from roads.matrix_cache import MAX_POSITIONS, KnownWays, MatrixCache, rounded
from roads.network import FORMAT, Array, RoadNetwork, load_network, save_network
from roads.search import ways
from roads.snapping import Snapper
from roads.tracing import Tracer
from roads.truck_graph import TruckGraph, unpack

logger = logging.getLogger(__name__)
SOURCE: Final = "osm"
_GRAPHS_KEPT: Final = 4


class OpenStreetMapRoads:
    """The roads of an extract; what is made from it is kept in a folder, by the extract's content."""

    def __init__(self, extract: Path, folder: Path) -> None:
        self._extract = extract
        self._folder = folder
        self._graphs: dict[TruckProfile | None, tuple[TruckGraph, Snapper]] = {}

    def matrix(self, positions: Sequence[Position], truck: TruckProfile | None = None) -> TravelMatrix:
        """The fastest ways from the streets nearest to the positions; distances are those of the fastest ways."""
        wanted = rounded(positions)
        known = self._known_ways(wanted, truck)
        rows = _rows(known.positions, wanted)
        weights = known.weights[np.ix_(rows, rows)]
        milliseconds, decimetres = unpack(np.where(np.isfinite(weights), weights, 0.0))
        reasons = {index: known.unreachable[row] for index, row in enumerate(rows.tolist()) if row in known.unreachable}
        return TravelMatrix(
            distances_m=np.rint(decimetres / 10).astype(np.int64),
            durations_s=np.rint(milliseconds / 1000).astype(np.int64),
            source=SOURCE,
            unreachable=reasons,
        )

    def legs(self, positions: Sequence[Position], truck: TruckProfile | None = None) -> list[list[Position]]:
        """Along the streets; a straight line from and to a position that no road leads to."""
        if not positions:
            return []
        graph, snapper = self._graph(truck)
        snapped = snapper.snap(positions)
        tracer = Tracer(graph, snapped)
        return [
            [positions[start], positions[start + 1]]
            if {start, start + 1} & snapped.unreachable.keys()
            else tracer.line(start, start + 1)
            for start in range(len(positions) - 1)
        ]

    def check(self, *, fix: bool = False) -> str:
        """What is used, in one sentence; reads through an extract that is new, and with `fix` keeps its graph.

        Raises:
            RoadsError: the extract cannot be read.
        """
        kept = load_network(self._path)
        network = self._network if fix else kept or self._read()
        about = network.about
        prepared = "" if fix or kept else "; the first plan or --fix prepares them"
        return (
            f"{self._extract}, {about.get('ways', 0)} ways, {len(network.tails)} streets between junctions, "
            f"{about.get('restrictions', 0)} turn restrictions ({about.get('left_out', 0)} not understood){prepared}"
        )

    @cached_property
    def _key(self) -> str:
        """It changes with what the extract holds and with how it is read."""
        try:
            with self._extract.open("rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=12)).hexdigest()
        except OSError as error:
            reason = error.strerror or error
            raise RoadsError(
                f"the OpenStreetMap extract {self._extract} (KREISPULS_OSM_PBF) cannot be read: {reason}"
            ) from error
        return f"{digest}-{FORMAT}"

    @property
    def _path(self) -> Path:
        return self._folder / f"{self._key}.npz"

    @cached_property
    def _network(self) -> RoadNetwork:
        network = load_network(self._path)
        if network is None:
            network = self._read()
            try:
                save_network(network, self._path)
            except OSError as error:
                logger.warning("the roads of %s cannot be kept in %s: %s", self._extract, self._folder, error)
        return network

    def _read(self) -> RoadNetwork:
        from roads.extract import read_extract  # noqa: PLC0415 - once an extract; what is kept needs no reader

        return read_extract(self._extract)

    def _graph(self, truck: TruckProfile | None) -> tuple[TruckGraph, Snapper]:
        if truck == TruckProfile():
            truck = None
        if truck not in self._graphs:
            while len(self._graphs) >= _GRAPHS_KEPT:
                del self._graphs[next(iter(self._graphs))]
            graph = TruckGraph(self._network, truck)
            self._graphs[truck] = (graph, Snapper(graph))
        return self._graphs[truck]

    def _known_ways(self, wanted: Array, truck: TruckProfile | None) -> KnownWays:
        """The ways between at least these positions."""
        limits = astuple(truck or TruckProfile())
        profile = hashlib.blake2b(repr(limits).encode(), digest_size=6).hexdigest()
        cache = MatrixCache(self._folder / "matrices", f"{self._key}-{profile}")
        found = cache.find(wanted)
        asked = np.unique(wanted, axis=0)
        new = asked if found is None else asked[[row < 0 for row in _rows(found.positions, asked).tolist()]]
        if found is not None and not len(new):
            return found
        if found is not None and (len(found.positions) + len(new) > MAX_POSITIONS or len(new) > len(asked) // 2):
            found, new = None, asked
        known = found.positions if found is not None else np.empty((0, 2), dtype=np.int64)
        places = np.concatenate([known, new])
        graph, snapper = self._graph(truck)
        snapped = snapper.snap([(latitude / 1e6, longitude / 1e6) for latitude, longitude in places.tolist()])
        weights = ways(graph, snapped, len(known), found.weights if found is not None else None)
        made = KnownWays(places, weights, snapped.unreachable)
        cache.keep(made, instead_of=found)
        return made


def _rows(known: Array, wanted: Array) -> Array:
    """For each wanted position its row among the known ones, -1 where it is not among them."""
    rows = {place: row for row, place in enumerate(map(tuple, known.tolist()))}
    return np.array([rows.get(place, -1) for place in map(tuple, wanted.tolist())], dtype=np.int64)
