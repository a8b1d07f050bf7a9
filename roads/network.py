"""The roads of an extract as arrays: chains of street between junctions, with their line, speeds and limits."""

import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from roads.geometry import Floats, great_circles_m

FORMAT: Final = 2
"""The file's; it is raised whenever building or the arrays change: older files are then built anew."""
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class RoadNetwork:
    """Chains of street; a chain is two arcs: 2 * chain along its line, 2 * chain + 1 against it.

    Chain c leads from vertex `tails[c]` to `heads[c]` through the points `first_points[c]` up to but not including
    `first_points[c + 1]`, the vertices' own among them. All its segments are of one kind: row `kinds[c]` of the tables
    `kind_*`.
    """

    tails: Array
    heads: Array
    kinds: Array
    first_points: Array
    latitudes: Array
    """Points stand in 1e-7 degrees, as OpenStreetMap has them; so do the longitudes."""
    longitudes: Array
    speeds: Array
    """km/h of the segment that begins at the point (meaningless at the last of a chain)."""
    delays: Array
    """Tenths of seconds lost on that segment, at traffic lights."""
    turns: Array
    """Forbidden turns (t x 3): from arc, to arc, the vehicles (bits LIGHT, HEAVY) that they are forbidden for."""
    kind_access: Array
    """Columns: forward light, forward heavy, backward light, backward heavy; values of Access."""
    kind_limits: Array
    """Columns: weight in tonnes, height and width in metres."""
    kind_overweight: Array
    kind_dual: Array
    kind_stops: Array
    """Whether a vehicle may stand on such a road."""
    about: Mapping[str, int] = field(default_factory=dict)
    """Counts for people: ways, restrictions understood and left out ..."""

    @cached_property
    def vertex_count(self) -> int:
        """Junctions, ends and places where the kind of road changes."""
        return int(max(self.tails.max(), self.heads.max())) + 1 if len(self.tails) else 0

    @cached_property
    def segment_m(self) -> Floats:
        """Length of the segment that begins at each point; 0 at the last of a chain."""
        latitudes, longitudes = self.latitudes / 1e7, self.longitudes / 1e7
        lengths = np.zeros(len(latitudes))
        lengths[:-1] = great_circles_m(latitudes[:-1], longitudes[:-1], latitudes[1:], longitudes[1:])
        lengths[self.first_points[1:] - 1] = 0.0
        return lengths


ARRAYS: Final = tuple(each.name for each in fields(RoadNetwork) if each.name != "about")


def save_network(network: RoadNetwork, path: Path) -> None:
    """Write the file whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    arrays = {name: getattr(network, name) for name in ARRAYS}
    save_arrays(path, {**arrays, "about": np.array(json.dumps({"format": FORMAT, **network.about}))})


def load_network(path: Path) -> RoadNetwork | None:
    """What `save_network` wrote; None where there is no file, or one that is torn, foreign or of another format."""
    arrays = load_arrays(path)
    if arrays is None or not {*ARRAYS, "about"} <= arrays.keys():
        return None
    try:
        about = json.loads(str(arrays["about"]))
    except ValueError:
        return None
    if about.pop("format", None) != FORMAT:
        return None
    return RoadNetwork(**{name: arrays[name] for name in ARRAYS}, about=about)


def save_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays to a file beside the place and put it there in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".new")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load_arrays(path: Path) -> dict[str, Array] | None:
    """All arrays of a file; None where it is missing or is none of ours (checksums are checked)."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file.items())
    except (OSError, ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile):
        return None
