"""Ways between positions kept on disk: the same bins again cost nothing, a few new ones only their own ways.

A file holds the ways between some positions for one extract and one truck. A question is answered from the file that
knows most of its positions; what was missing is searched and the file grows by it. Positions are compared by 1e-6
degrees (0.1 m). All files together are bounded; those not used for longest go first.
"""

import hashlib
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from core.travel import Position
from roads.geometry import Floats
from roads.network import Array, load_arrays, save_arrays

logger = logging.getLogger(__name__)
MAX_BYTES: Final = 512 << 20
MAX_POSITIONS: Final = 2_500
"""A file holds no more, unless a single question has more."""
_MAX_LOOKED_AT: Final = 20
_ARRAYS: Final = {"positions", "weights", "unreachable", "reasons"}


@dataclass(frozen=True)
class KnownWays:
    """Packed weights (n x n) between positions in millionths of degrees (n x 2), and why some are unreachable."""

    positions: Array
    weights: Floats
    unreachable: dict[int, str]


def rounded(positions: Sequence[Position]) -> Array:
    """As they are compared: millionths of degrees; what is no number at all is 999 degrees."""
    degrees = np.asarray(positions, dtype=np.float64).reshape(-1, 2)
    return np.rint(np.where(np.isfinite(degrees), np.clip(degrees, -999, 999), 999) * 1e6).astype(np.int64)


class MatrixCache:
    """Files `<prefix>-*.npz` of a folder."""

    def __init__(self, folder: Path, prefix: str, *, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._prefix = prefix
        self._max_bytes = max_bytes

    def find(self, positions: Array) -> KnownWays | None:
        """The file that knows most of the positions, or None; it counts as used."""
        wanted = _keys(positions)
        best: tuple[int, Path] | None = None
        for path in sorted(self._folder.glob(f"{self._prefix}-*.npz"), key=_used_at, reverse=True)[:_MAX_LOOKED_AT]:
            known = self._positions(path)
            shared = len(wanted & _keys(known)) if known is not None else 0
            if shared and (best is None or shared > best[0]):
                best = (shared, path)
                if shared == len(wanted):
                    break
        return self._load(best[1]) if best else None

    def keep(self, ways: KnownWays, *, instead_of: KnownWays | None = None) -> None:
        """Write a file, in the place of a smaller one. A full or read-only disk costs only the file: it is logged."""
        try:
            save_arrays(
                self._path(ways.positions),
                {
                    "positions": ways.positions,
                    "weights": ways.weights,
                    "unreachable": np.array(list(ways.unreachable), dtype=np.int64),
                    "reasons": np.array(list(ways.unreachable.values()), dtype=np.str_),
                },
            )
            if instead_of is not None:
                self._path(instead_of.positions).unlink(missing_ok=True)
            self._bound()
        except OSError as error:
            logger.warning("road matrices cannot be kept in %s: %s", self._folder, error)

    def _path(self, positions: Array) -> Path:
        digest = hashlib.blake2b(np.ascontiguousarray(positions).tobytes(), digest_size=12).hexdigest()
        return self._folder / f"{self._prefix}-{digest}.npz"

    def _positions(self, path: Path) -> Array | None:
        try:
            with np.load(path, allow_pickle=False) as file:
                known: Array = file["positions"]
                return known
        except Exception as error:  # noqa: BLE001  a torn or foreign file can fail in many ways; it is just not used
            logger.debug("%s is not used: %s", path, error)
            return None

    def _load(self, path: Path) -> KnownWays | None:
        arrays = load_arrays(path)
        if arrays is None or not arrays.keys() >= _ARRAYS:
            return None
        count = len(arrays["positions"])
        if arrays["weights"].shape != (count, count):
            return None
        os.utime(path, (time.time(), time.time()))
        reasons = zip(arrays["unreachable"].tolist(), arrays["reasons"].tolist(), strict=True)
        return KnownWays(arrays["positions"], arrays["weights"], dict(reasons))

    def _bound(self) -> None:
        """Remove files of any extract and truck, oldest use first, until the folder is small enough."""
        total = 0
        for path in sorted(self._folder.glob("*.npz"), key=_used_at, reverse=True):
            try:
                total += path.stat().st_size
            except FileNotFoundError:  # another process removed it
                continue
            if total > self._max_bytes:
                path.unlink(missing_ok=True)


def _keys(positions: Array) -> set[tuple[int, int]]:
    return {(latitude, longitude) for latitude, longitude in positions.tolist()}


def _used_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
