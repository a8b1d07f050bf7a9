"""Odd positions are named and never averaged: failed geocoding, swapped degrees, a typing error."""

import csv
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from actions.lights.lighting_plan import read_lighting_plan
from actions.pickups.plan import plan_day
from core.device import Device
from core.reading import Reading
from core.settings import Settings
from devices.positions import middle_of, odd_positions
from lights.assignment import schedules
from readings.open import open_readings
from state.state import open_state

FOUND = Path(__file__).resolve().parents[3] / "shared" / "data" / "found" / "03-null-island"
HERE = (50.81, 8.77)


def at(device_id: str, latitude: float | None, longitude: float | None, kind: str = "streetlight") -> Device:
    return Device(device_id=device_id, device_type=kind, municipality="marburg", latitude=latitude, longitude=longitude)


def street(count: int = 10, kind: str = "streetlight") -> list[Device]:
    return [at(f"l{number}", HERE[0] + number / 1000, HERE[1], kind) for number in range(count)]


def test_null_island_is_no_position() -> None:
    assert (at("n", 0.0, 0.0).latitude, at("n", 0.0, 0.0).longitude) == (None, None)
    assert at("n", 1e-10, -1e-10).latitude is None
    assert at("equator", 0.0, 8.77).longitude == 8.77


def test_a_device_far_from_the_others_is_named_with_what_is_wrong() -> None:
    devices = [*street(), at("swapped", 8.77, 50.81), at("typo", 5.081, 8.77), at("farm", 50.95, 8.77)]
    odd = odd_positions(devices)
    assert odd.keys() == {"swapped", "typo"}
    assert odd["swapped"].endswith("latitude and longitude are swapped")
    assert odd["typo"].startswith("its position 5.081, 8.77 is 5,0")


def test_of_two_devices_nobody_can_say_which_is_odd() -> None:
    assert odd_positions([at("a", 50.81, 8.77), at("b", 8.77, 50.81)]) == {}


def test_the_middle_is_not_moved_by_a_few_that_are_far_off() -> None:
    middle = middle_of([HERE] * 11 + [(0.1, 0.1)] * 5)
    assert middle is not None
    assert (middle.latitude, middle.longitude) == HERE
    assert middle_of([]) is None


def test_the_sun_of_a_lamp_at_an_odd_place_is_the_municipality_s(tmp_path: Path) -> None:
    """At 07:15 on 21 December it is dark in Marburg, and day in the gulfs of Guinea and Aden."""
    settings = Settings(_env_file=None, data_dir=tmp_path)
    state = open_state(settings.state_url)
    state.municipalities.ensure("marburg")
    state.devices.put_many([*street(), at("null", 0, 0), at("swapped", 8.77, 50.81)])
    found = schedules(state.devices.all(), read_lighting_plan(state, settings))
    state.close()
    morning = datetime(2026, 12, 21, 6, 15, tzinfo=UTC)
    assert {name: schedule.at(morning).lit for name, schedule in found.items()} == dict.fromkeys(found, True)
    noon = datetime(2026, 12, 21, 11, 0, tzinfo=UTC)
    assert not any(schedule.at(noon).lit for schedule in found.values())


@pytest.mark.skipif(not FOUND.is_dir(), reason=f"{FOUND} is not there")
def test_one_bin_at_null_island_leaves_the_others_planned(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path)
    state, readings = open_state(settings.state_url), open_readings(settings)
    rows = list(csv.DictReader((FOUND / "bins.csv").open(encoding="utf-8")))
    state.municipalities.ensure("nullstadt")
    state.devices.put_many(
        [
            Device(
                device_id=row["id"],
                device_type="waste_bin",
                municipality="nullstadt",
                latitude=float(row["latitude"]),
                longitude=float(row["longitude"]),
            )
            for row in rows
        ]
    )
    levels = csv.DictReader((FOUND / "levels.csv").open(encoding="utf-8"))
    for row in levels:
        then = datetime.fromisoformat(row["t"])
        readings.write([Reading(row["id"], "waste_bin", "nullstadt", then, then, {"filling_level": float(row["v"])})])
    plan = plan_day(
        state,
        readings,
        "nullstadt",
        date(2026, 11, 30),
        settings=settings,
        clock=lambda: datetime(2026, 11, 30, 4, tzinfo=UTC),
        time_limit_s=1.0,
    )
    assert sum(len(route.stops) for route in plan.routes) == len(rows) - 1
    assert list(plan.unplanned_reasons.values()) == ["no position"]
    readings.close()
    state.close()
