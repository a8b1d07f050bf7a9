"""A day with more full bins than the vehicles can empty: how many stops are planned, and how soon.

    python benchmarks/overfull.py                                   # the whole grid (about 45 minutes)
    python benchmarks/overfull.py --trucks 1 --bins 160 --seconds 1 --seconds 60

Bins lie at random in a town 8 by 8 km, as in no street in particular; a truck of the default (10,000 l, eight hours)
empties 240 l each, distances are straight lines x 1.35. `--with breaks,reload,sites`: shifts without legal breaks are
the default of no grid; `reload`: a capacity of 5,000 l, so vehicles unload on the way; `sites`: three disposal sites
with opening hours. A search of `--seconds` is compared with the longest of the same size. Every answer is checked.
The last line of output is one JSON object.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import random
import time
from datetime import UTC, datetime

from core.device import Device, DisposalSite, Municipality, Place, Vehicle
from core.pickup import Forecast
from pickups.choosing import Choice, Known, choose
from pickups.due import Level
from pickups.routes.checker import violations
from pickups.routes.fleet import fleets
from pickups.routes.planner import solve
from pickups.routes.problem import VisitKind
from pickups.routes.task import Task, build_task
from roads.great_circle import GreatCircleRoads

AT = datetime(2026, 11, 30, 5, tzinfo=UTC)
MIDDLE = (50.81, 8.77)


def main() -> None:
    """Run the grid."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trucks", type=int, action="append")
    parser.add_argument("--bins", type=int, action="append")
    parser.add_argument("--seconds", type=float, action="append")
    parser.add_argument("--with", dest="extra", default="", help="of reload,sites")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    extra = {each for each in options.extra.split(",") if each}
    rows = []
    print("trucks  bins  limit s  took s  due  planned  of longest  litres    km")
    for trucks in options.trucks or [1, 2, 3]:
        for bins in options.bins or [50, 100, 160, 300, 500, 1000]:
            task = overfull(trucks, bins, extra, options.seed)
            found = [measured(task, seconds, options.seed) for seconds in sorted(options.seconds or [1, 5, 60])]
            for row in found:
                row |= {"trucks": trucks, "bins": bins, "of_longest": round(row["planned"] / found[-1]["planned"], 3)}
                print(
                    f"{trucks:6} {bins:5} {row['limit_s']:8g} {row['took_s']:7.1f} {row['due']:4} {row['planned']:8}"
                    f" {row['of_longest']:11.1%} {row['litres']:7} {row['km']:5.0f}",
                    flush=True,
                )
            rows += found
    shortest = min(row["limit_s"] for row in rows)
    worst = min(row["of_longest"] for row in rows if row["limit_s"] == shortest)
    print(
        json.dumps(
            {
                "benchmark": "overfull",
                "with": sorted(extra),
                "seed": options.seed,
                "worst_share_at_shortest": worst,
                "rows": rows,
                "cores": os.cpu_count(),
                "python": platform.python_version(),
                "pyvrp": importlib.metadata.version("pyvrp"),
            }
        )
    )


def overfull(trucks: int, bins: int, extra: set[str], seed: int) -> Task:
    """A town whose bins are all due: from four fifths full to overflowing."""
    chance = random.Random(seed * 1_000_003 + bins)
    sites = [DisposalSite("Umladestation", MIDDLE[0] + 0.05, MIDDLE[1] + 0.04)]
    if "sites" in extra:
        sites = [
            DisposalSite("Nord", MIDDLE[0] + 0.05, MIDDLE[1], open_from_s=7 * 3600, open_until_s=12 * 3600),
            DisposalSite("Süd", MIDDLE[0] - 0.05, MIDDLE[1], open_from_s=10 * 3600, open_until_s=16 * 3600),
            DisposalSite("Ost", MIDDLE[0], MIDDLE[1] + 0.09),
        ]
    town = Municipality(
        municipality="town",
        name="Town",
        depot=Place("Bauhof", *MIDDLE),
        disposal_sites=tuple(sites),
        vehicles=(Vehicle("truck", trucks, 5_000.0 if "reload" in extra else 10_000.0, 8 * 3600),),
    )
    devices = [
        Device(
            device_id=f"b{number}",
            device_type="waste_bin",
            municipality="town",
            latitude=MIDDLE[0] + chance.uniform(-0.036, 0.036),
            longitude=MIDDLE[1] + chance.uniform(-0.057, 0.057),
        )
        for number in range(bins)
    ]
    levels = {device.device_id: Level(chance.uniform(0.8, 1.0), AT) for device in devices}
    certain = {
        device_id: Forecast(at=AT, filling_level=1.0, full_at=AT, method="certain", overflow_probability=1.0)
        for device_id in levels
    }
    known = Known(levels=levels, requested=frozenset(), today={}, next_chance=certain)
    choices: tuple[Choice, ...] = choose(devices, known, {"town": town}).choices
    return build_task("residual", choices, fleets([town]), sites, GreatCircleRoads())


def measured(task: Task, seconds: float, seed: int) -> dict[str, float]:
    """Due, planned, litres and kilometres of a search of so many seconds."""
    begun = time.monotonic()
    solution = solve(task.problem, time_limit_s=seconds, seed=seed)
    took_s = time.monotonic() - begun
    wrong = violations(task.problem, solution)
    if wrong:
        raise AssertionError(wrong[0])
    stops = [visit for tour in solution.tours for visit in tour.visits if visit.kind is VisitKind.STOP]
    return {
        "limit_s": seconds,
        "took_s": round(took_s, 2),
        "due": sum(choice.required for choice in task.choices.values()),
        "planned": len(stops),
        "litres": sum(task.choices[visit.device_id or ""].content_l for visit in stops),
        "km": round(sum(tour.distance_m for tour in solution.tours) / 1000, 1),
        "urgency": round(sum(task.choices[visit.device_id or ""].urgency for visit in stops), 1),
    }


if __name__ == "__main__":
    main()
