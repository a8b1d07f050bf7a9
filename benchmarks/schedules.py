"""Schedules of many lamps: how long it takes to find them, to ask them all in a new night, and to tick.

Municipalities lie beside each other, 0.1 degrees apart, each with its lamps in 0.1 by 0.1 degrees and an event of its
own; a tenth of the streets is a group with a profile of its own, every twentieth lamp names one. `assign`: profile and
schedule of every lamp, as after a change of the registry. `first_night`: every lamp's level when nothing is known yet,
not even the sun, as after a start. `next_night`: every lamp's level on each of the following days. `ask_all`: every
lamp's level again. `tick`: comparing every lamp's `until` with the instant, as a control does that keeps the levels.
Seconds are the median of `--rounds`; memory is what the schedules take beside the lamps. The last line of output is one
JSON object.
"""

import argparse
import json
import os
import platform
import statistics
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from zoneinfo import ZoneInfo

from core.device import Device
from core.lighting import EventNights, LightGroup
from lights.assignment import LightingPlan, schedules
from lights.catalogue import shipped_profiles
from lights.profile import PresenceResponse, standby_profile
from lights.schedule import Schedule, ScheduledLevel
from lights.sun import _sun_night

NIGHT = datetime(2026, 11, 20, 22, tzinfo=UTC)
PROFILES = sorted(shipped_profiles())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lamps", type=int, default=30_000)
    parser.add_argument("--municipalities", type=int, default=22)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    lamps, plan = made(options.lamps, options.municipalities)
    figures: dict[str, object] = {"benchmark": "schedules", "lamps": options.lamps, "groups": len(plan.groups)}
    figures |= measure(lamps, plan, options.rounds)
    figures |= {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {package: version(package) for package in ("astral", "holidays")},
    }
    for name, value in figures.items():
        print(f"{name:>14}: {value}")
    print(json.dumps(figures))


def made(count: int, municipalities: int) -> tuple[list[Device], LightingPlan]:
    """The lamps and what decides on their light."""
    lamps = [
        Device(
            device_id=f"lamp-{number}",
            device_type="streetlight",
            municipality=f"m{number % municipalities}",
            latitude=50.6 + 0.1 * (number % municipalities // 5) + 0.1 * (number % 173) / 173,
            longitude=8.5 + 0.1 * (number % municipalities % 5) + 0.1 * (number % 179) / 179,
            street=f"street-{number // 30}",
            attributes={"circuit": number // 90} | ({"lighting_profile": PROFILES[0]} if number % 20 == 0 else {}),
        )
        for number in range(count)
    ]
    groups = [
        LightGroup(
            light_group_id=f"{municipality}-{street}",
            municipality=f"m{municipality}",
            name="",
            lighting_profile=PROFILES[street % len(PROFILES)],
            street=f"street-{street}",
        )
        for street in range(0, count // 30, 10)
        for municipality in range(municipalities)
    ]
    events = [
        EventNights(municipality=f"m{number}", name="fair", first=NIGHT.date(), last=NIGHT.date())
        for number in range(municipalities)
    ]
    presence = PresenceResponse(dim_level=1.0, standby_dim_level=0.2, hold_s=60, fade_s=1, lamps_ahead=2)
    zone = ZoneInfo("Europe/Berlin")
    return lamps, LightingPlan(default=standby_profile(presence), zone=zone, groups=groups, events=events)


def measure(lamps: list[Device], plan: LightingPlan, rounds: int) -> dict[str, object]:
    """The figures."""
    assign_s = median_s(lambda: schedules(lamps, plan), rounds)
    tracemalloc.start()
    found = schedules(lamps, plan)
    levels = levels_at(found, NIGHT)
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    first: list[float] = []
    following: list[float] = []
    for number in range(1, rounds + 1):
        _sun_night.cache_clear()
        night = NIGHT + timedelta(days=20 * number)
        first.append(seconds(partial(levels_at, found, night)))
        following.append(seconds(partial(levels_at, found, night + timedelta(days=1))))
    now = NIGHT + timedelta(minutes=1)
    return {
        "schedules": len({id(schedule) for schedule in found.values()}),
        "assign_s": round(assign_s, 4),
        "first_night_s": round(statistics.median(first), 4),
        "next_night_s": round(statistics.median(following), 4),
        "ask_all_s": round(median_s(partial(levels_at, found, night), rounds), 4),
        "tick_s": round(median_s(lambda: [lamp for lamp, level in levels.items() if level.until <= now], rounds), 4),
        "memory_mib": round(memory / 2**20, 1),
    }


def levels_at(found: dict[str, Schedule], now: datetime) -> dict[str, ScheduledLevel]:
    """Every lamp's level."""
    return {lamp: schedule.at(now) for lamp, schedule in found.items()}


def median_s(work: Callable[[], object], rounds: int) -> float:
    """How long it takes."""
    return statistics.median(seconds(work) for _ in range(rounds))


def seconds(work: Callable[[], object]) -> float:
    """How long it takes once."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
