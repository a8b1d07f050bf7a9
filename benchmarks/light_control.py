"""Light control with a county's lamps in one process: time of a presence, of a tick, and memory.

Lamps stand in streets of 40 and follow a schedule. Measured are: `detected` of travellers all over the county (with
everything they lead to: corridor, wanted levels, commands), a tick in which nothing is due, ticks while the travellers'
lamps are lowered, and the ticks in which all lamps take a step of their schedule (spread over some seconds). Commands
are answered at once. The last line of output is one JSON object.
"""

import argparse
import gc
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import psutil

from core.command import Command, CommandState
from core.device import Device
from lights.control import LightControl
from lights.corridor import Corridor
from lights.lamp import Lamp
from lights.profile import PresenceResponse
from lights.schedule import ScheduledLevel
from lights.street import street_rows

NOW = datetime(2026, 11, 20, 21, tzinfo=UTC)
STREET_LAMPS = 40
STEP_S = 3600.0
TICK_S = 0.25


class Hourly:
    """A schedule that changes its level every hour."""

    def at(self, now: datetime) -> ScheduledLevel:
        """The level of the hour."""
        hour = (now - NOW) // timedelta(hours=1)
        since = NOW + hour * timedelta(hours=1)
        return ScheduledLevel(0.3 if hour % 2 else 0.5, 1.0, since, since + timedelta(hours=1))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lamps", type=int, default=30_000)
    parser.add_argument("--travellers", type=int, default=1_000, help="under way at the same time, 8 lamps each")
    options = parser.parse_args()
    before = resident_mb()
    devices = county(options.lamps)
    registry_mb = resident_mb() - before
    began = time.perf_counter()
    lights = LightControl()
    schedule, presence = (
        Hourly(),
        PresenceResponse(dim_level=1.0, standby_dim_level=0.2, hold_s=60, fade_s=1, lamps_ahead=2),
    )
    lamps = [Lamp(device=device, schedule=schedule, presence=presence) for device in devices]
    lights.configure(lamps, Corridor(street_rows(devices)), NOW)
    configured_s = time.perf_counter() - began
    gc.collect()
    gc.freeze()  # as ingest does
    first = ticks(lights, 0.0, 15.0)
    memory_mb = resident_mb() - before - registry_mb
    began_cpu = time.process_time()
    detections, raised = travel(lights, options, from_s=20.0)
    travel_cpu_s = time.process_time() - began_cpu
    lowered = ticks(lights, 60.0, 300.0)
    quiet = [tick[0] for tick in ticks(lights, 400.0, 500.0)]
    step = ticks(lights, STEP_S - 1, STEP_S + 15)
    changed = [*lamps[:-1], Lamp(device=devices[-1], schedule=schedule, presence=presence)]
    corridor = Corridor(street_rows(devices))
    began = time.perf_counter()
    lights.configure(changed, corridor, NOW + timedelta(seconds=STEP_S + 16))
    one_changed_s = time.perf_counter() - began
    figures: dict[str, object] = {
        "benchmark": "lights",
        "lamps": options.lamps,
        "configure_s": round(configured_s, 2),
        "one_lamp_changed_ms": round(one_changed_s * 1e3, 1),
        "first_levels_tick_max_ms": round(max(tick[0] for tick in first) * 1e3, 1),
        "detections": len(detections),
        "commands_of_presence": raised,
        "detected_cpu_us": round(travel_cpu_s / len(detections) * 1e6, 1),
        "detected_p50_us": round(statistics.median(detections) * 1e6, 1),
        "detected_p99_us": round(statistics.quantiles(detections, n=100)[98] * 1e6, 1),
        "quiet_tick_p50_us": round(statistics.median(quiet) * 1e6, 1),
        "lowering_tick_max_ms": round(max(tick[0] for tick in lowered) * 1e3, 1),
        "step_commands": sum(tick[1] for tick in step),
        "step_ticks": sum(tick[1] > 0 for tick in step),
        "step_tick_p50_ms": round(statistics.median(tick[0] for tick in step if tick[1]) * 1e3, 1),
        "step_tick_max_ms": round(max(tick[0] for tick in step) * 1e3, 1),
        "step_tick_max_cpu_ms": round(max(tick[2] for tick in step) * 1e3, 1),
        "control_mb": round(memory_mb, 1),
        "registry_mb": round(registry_mb, 1),
        "resident_mb": round(resident_mb(), 1),
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    for name, value in figures.items():
        print(f"{name:28} {value}")
    print(json.dumps(figures))


def county(lamps: int) -> list[Device]:
    """Lamps 30 m apart in streets of 40."""
    return [
        Device(
            device_id=f"lamp-{number:05d}",
            device_type="streetlight",
            municipality=f"town-{number // 1500}",
            street=f"street-{number // STREET_LAMPS}",
            latitude=50.8 + number // STREET_LAMPS * 0.001,
            longitude=8.78 + number % STREET_LAMPS * 0.00042,
            attributes={"street_order": number % STREET_LAMPS, "rated_power_w": 26, "lighting_class": "P4"},
        )
        for number in range(lamps)
    ]


def travel(lights: LightControl, options: argparse.Namespace, from_s: float) -> tuple[list[float], int]:
    """Everybody passes 8 lamps at 25 km/h; seconds that each `detected` took, and how many commands came."""
    taken: list[float] = []
    commands = 0
    streets = options.lamps // STREET_LAMPS
    for place in range(8):
        for traveller in range(options.travellers):
            now = at(from_s + place * 4.32 + traveller / options.travellers)
            lamp = f"lamp-{traveller % streets * STREET_LAMPS + traveller // streets * 12 + place:05d}"
            seconds, said = timed(partial(lights.detected, lamp, now))
            taken.append(seconds)
            commands += len(said)
            answer(lights, said, now)
        now = at(from_s + place * 4.32 + 2)
        said = lights.due(now)
        commands += len(said)
        answer(lights, said, now)
    return taken, commands


def ticks(lights: LightControl, from_s: float, until_s: float) -> list[tuple[float, int, float]]:
    """Ticks of the control: seconds each took, its commands, and seconds of processor time."""
    found = []
    for tick in range(round((until_s - from_s) / TICK_S)):
        now = at(from_s + tick * TICK_S)
        began_cpu = time.process_time()
        seconds, said = timed(partial(lights.due, now))
        found.append((seconds, len(said), time.process_time() - began_cpu))
        answer(lights, said, now)
    return found


def answer(lights: LightControl, commands: list[Command], now: datetime) -> None:
    """Every lamp does what it is told."""
    for command in commands:
        lights.answered(command.device_id, command.command_id, CommandState.DONE, now)


def timed(run: Callable[[], list[Command]]) -> tuple[float, list[Command]]:
    """Seconds it took, and what it gave."""
    began = time.perf_counter()
    said = run()
    return time.perf_counter() - began, said


def at(seconds: float) -> datetime:
    """So many seconds after the beginning."""
    return NOW + timedelta(seconds=seconds)


def resident_mb() -> float:
    """Memory of this process."""
    gc.collect()
    return psutil.Process().memory_info().rss / 1e6


if __name__ == "__main__":
    main()
