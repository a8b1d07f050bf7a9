"""Routes against the best known answers, and a county of real size against its bars; every answer is checked.

    python benchmarks/routes.py                          # all, at the time limits of the bars (about 7 minutes)
    python benchmarks/routes.py --case waste-298 --seconds 60 --seed 3

X-n101-k25 and X-n200-k36 (Uchoa et al. 2017), waste-98 and waste-298 (bins on the roads of Liechtenstein) are read from
`../shared/data/vrp`; missing ones are skipped. The county is made here (`county_case.py`). Last line: one JSON object.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import psutil
from county_case import county

from core.travel import TravelMatrix
from pickups.routes.checker import violations
from pickups.routes.planner import solve
from pickups.routes.problem import Candidate, Problem, Site, VehicleKind
from pickups.routes.vrp_file import cost, parse_vrp, solve_vrp

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "vrp"


@dataclass(frozen=True)
class Case:
    """A problem, its time limit, and the best known cost (None: nobody knows)."""

    name: str
    seconds: float
    best_known: int | None
    bar_percent: float | None
    file: str | None


CASES = (
    Case("X-n101-k25", 10, 27_591, 1.0, "X-n101-k25.vrp"),
    Case("X-n200-k36", 10, 58_578, 2.0, "X-n200-k36.vrp"),
    Case("waste-98", 60, 141_069, 1.0, "waste-98.json"),
    Case("waste-298", 60, 293_257, 2.0, "waste-298.json"),
    Case("county-2000", 270, None, None, None),
)


def main() -> None:
    """Run the cases asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES], help="only this one; again")
    parser.add_argument("--seconds", type=float, help="time limit instead of the bar's")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, help="searches at once; default: one per core")
    arguments = parser.parse_args()
    figures: dict[str, object] = {}
    for case in CASES:
        if arguments.case and case.name not in arguments.case:
            continue
        if case.file and not (DATA / case.file).is_file():
            print(f"{case.name}: skipped, {DATA / case.file} is not there")
            continue
        seconds = arguments.seconds or case.seconds
        figures[case.name] = measured(case, seconds, arguments.seed, arguments.processes)
    print(
        json.dumps(
            {
                "benchmark": "routes",
                "seed": arguments.seed,
                "cases": figures,
                "python": platform.python_version(),
                "pyvrp": importlib.metadata.version("pyvrp"),
                "cores": os.cpu_count(),
            }
        )
    )


def measured(case: Case, seconds: float, seed: int, processes: int | None) -> dict[str, object]:
    """One case: cost, gap to the best known, time, peak memory with all processes."""
    answer: Callable[[], tuple[int, dict[str, object]]]
    if case.file is None:
        problem = county()
        answer = lambda: planned(problem, seconds, seed, processes)  # noqa: E731
    elif case.file.endswith(".vrp"):
        text = (DATA / case.file).read_text()
        answer = lambda: solved(text, seconds, seed, processes)  # noqa: E731
    else:
        problem = waste(DATA / case.file)
        answer = lambda: planned(problem, seconds, seed, processes)  # noqa: E731
    with PeakMemory() as memory:
        began = time.perf_counter()
        total, more = answer()
        took = time.perf_counter() - began
    found: dict[str, object] = {
        "cost": total,
        "seconds": round(took, 1),
        "peak_mib": round(memory.peak / 2**20),
        **more,
    }
    if case.best_known:
        gap = 100 * (total / case.best_known - 1)
        found |= {"best_known": case.best_known, "gap_percent": round(gap, 2), "bar_percent": case.bar_percent}
    print(f"{case.name}: " + ", ".join(f"{name} {value}" for name, value in found.items()), flush=True)
    return found


def planned(problem: Problem, seconds: float, seed: int, processes: int | None) -> tuple[int, dict[str, object]]:
    """A plan of the platform, checked once more."""
    found = solve(problem, time_limit_s=seconds, seed=seed, processes=processes)
    wrong = violations(problem, found)
    if wrong:
        raise SystemExit(f"the plan is wrong: {wrong[0]}")
    required = {candidate.device_id for candidate in problem.candidates if candidate.required}
    return found.cost, {
        "tours": len(found.tours),
        "km": round(sum(tour.distance_m for tour in found.tours) / 1000, 1),
        "stops": len(problem.candidates) - len(found.left_out),
        "required_left_out": sum(one.device_id in required for one in found.left_out),
    }


def solved(text: str, seconds: float, seed: int, processes: int | None) -> tuple[int, dict[str, object]]:
    """Routes for a CVRPLIB file, checked from its text."""
    routes, total = solve_vrp(text, time_limit_s=seconds, seed=seed, processes=processes)
    instance = parse_vrp(text)
    if sorted(customer for route in routes for customer in route) != list(range(1, len(instance.demands))):
        raise SystemExit("the routes do not visit each customer once")
    if max(sum(instance.demands[customer] for customer in route) for route in routes) > instance.capacity:
        raise SystemExit("a route is over capacity")
    if cost(instance, routes) != total:
        raise SystemExit("the total is not that of the routes")
    return total, {"routes": len(routes)}


def waste(path: Path) -> Problem:
    """One of the days on the roads of Liechtenstein; its rules are in the file."""
    day = json.loads(path.read_text())
    metres = np.array(day["distance_m"], dtype=np.int64)
    shift = day["shift"]
    return Problem(
        travel=(TravelMatrix(distances_m=metres, durations_s=np.floor(metres / 8.3).astype(np.int64), source="osm"),),
        candidates=tuple(
            Candidate(
                device_id=f"bin-{one['index']}",
                location=one["index"],
                volume_l=0,
                weight_kg=one["load_kg"],
                service_s=day["service_s"],
                required=one["required"],
                prize=one["prize"],
            )
            for one in day["bins"]
        ),
        sites=(Site(name="disposal site", location=day["disposal_site"], unload_s=day["unload_s"]),),
        vehicles=tuple(
            VehicleKind(
                name=f"{one['capacity_kg']} kg",
                count=one["count"],
                start=day["garage"],
                end=day["garage"],
                capacity_l=1,
                capacity_kg=one["capacity_kg"],
                earliest_s=shift["earliest_s"],
                latest_s=shift["latest_s"],
                max_duration_s=shift["max_duration_s"],
                fixed_cost=one["fixed_cost"],
            )
            for one in day["vehicles"]
        ),
        breaks=None,
    )


class PeakMemory:
    """Most memory resident at once in this process and all its children, looked at ten times a second."""

    def __enter__(self) -> Self:
        self.peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        here = psutil.Process()
        while not self._done.wait(0.1):
            total = 0
            for process in (here, *here.children(recursive=True)):
                try:
                    total += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.peak = max(self.peak, total)


if __name__ == "__main__":
    main()
