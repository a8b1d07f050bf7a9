"""What judging one reading costs: full lamp reports, presence words and bin reports through the shipped rules.

    .venv/bin/python benchmarks/judging.py [--devices 10000] [--readings 200000]

No fault shows in these readings: the usual case, which runs for every message.
"""

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from core.device import Device, Municipality
from core.quantity import Value
from core.reading import Reading
from rules.catalogue import load_rules
from rules.engine import RuleEngine

START = datetime(2026, 11, 20, 20, tzinfo=UTC)
LAMP: dict[str, Value] = {
    "presence_count": 5,
    "dim_level": 0.2,
    "power_state": "low",
    "active_power_w": 7.9,
    "voltage_v": 230.4,
    "power_factor": 0.68,
    "active_energy_kwh": 100.0,
    "temperature_c": 12.0,
    "faults": "",
    "current_a": 0.05,
    "operating_hours_h": 4000.0,
    "switch_on_count": 900,
    "rssi_dbm": -87,
}
WORD: dict[str, Value] = {"presence": True, "presence_count": 6}
BIN: dict[str, Value] = {"filling_level": 0.4, "temperature_c": 9.0, "battery_level": 0.9, "rssi_dbm": -100}


def main() -> None:
    """Print the cost per reading of each kind, then one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--readings", type=int, default=200_000)
    arguments = parser.parse_args()
    figures: dict[str, object] = {}
    for name, device_type, values in (
        ("lamp_report", "streetlight", LAMP),
        ("presence", "streetlight", WORD),
        ("bin_report", "waste_bin", BIN),
    ):
        figures[f"{name}_us"] = measure(arguments.devices, arguments.readings, device_type, values)
        print(f"{name:12} {figures[f'{name}_us']} us a reading")
    figures |= {
        "devices": arguments.devices,
        "max_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }
    print(json.dumps(figures))


def measure(devices: int, readings: int, device_type: str, values: dict[str, Value]) -> float:
    """Mean microseconds of processor time per reading, engine warm."""
    fleet = {
        f"d{number}": Device(
            device_id=f"d{number}",
            device_type=device_type,
            municipality="marburg",
            latitude=50.8,
            longitude=8.77,
            attributes={"rated_power_w": 30, "circuit": f"c{number // 30}"},
        )
        for number in range(devices)
    }
    engine = RuleEngine(load_rules())
    engine.configure(fleet, [Municipality(municipality="marburg", name="Marburg")], {}, START)
    ids = list(fleet)
    rounds = max(1, readings // devices)
    judge(engine, ids, device_type, START, values)
    spent_s = 0.0
    for number in range(1, rounds + 1):
        spent_s += judge(engine, ids, device_type, START + timedelta(minutes=15) * number, values)
    return round(spent_s / (rounds * devices) * 1e6, 2)


def judge(engine: RuleEngine, ids: Sequence[str], device_type: str, at: datetime, values: dict[str, Value]) -> float:
    """Judge one reading of each device; seconds of processor time."""
    many = [Reading(device_id, device_type, "marburg", at, at, dict(values)) for device_id in ids]
    begun_s = time.process_time()
    for reading in many:
        changes = engine.judge(reading, at)
        assert not changes, changes
    return time.process_time() - begun_s


if __name__ == "__main__":
    main()
