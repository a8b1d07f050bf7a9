"""CVRPLIB files: reads a capacitated problem (`.vrp`), solves it, writes the answer (`.sol`).

Format: TSPLIB 95 with the CVRP extensions as http://vrp.galgos.inf.puc-rio.br publishes it; Euclidean distances are
rounded to the nearest integer, as for its X instances (Uchoa et al. 2017).
"""

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from pyvrp import Client, Depot, Location, ProblemData, VehicleType
from pyvrp.stop import MaxRuntime
from vrplib.parse import parse_vrplib

from core.errors import InvalidInputError, PlanningError
from core.processes import end_with_parent
from pickups.routes.search import SMALL_STEPS, search

MAX_DIMENSION: Final = 4_000
"""Distances are a full matrix: this many nodes are 128 MB of it, and more than the search can use."""
MAX_NUMBER: Final = 10**9
"""Larger coordinates, demands and weights would leave the solver's integers."""
DEFAULT_TIME_LIMIT_S: Final = 10.0
_WORTH_PROCESSES_S: Final = 3.0
"""Starting processes takes about a second of each core."""


@dataclass(frozen=True, slots=True)
class VrpInstance:
    """A capacitated vehicle-routing problem; node 0 is the depot, `vehicles` None means as many as needed."""

    demands: tuple[int, ...]
    capacity: int
    distances: np.ndarray
    vehicles: int | None


Routes = list[list[int]]
"""Customers in order, numbered from 1 as `.sol` files do (node 2 of the file is customer 1)."""


def solve_vrp(
    text: str, *, time_limit_s: float = DEFAULT_TIME_LIMIT_S, seed: int = 0, processes: int | None = None
) -> tuple[Routes, int]:
    """Routes for the problem in a `.vrp` file, and their total distance.

    Searches with different seeds run in `processes` beside each other (None: one per core; under three seconds here),
    the best answer is kept; starting them counts as time.

    Raises:
        InvalidInputError: not a capacitated problem in CVRPLIB form; says what is wrong.
        PlanningError: no answer that keeps the capacity was found in time.
    """
    until = time.monotonic() + time_limit_s
    instance = parse_vrp(text)
    count = 1 if time_limit_s < _WORTH_PROCESSES_S else processes or os.cpu_count() or 1
    if count == 1:
        routes = _searched(instance, seed, until)
    else:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(count, mp_context=spawn, initializer=end_with_parent) as pool:
            runs = [pool.submit(_searched, instance, seed + number, until) for number in range(count)]
            answers = [routes for run in runs if (routes := run.result()) is not None]
        routes = min(answers, key=lambda found: cost(instance, found), default=None)
    if routes is None:
        raise PlanningError(f"no feasible routes found within {time_limit_s:g} s")
    return routes, cost(instance, routes)


def _searched(instance: VrpInstance, seed: int, until: float) -> Routes | None:
    """The routes of one search up to an instant (time.monotonic); None: it found none that keep the capacity."""
    customers = range(1, len(instance.demands))
    data = ProblemData(
        locations=[Location(0, 0) for _ in instance.demands],
        clients=[Client(location=customer, delivery=[instance.demands[customer]]) for customer in customers],
        depots=[Depot(location=0)],
        vehicle_types=[VehicleType(num_available=instance.vehicles or len(customers), capacity=[instance.capacity])],
        distance_matrices=[instance.distances],  # type: ignore[list-item] # pyvrp's stubs misname the type
        duration_matrices=[np.zeros_like(instance.distances)],  # type: ignore[list-item]
    )
    best = search(data, MaxRuntime(max(0.0, until - time.monotonic())), seed, params=SMALL_STEPS)
    if not best.is_feasible():
        return None
    return [[activity.idx + 1 for activity in route if activity.is_client()] for route in best.routes()]


def cost(instance: VrpInstance, routes: Routes) -> int:
    """Total distance of the routes, each from and to the depot."""
    return sum(int(instance.distances[[0, *route], [*route, 0]].sum()) for route in routes)


def format_sol(routes: Routes, total: int) -> str:
    """The answer as CVRPLIB's `.sol` files have it."""
    lines = [f"Route #{number}: {' '.join(map(str, route))}" for number, route in enumerate(routes, start=1)]
    return "\n".join([*lines, f"Cost {total}"]) + "\n"


def parse_vrp(text: str) -> VrpInstance:
    """Read a `.vrp` file: CVRP with CAPACITY, DEMAND_SECTION and coordinates or EXPLICIT weights.

    Raises:
        InvalidInputError: it is not one; says what is missing or wrong.
    """
    try:
        fields: dict[str, Any] = parse_vrplib(text, compute_edge_weights=False)
    except Exception as error:  # the parser lets any of Python's own errors out
        raise InvalidInputError(f"not a CVRPLIB file: {_short(error)}") from error
    kind = str(fields.get("type", "CVRP")).strip().upper()
    if kind not in ("CVRP", "ACVRP"):
        raise InvalidInputError(f"TYPE {kind[:20]} is not supported, only CVRP")
    dimension = _whole(fields, "dimension", least=2, most=MAX_DIMENSION)
    demands = _column(fields, "demand", dimension)
    if demands[0] != 0:
        raise InvalidInputError("DEMAND_SECTION: the depot, node 1, must have demand 0")
    depots = np.asarray(fields.get("depot", [0])).tolist()
    if depots != [0]:
        raise InvalidInputError("DEPOT_SECTION: expected node 1 as the only depot")
    capacity = _whole(fields, "capacity", least=1, most=MAX_NUMBER)
    if max(demands) > capacity:
        node = int(np.argmax(demands)) + 1
        raise InvalidInputError(f"DEMAND_SECTION: node {node} asks for {max(demands)}, more than CAPACITY {capacity}")
    vehicles = _whole(fields, "vehicles", least=1, most=MAX_DIMENSION) if "vehicles" in fields else None
    return VrpInstance(tuple(demands), capacity, _distances(fields, dimension), vehicles)


def _distances(fields: dict[str, Any], dimension: int) -> np.ndarray:
    kind = str(fields.get("edge_weight_type", "EUC_2D")).strip().upper()
    if kind == "EXPLICIT":
        weights = _matrix(fields, "edge_weight", dimension, dimension)
        if (weights < 0).any():
            raise InvalidInputError("EDGE_WEIGHT_SECTION: a weight is below 0")
        distances = np.floor(weights + 0.5).astype(np.int64)
        np.fill_diagonal(distances, 0)
        return distances
    if kind not in ("EUC_2D", "CEIL_2D", "FLOOR_2D"):
        raise InvalidInputError(
            f"EDGE_WEIGHT_TYPE {kind[:20]} is not supported, only EUC_2D, CEIL_2D, FLOOR_2D and EXPLICIT"
        )
    coordinates = _matrix(fields, "node_coord", dimension, 2)
    exact: np.ndarray = np.hypot(*(np.subtract.outer(axis, axis) for axis in coordinates.T))
    # "nint" of TSPLIB 95 is floor(x + 0.5), not numpy's rounding to even.
    whole: np.ndarray = np.ceil(exact) if kind == "CEIL_2D" else np.floor(exact + (0.5 if kind == "EUC_2D" else 0.0))
    return whole.astype(np.int64)


def _whole(fields: dict[str, Any], name: str, *, least: int, most: int) -> int:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not float(value).is_integer():
        raise InvalidInputError(f"{name.upper()} is missing or not a whole number")
    if not least <= value <= most:
        raise InvalidInputError(f"{name.upper()} {value:g} is outside {least} to {most}")
    return int(value)


def _column(fields: dict[str, Any], name: str, dimension: int) -> list[int]:
    values = _matrix(fields, name, dimension, 1)[:, 0]
    if (values < 0).any() or (values != np.floor(values)).any():
        raise InvalidInputError(f"{name.upper()}_SECTION: expected whole numbers not below 0")
    return [int(value) for value in values]


def _matrix(fields: dict[str, Any], name: str, rows: int, columns: int) -> np.ndarray:
    """A section as numbers of this shape."""
    title = f"{name.upper()}_SECTION"
    if name not in fields:
        raise InvalidInputError(f"{title} is missing")
    try:
        values = np.asarray(fields[name], dtype=np.float64).reshape(rows, columns)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidInputError(f"{title}: expected {rows} rows of {columns} numbers") from error
    if not np.isfinite(values).all() or (np.abs(values) > MAX_NUMBER).any():
        raise InvalidInputError(f"{title}: a number is not finite or beyond {MAX_NUMBER:g}")
    return values


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:200] or type(error).__name__
