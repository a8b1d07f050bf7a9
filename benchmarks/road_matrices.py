"""The road engine on an OpenStreetMap extract: reading it, loading what was kept, matrices, lines, and memory.

Every measurement runs in a process of its own, whose peak memory is that of the whole process. Positions are random
points of roads that trucks reach. `--tiles N` lays N copies of the extract beside each other, joined by roads, as a
county of that size. `--against URL` compares distances and times with those of a server (as KREISPULS_ROADS_URL).
The last line of output is one JSON object.

    python benchmarks/road_matrices.py ../shared/data/osm/liechtenstein.osm.pbf
    python benchmarks/road_matrices.py ../shared/data/osm/liechtenstein.osm.pbf --tiles 64 --counts 300
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from core.settings import Settings
from core.travel import Position, TruckProfile
from roads import open_roads
from roads.openstreetmap import OpenStreetMapRoads

TRUCK = TruckProfile(weight_t=18.0, height_m=3.7, width_m=2.55)
LATITUDE_STEP, LONGITUDE_STEP = 0.3, 0.25


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extract", type=Path)
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 300, 600])
    parser.add_argument("--tiles", type=int, default=1)
    parser.add_argument("--against", help="osrm+http://host:port or valhalla+http://host:port, with the same extract")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.extract, options.folder)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "roads"
        extract = tiled(options.extract, options.tiles, Path(temporary)) if options.tiles > 1 else options.extract
        figures: dict[str, Any] = {"extract_mb": round(extract.stat().st_size / 1e6, 1), "tiles": options.tiles}
        for name in ("build", "load", *(f"matrix-{count}" for count in options.counts), "legs-100"):
            figures[name] = child(name, extract, folder)
            print(name, figures[name], flush=True)
        if options.against:
            figures["ours_by_theirs"] = compared(OpenStreetMapRoads(extract, folder), options.against)
            print("ours_by_theirs", figures["ours_by_theirs"], flush=True)
    figures["versions"] = {name: version(name) for name in ("osmium", "scipy", "numpy")}
    print(json.dumps(figures | {"python": platform.python_version(), "cores": os.cpu_count()}))


def child(name: str, extract: Path, folder: Path) -> dict[str, Any]:
    """One measurement in a new process."""
    command = [sys.executable, __file__, str(extract), "--one", name, "--folder", str(folder)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, Any] = json.loads(ended.stdout)
    return measured


def measure(name: str, extract: Path, folder: Path) -> dict[str, Any]:
    """What the child does; seconds of the named part alone."""
    figures: dict[str, Any] = {}
    began = time.perf_counter()
    engine = OpenStreetMapRoads(extract, folder)
    if name in {"build", "load"}:
        engine.check(fix=True)
        figures["s"] = round(time.perf_counter() - began, 3)
    else:
        what, count = name.split("-")
        positions = some_positions(engine, int(count))
        engine = OpenStreetMapRoads(extract, folder)
        began = time.perf_counter()
        if what == "matrix":
            matrix = engine.matrix(positions, TRUCK)
            figures["s"] = round(time.perf_counter() - began, 3)
            began = time.perf_counter()
            engine.matrix(positions, TRUCK)
            figures["again_s"] = round(time.perf_counter() - began, 3)
            figures["unreachable"] = len(matrix.unreachable)
            figures["mean_km"] = round(float(matrix.distances_m.mean()) / 1000, 2)
            shutil.rmtree(folder / "matrices")
        else:
            points = sum(map(len, engine.legs(positions, TRUCK)))
            figures["s"] = round(time.perf_counter() - began, 3)
            figures["points"] = points
    figures["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return figures


def compared(engine: OpenStreetMapRoads, url: str) -> dict[str, Any]:
    """Ours divided by theirs between 100 positions, of ways over 500 m: 5th, 50th and 95th percentile."""
    server = open_roads(Settings(roads_url=url))
    positions = some_positions(engine, 100)
    figures: dict[str, Any] = {"server": server.check()}
    for vehicle, truck in (("car", None), ("truck", TRUCK)):
        ours, theirs = engine.matrix(positions, truck), server.matrix(positions, truck)
        known = [row for row in range(100) if row not in ours.unreachable and row not in theirs.unreachable]
        block = np.ix_(known, known)
        far = theirs.distances_m[block] > 500  # noqa: PLR2004
        for what, (mine, other) in {
            "distance": (ours.distances_m, theirs.distances_m),
            "time": (ours.durations_s, theirs.durations_s),
        }.items():
            ratios = mine[block][far] / other[block][far]
            figures[f"{vehicle}_{what}"] = np.percentile(ratios, [5, 50, 95]).round(3).tolist()
        figures[f"{vehicle}_unreachable"] = [len(ours.unreachable), len(theirs.unreachable)]
    return figures


def some_positions(engine: OpenStreetMapRoads, count: int) -> list[Position]:
    """Random points of streets that the truck reaches."""
    graph, _ = engine._graph(TRUCK)  # noqa: SLF001  the streets as the engine has them
    network = graph.network
    usable = np.repeat(graph.arc_usable.reshape(-1, 2).any(axis=1), np.diff(network.first_points))
    points = np.random.default_rng(7).choice(np.flatnonzero(usable), count, replace=False)
    return [(network.latitudes[point] / 1e7, network.longitudes[point] / 1e7) for point in points.tolist()]


def tiled(extract: Path, tiles: int, folder: Path) -> Path:
    """Copies of the extract in a square, each joined to the next of its row and of its column."""
    import osmium  # noqa: PLC0415  children do without
    from osmium.osm.mutable import Way  # noqa: PLC0415

    path, side, stride = folder / "tiled.osm.pbf", int(np.ceil(np.sqrt(tiles))), 1 << 36
    hub = next(
        way.nodes[0].ref
        for way in osmium.FileProcessor(str(extract), osmium.osm.WAY)
        if isinstance(way, osmium.osm.Way) and way.tags.get("highway") == "primary"
    )
    with osmium.SimpleWriter(str(path)) as writer:
        for kind in (osmium.osm.NODE, osmium.osm.WAY):
            for tile in range(tiles):
                for each in osmium.FileProcessor(str(extract), kind):
                    if isinstance(each, osmium.osm.Node):
                        place = (
                            each.location.lon + LONGITUDE_STEP * (tile % side),
                            each.location.lat - LATITUDE_STEP * (tile // side),
                        )
                        writer.add_node(each.replace(id=each.id + tile * stride, location=place))
                    elif isinstance(each, osmium.osm.Way):
                        nodes = [node.ref + tile * stride for node in each.nodes]
                        writer.add_way(each.replace(id=each.id + tile * stride, nodes=nodes))
        for tile in range(tiles):
            for other in ([tile + 1] if (tile + 1) % side else []) + [tile + side]:
                if other < tiles:
                    nodes = [hub + tile * stride, hub + other * stride]
                    number = tiles * stride + 2 * tile + (other != tile + 1)
                    writer.add_way(Way(id=number, nodes=nodes, tags={"highway": "secondary"}, version=1))
    return path


if __name__ == "__main__":
    main()
