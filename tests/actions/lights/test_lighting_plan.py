"""The lighting plan as read from the state database."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from actions.lights.lighting_plan import read_lighting_plan
from core.device import Device, Municipality
from core.lighting import EventNights, LightGroup
from core.settings import Settings
from lights.assignment import schedules
from state.devices import DeviceFilter
from state.state import State, open_state

HALF = {"nights": [{"days": ["every_day"], "dim_level": 0.5}]}


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    opened.municipalities.put(Municipality(municipality="marburg", name="Marburg", latitude=50.8, longitude=8.8))
    for device_id, street in (("a", "Gasse"), ("b", None)):
        opened.devices.add(
            Device(device_id=device_id, device_type="streetlight", municipality="marburg", street=street)
        )
    yield opened
    opened.close()


def levels(state: State, hour: int, **settings: object) -> dict[str, float]:
    plan = read_lighting_plan(state, Settings(_env_file=None, **settings))  # type: ignore[arg-type]
    found = schedules(state.devices.all(DeviceFilter(municipality="marburg")), plan)
    return {lamp: found[lamp].at(datetime(2026, 6, 4, hour, tzinfo=UTC)).dim_level for lamp in found}


def test_without_anything_lamps_do_what_the_settings_say_of_presence(state: State) -> None:
    assert levels(state, 23) == {"a": 0.2, "b": 0.2}
    assert levels(state, 23, standby_dim_level=0.3) == {"a": 0.3, "b": 0.3}
    assert levels(state, 12) == {"a": 0.0, "b": 0.0}


def test_groups_profiles_and_events_take_effect(state: State) -> None:
    state.lighting.put_profile("marburg", "half", HALF)
    state.lighting.add_group(
        LightGroup(light_group_id="g", municipality="marburg", name="", lighting_profile="half", street="Gasse")
    )
    assert levels(state, 23) == {"a": 0.5, "b": 0.2}
    night = date(2026, 6, 4)
    state.lighting.put_event(EventNights(municipality="marburg", name="fair", first=night, last=night))
    assert levels(state, 23) == {"a": 1.0, "b": 1.0}


def test_public_holidays_are_those_of_the_state_that_is_set(state: State) -> None:
    """4 June 2026 is Corpus Christi."""
    nights = [{"days": ["every_day"], "dim_level": 0.5}, {"days": ["holiday"], "dim_level": 0.9}]
    state.lighting.put_profile("marburg", "default", {"nights": nights})
    assert levels(state, 23)["a"] == 0.9
    assert levels(state, 23, holidays_state="HH")["a"] == 0.5


def test_a_profile_that_cannot_be_read_is_reported_and_passed_over(
    state: State, caplog: pytest.LogCaptureFixture
) -> None:
    state.lighting.put_profile("marburg", "default", {**HALF, "colour": "warm"})
    assert levels(state, 23) == {"a": 0.2, "b": 0.2}
    assert "municipality marburg: profile default: colour: Extra inputs are not permitted" in caplog.text
