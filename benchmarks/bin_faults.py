"""What the shipped rules find of bins: a simulated month of 300 bins, 5 % of them with each kind of fault.

    .venv/bin/python benchmarks/bin_faults.py [--bins 300] [--days 30] [--share 0.05] [--seed 1]

The same engine and rule files as in ingest, restarted twice. Every time that any bin becomes full counts too, not only
those that nobody empties. Found: an alert fires while what it says is so (an overflow: before the bin overflows).
False: an alert fires that nothing true of the bin explains. `--share 0` is a month without any fault.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Final

from faults import judge
from faulty_bins import NOT_COLLECTED, SURGE, live, truths
from faulty_lamps import Overrides, Span

from simulators.faults import FaultKind
from simulators.placement import place_bins
from simulators.randomness import generator
from simulators.region import load_region
from simulators.world import World

START: Final = datetime(2026, 7, 1, tzinfo=UTC)
"""The month of the fullest bins and the hottest lids."""
FAULTS: Final = (
    NOT_COLLECTED, SURGE, FaultKind.FIRE, FaultKind.OVERTURNED, FaultKind.STUCK_VALUE, FaultKind.WEAK_BATTERY,
    FaultKind.SILENCE,
)  # fmt: skip


def main() -> None:
    """Print the detection table, then one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bins", type=int, default=300)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    begun_s = time.process_time()
    span = Span(START, START + timedelta(days=arguments.days))
    region = load_region("marburg-biedenkopf")
    world = World(region, arguments.seed)
    bins = place_bins(region, arguments.bins, arguments.seed)
    hours: dict[str, list[float]] = defaultdict(list)
    missed: Counter[str] = Counter()
    false: Counter[str] = Counter()
    readings = 0
    rng = generator(arguments.seed, "bin-trial")
    order = rng.permutation(len(bins)).tolist()
    of_each = round(arguments.share * len(bins))
    faults = {index: FAULTS[turn // of_each] for turn, index in enumerate(order[: of_each * len(FAULTS)])}
    for index, device in enumerate(bins):
        fault = faults.get(index)
        since_s = span.draw(rng, timedelta(0), 0.05, 0.6).start.timestamp() if fault else float("inf")
        month = live(device, fault, since_s, world, span=span, seed=arguments.seed)
        said = sorted(month.said, key=lambda reading: reading.received_at)
        readings += len(said)
        fired = [(at.timestamp(), alert.rule)
                 for at, alert in judge({device.device_id: device}, said, span, Overrides({}))]  # fmt: skip
        known = list(truths(month, fault, since_s))
        for at_s, rule in fired:
            if not any(rule in truth.rules and truth.from_s <= at_s <= truth.until_s for truth in known):
                false[rule] += 1
        for truth in known:
            if not truth.must:
                continue
            first = [at_s for at_s, rule in fired if rule in truth.rules and truth.from_s <= at_s <= truth.until_s]
            if first:
                hours[truth.name].append((min(first) - truth.event_s) / 3600)
            else:
                missed[truth.name] += 1
    print(f"{'what':20}{'found':>8}{'missed':>8}{'median h':>10}{'longest h':>10}")
    for name in sorted(hours.keys() | missed.keys()):
        of = hours[name] or [float("nan")]
        print(f"{name:20}{len(hours[name]):8}{missed[name]:8}{statistics.median(of):10.1f}{max(of):10.1f}")
    months = len(bins) * arguments.days / 30
    print(f"\nfalse alarms: {false.total()} in {months:.0f} bin-months {dict(false)}")
    figures = {
        "found": {name: len(of) for name, of in hours.items()},
        "missed": dict(missed),
        "false_alarms": dict(false),
        "bin_months": months,
        "bins": arguments.bins,
        "days": arguments.days,
        "seed": arguments.seed,
        "readings": readings,
        "processor_s": round(time.process_time() - begun_s),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
