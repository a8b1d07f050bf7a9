"""The lamps of light control are renewed only where something about their light changed."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from core.clock import utc_now
from core.device import Device, DeviceStatus, Municipality
from core.lighting import LightGroup
from core.settings import Settings
from ingest.receiving.lamps import Lamps
from state.state import State, open_state

LAMPS = [Device(device_id=f"l{number}", device_type="streetlight", municipality="marburg") for number in range(3)]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with closing(open_state(f"sqlite:///{tmp_path / 'state.db'}")) as opened:
        opened.municipalities.put(Municipality(municipality="marburg", name="Marburg"))
        opened.devices.put_many(LAMPS)
        yield opened


def test_only_what_changed_is_another_object(state: State, tmp_path: Path) -> None:
    lamps = Lamps(state, Settings(_env_file=None, data_dir=tmp_path))
    lamps.reload()
    first = list(lamps.controlled)
    changed = replace(LAMPS[1], attributes={"minimum_dim_level": 0.4}, last_seen_at=utc_now())
    state.devices.put_many([replace(LAMPS[0], name="Markt 1"), changed])
    lamps.reload()
    assert [now is then for now, then in zip(lamps.controlled, first, strict=True)] == [True, False, True]
    assert lamps.controlled[1].permitted(0.1, dark=True) == 0.4
    state.devices.put_many([replace(LAMPS[2], status=DeviceStatus.RETIRED)])
    lamps.reload()
    assert [lamp.device.device_id for lamp in lamps.controlled] == ["l0", "l1"]
    assert lamps.controlled[0] is first[0]


def test_another_lighting_plan_renews_all(state: State, tmp_path: Path) -> None:
    lamps = Lamps(state, Settings(_env_file=None, data_dir=tmp_path))
    lamps.reload()
    first = list(lamps.controlled)
    group = LightGroup(
        light_group_id="g",
        municipality="marburg",
        name="G",
        device_ids=frozenset({"l0"}),
        lighting_profile="always_full",
    )
    state.lighting.add_group(group)
    lamps.reload()
    assert not any(now is then for now, then in zip(lamps.controlled, first, strict=True))
    assert [lamp.follows_own for lamp in lamps.controlled] == [False, True, True]
