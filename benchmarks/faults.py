"""Which faults the shipped rules find: a simulated month of 1,000 lamps, 5 % of them with each kind of fault.

    .venv/bin/python benchmarks/faults.py [--lamps 1000] [--days 30] [--share 0.05] [--seed 1]

Lamps report no faults of their own here: everything is found from what they measure, through the same engine and the
same rule files as in ingest. Faults begin at a random instant between the second day and two thirds of the month and
stay. The engine is restarted twice. Found: the fault's own alert fires on the lamp (or on its circuit). False: an alert
fires that nothing wrong with the lamp explains. `--share 0` is a month without any fault.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from faulty_lamps import Overrides, Span, Street, report

from core.alert import Alert, AlertState
from core.device import Device, Municipality
from core.reading import Reading
from rules.catalogue import load_rules
from rules.engine import RuleEngine
from simulators.faults import FaultKind, Injection
from simulators.placement import Row, place_lamps
from simulators.randomness import generator
from simulators.region import load_region
from simulators.world import World

START: Final = datetime(2026, 3, 1, tzinfo=UTC)
"""A month with the change to summer time in it."""
STEP: Final = timedelta(minutes=15)
FINDS: Final[Mapping[FaultKind, str]] = {
    FaultKind.BURNT_OUT: "lamp_failure",
    FaultKind.DAY_BURNER: "day_burner",
    FaultKind.CYCLING: "cycling_failure",
    FaultKind.NO_DIMMING: "dimming_failure",
    FaultKind.HIGH_POWER: "power_too_high",
    FaultKind.LOW_POWER: "power_too_low",
    FaultKind.LOW_POWER_FACTOR: "power_factor_too_low",
    FaultKind.UNDERVOLTAGE: "voltage_too_low",
    FaultKind.OVERVOLTAGE: "voltage_too_high",
    FaultKind.OVERHEATING: "high_temperature",
    FaultKind.SILENCE: "communication_failure",
}
ALSO: Final[Mapping[FaultKind, frozenset[str]]] = {
    FaultKind.OVERHEATING: frozenset({"critical_temperature"}),
    FaultKind.NO_DIMMING: frozenset({"power_too_high"}),
}
"""What else a fault explains."""
EXPLAINED: Final = frozenset({"lamp_failure", "communication_failure"})
CIRCUIT_FAULTS: Final = (FaultKind.SILENCE, FaultKind.DARK)


@dataclass(slots=True)
class Tally:
    """Of one kind of fault: hours until each was found, and how many were not."""

    hours: list[float] = field(default_factory=list)
    missed: int = 0

    def add(self, hours: float | None) -> None:
        """One that was found after so many hours; None: it was not."""
        if hours is None:
            self.missed += 1
        else:
            self.hours.append(hours)


@dataclass(slots=True)
class Result:
    """All that a run counts."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    false: Counter[str] = field(default_factory=Counter)
    beside: int = 0
    """Alerts of single lamps that are dark or silent with their circuit: true, but not grouped."""
    healthy_months: float = 0.0
    readings: int = 0
    judging_s: float = 0.0


def main() -> None:
    """Print the detection table, then one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lamps", type=int, default=1000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    begun_s = time.process_time()
    span = Span(START, START + timedelta(days=arguments.days))
    result = run(arguments.lamps, span, arguments.share, arguments.seed)
    figures = show(result)
    figures |= {
        "lamps": arguments.lamps,
        "days": arguments.days,
        "seed": arguments.seed,
        "readings": result.readings,
        "judging_us_per_reading": round(result.judging_s / max(1, result.readings) * 1e6, 1),
        "processor_s": round(time.process_time() - begun_s),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }
    print(json.dumps(figures))


def show(result: Result) -> dict[str, object]:
    """Print the table; the figures of the JSON line."""
    print(f"{'fault':24}{'found':>8}{'missed':>8}{'median h':>10}{'longest h':>10}")
    for name, tally in result.tallies.items():
        hours = tally.hours or [float("nan")]
        print(f"{name:24}{len(tally.hours):8}{tally.missed:8}{statistics.median(hours):10.1f}{max(hours):10.1f}")
    alarms = sum(result.false.values())
    per_1000 = round(alarms / result.healthy_months * 1000, 2) if result.healthy_months else None
    print(f"\nfalse alarms: {alarms} in {result.healthy_months:.0f} lamp-months without a fault {dict(result.false)}")
    print(f"false alarms per 1,000 lamp-months: {per_1000}")
    print(f"alerts of single lamps beside those of their lost circuits: {result.beside}")
    return {
        "found": {name: len(tally.hours) for name, tally in result.tallies.items()},
        "missed": {name: tally.missed for name, tally in result.tallies.items()},
        "false_alarms": alarms,
        "healthy_lamp_months": round(result.healthy_months),
        "false_per_1000_lamp_months": per_1000,
        "single_alerts_beside_lost_circuits": result.beside,
    }


def run(lamps: int, span: Span, share: float, seed: int) -> Result:
    """Simulate and judge, circuit by circuit."""
    region = load_region("marburg-biedenkopf")
    world = World(region, seed)
    rows = place_lamps(region, lamps)
    circuits: dict[str, list[tuple[Row, int]]] = {}
    for row in rows:
        for place, lamp in enumerate(row.lamps):
            circuits.setdefault(str(lamp.attributes["circuit"]), []).append((row, place))
    faults = choose(circuits, span, share, seed)
    streets: dict[int, Street] = {}
    result = Result({name: Tally() for name in [*FINDS.values(), "supply_loss"]} if share else {})
    for circuit, places in circuits.items():
        devices: dict[str, Device] = {}
        said: list[Reading] = []
        tests: dict[str, Span] = {}
        for row, place in places:
            device = replace(row.lamps[place], attributes={**row.lamps[place].attributes, "circuit": circuit})
            rng = generator(seed, "test", device.device_id)
            if rng.random() < 0.02:  # noqa: PLR2004 - an operator lights one lamp of fifty by day, for three hours
                tests[device.device_id] = span.draw(rng, timedelta(hours=3))
            if id(row) not in streets:
                streets[id(row)] = Street(row, world, seed, span)
            devices[device.device_id] = device
            said += report(
                device,
                faults.get(device.device_id),
                streets[id(row)].past(place),
                world,
                seed=seed,
                test=tests.get(device.device_id),
            )
        said.sort(key=lambda reading: reading.received_at)
        result.readings += len(said)
        begun_s = time.process_time()
        alerts = judge(devices, said, span, Overrides(tests))
        result.judging_s += time.process_time() - begun_s
        count(result, devices, alerts, faults, span)
    return result


def choose(circuits: Mapping[str, list[tuple[Row, int]]], span: Span, share: float, seed: int) -> dict[str, Injection]:
    """Faults by device: whole circuits first, in both ways a supply can be lost, then single lamps elsewhere."""
    rng = generator(seed, "fault-trial")
    early = Span(span.start + timedelta(days=1), span.start + (span.end - span.start) * 2 / 3)
    ids = {name: [row.lamps[place].device_id for row, place in places] for name, places in circuits.items()}
    large = [name for name, members in ids.items() if len(members) >= 4]  # noqa: PLR2004 - fewer are no circuit
    rng.shuffle(large)
    chosen: dict[str, Injection] = {}
    for number, name in enumerate(large[: round(share * 2 * len(large))]):
        since_s = early.draw(rng, timedelta(0)).start.timestamp()
        for device_id in ids[name]:
            chosen[device_id] = Injection(CIRCUIT_FAULTS[number % 2], 0.0, since_s)
    single = [device_id for members in ids.values() for device_id in members if device_id not in chosen]
    rng.shuffle(single)
    of_each = round(share * sum(map(len, ids.values())))
    for kind in FINDS:
        for device_id in [single.pop() for _ in range(of_each)]:
            chosen[device_id] = Injection(kind, 0.0, early.draw(rng, timedelta(0)).start.timestamp())
    return chosen


def judge(
    devices: Mapping[str, Device], said: list[Reading], span: Span, context: Overrides
) -> list[tuple[datetime, Alert]]:
    """The alerts that fired and when, as ingest would have raised them; it is restarted after one and two thirds."""
    municipality = next(iter(devices.values())).municipality
    known = [Municipality(municipality=municipality, name=municipality)]
    opened: dict[str, Alert] = {}
    fired: dict[str, tuple[datetime, Alert]] = {}
    engine = RuleEngine(load_rules(), context)
    engine.configure(devices, known, {}, span.start)
    restarts = [span.start + (span.end - span.start) / 3 * third for third in (1, 2)]
    waiting = iter(said)
    reading = next(waiting, None)
    now = span.start
    while now < span.end:
        now += STEP
        changes = []
        while reading is not None and reading.received_at < now:
            changes += [(reading.received_at, change) for change in engine.judge(reading, reading.received_at)]
            reading = next(waiting, None)
        changes += [(now, change) for change in engine.judge_silence(now)]
        for at, change in changes:
            alert = change.alert
            if alert.state is AlertState.RESOLVED:
                opened.pop(alert.alert_id, None)
            else:
                opened[alert.alert_id] = alert
            if alert.state is AlertState.FIRING:
                fired.setdefault(alert.alert_id, (at, alert))
        if restarts and now >= restarts[0]:
            restarts.pop(0)
            engine = RuleEngine(load_rules(), context)
            engine.restore(opened.values())
            engine.configure(devices, known, {}, now)
    return list(fired.values())


def count(
    result: Result,
    devices: Mapping[str, Device],
    alerts: list[tuple[datetime, Alert]],
    faults: Mapping[str, Injection],
    span: Span,
) -> None:
    """Hold the alerts of a circuit against what was wrong."""
    whole = {faults[device_id].since_s for device_id in devices if device_id in faults}
    lost = len(whole) == 1 and all(device_id in faults for device_id in devices) and len(devices) > 1
    found: dict[str, float] = {}
    for fired_at, alert in alerts:
        fault = faults.get(alert.device_id)
        if fault is None or fired_at.timestamp() < fault.since_s:
            result.false[alert.rule] += 1
            continue
        hours = (fired_at.timestamp() - fault.since_s) / 3600
        if alert.rule == ("supply_loss" if lost else FINDS.get(fault.kind)):
            found.setdefault("circuit" if lost else alert.device_id, hours)
        elif lost and alert.rule in EXPLAINED:
            result.beside += 1
        elif alert.rule not in ALSO.get(fault.kind, frozenset()):
            result.false[f"{alert.rule} for {fault.kind}"] += 1
    for device_id in devices:
        until_s = faults[device_id].since_s if device_id in faults else span.end.timestamp()
        result.healthy_months += (until_s - span.start.timestamp()) / timedelta(days=30).total_seconds()
        if device_id in faults and not lost:
            result.tallies[FINDS[faults[device_id].kind]].add(found.get(device_id))
    if lost:
        result.tallies["supply_loss"].add(found.get("circuit"))


if __name__ == "__main__":
    main()
