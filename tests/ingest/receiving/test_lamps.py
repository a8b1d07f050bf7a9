"""The lamps of light control are renewed only where something about their light changed."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from core.clock import utc_now
from core.command import Command, Reason
from core.device import Device, DeviceStatus, Municipality
from core.lighting import LightGroup
from core.settings import Settings
from ingest.keeping.lamps_told import LampsTold
from ingest.pipe import LampsChanged, Overrides
from ingest.receiving.lamps import Lamps
from lights.commands import LightCommands
from lights.lamp import Lamp
from lights.wanted import WantedLevel
from state.devices import DeviceFilter
from state.state import State, open_state

LAMPS = [Device(device_id=f"l{number}", device_type="streetlight", municipality="marburg") for number in range(3)]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with closing(open_state(f"sqlite:///{tmp_path / 'state.db'}")) as opened:
        opened.municipalities.put(Municipality(municipality="marburg", name="Marburg"))
        opened.devices.put_many(LAMPS)
        yield opened


class Both:
    """What one process tells and the other takes."""

    def __init__(self, state: State, folder: Path) -> None:
        self._state = state
        self.said: list[LampsChanged | Overrides] = []
        self._told = LampsTold(state, Settings(_env_file=None, data_dir=folder), self.said.append)
        self._lamps = Lamps()

    def reload(self) -> list[Lamp]:
        """The lamps that the receiving process has afterwards."""
        self.said.clear()
        devices = self._state.devices.all(DeviceFilter())
        self._told.tell_lamps(devices, utc_now())
        (news,) = self.said
        assert isinstance(news, LampsChanged)
        return list(self._lamps.take(news))

    def override(self, *commands: Command) -> int:
        self.said.clear()
        self._told.tell_overrides(list(commands))
        return len(self.said)


def test_only_what_changed_is_another_object(state: State, tmp_path: Path) -> None:
    both = Both(state, tmp_path)
    first = both.reload()
    changed = replace(LAMPS[1], attributes={"minimum_dim_level": 0.4}, last_seen_at=utc_now())
    state.devices.put_many([replace(LAMPS[0], name="Markt 1"), changed])
    second = both.reload()
    assert [now is then for now, then in zip(second, first, strict=True)] == [True, False, True]
    assert second[1].permitted(0.1, dark=True) == 0.4
    state.devices.put_many([replace(LAMPS[2], status=DeviceStatus.RETIRED)])
    third = both.reload()
    assert [lamp.device.device_id for lamp in third] == ["l0", "l1"]
    assert third[0] is first[0]


def test_what_changes_nothing_of_light_is_not_told(state: State, tmp_path: Path) -> None:
    both = Both(state, tmp_path)
    both.reload()
    state.devices.put_many([replace(LAMPS[0], name="Markt 1", last_seen_at=utc_now())])
    both._told.tell_lamps(state.devices.all(DeviceFilter()), utc_now())
    assert len(both.said) == 1, "no more than at first"


def test_another_lighting_plan_renews_all(state: State, tmp_path: Path) -> None:
    both = Both(state, tmp_path)
    first = both.reload()
    group = LightGroup(
        light_group_id="g",
        municipality="marburg",
        name="G",
        device_ids=frozenset({"l0"}),
        lighting_profile="always_full",
    )
    state.lighting.add_group(group)
    lamps = both.reload()
    assert not any(now is then for now, then in zip(lamps, first, strict=True))
    assert [lamp.follows_own for lamp in lamps] == [False, True, True]


def test_overrides_are_told_when_they_change_and_to_lamps_that_are_new(state: State, tmp_path: Path) -> None:
    both = Both(state, tmp_path)
    both.reload()
    now = utc_now()
    held = LightCommands(30.0).make(LAMPS[0], WantedLevel(0.5, 1.0, Reason.OVERRIDE, None), now)
    elsewhere = replace(held, device_id="of another ingest")
    assert both.override(held, elsewhere) == 1
    assert both.said == [Overrides([held])]
    assert both.override(held, elsewhere) == 0
    retired = replace(LAMPS[0], status=DeviceStatus.RETIRED)
    state.devices.put_many([retired])
    both.reload()
    assert both.override(held) == 1
    state.devices.put_many([LAMPS[0]])
    both.reload()
    assert both.override(held) == 1, "it has come back"
