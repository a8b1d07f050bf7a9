from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from simulators.faults import FaultKind
from simulators.lamp_history import LampPast, write_past, write_presence
from simulators.streetlight import Lamp
from simulators.world import SimulatedClock, World

START = datetime(2026, 3, 2, 11, tzinfo=UTC)
END = START + timedelta(days=1)
NIGHT_S = datetime(2026, 3, 2, 22, tzinfo=UTC).timestamp()
MakeLamp = Callable[..., Lamp]


def _past(*near_s: float) -> LampPast:
    return LampPast(START.timestamp(), END.timestamp(), np.array(near_s), np.array(near_s))


def test_a_day_alone_by_hand(make_lamp: MakeLamp, world: World) -> None:
    """6.84 W (26 W at 20 %) in the dark, 0.6 W by day; the lamp is new."""
    lamp = make_lamp()
    night = world.nights("marburg", START.timestamp(), END.timestamp())[0]
    dark_h = (night[1] - night[0]) / 3600
    switches = lamp.switch_on_count
    readings = write_past(lamp, world, _past(), 0)
    assert lamp.hours_h == pytest.approx(dark_h)
    assert lamp.energy_kwh * 1000 == pytest.approx(6.84 * dark_h + 0.6 * (24 - dark_h), rel=1e-3)
    assert lamp.switch_on_count == switches + 1
    assert [reading.observed_at for reading in readings] == sorted(reading.observed_at for reading in readings)
    assert {reading.values["dim_level"] for reading in readings} == {0.0, 0.2}


def test_presence_raises_for_a_minute_after_the_last_by_hand(make_lamp: MakeLamp, world: World) -> None:
    """Two presences 30 s apart: 90 s at 0.8 more, 26 W * 0.95 * 0.8 = 19.76 W, 0.494 Wh. By day they do nothing."""
    alone, visited = make_lamp(), make_lamp()
    write_past(alone, world, _past(), 0)
    write_past(visited, world, _past(START.timestamp() + 600, NIGHT_S, NIGHT_S + 30), 0)
    assert (visited.energy_kwh - alone.energy_kwh) * 1000 == pytest.approx(0.494, rel=1e-3)
    assert visited.hours_h == pytest.approx(alone.hours_h)
    assert visited.presence_count == alone.presence_count + 3


@pytest.mark.parametrize("fault", [None, FaultKind.BURNT_OUT, FaultKind.DAY_BURNER])
def test_history_and_live_agree(make_lamp: MakeLamp, world: World, fault: FaultKind | None) -> None:
    """Up to the 2 s in which the live lamp fades: 26 W for 4 s are 0.03 Wh."""
    written, lived = make_lamp(fault, START.timestamp()), make_lamp(fault, START.timestamp())
    readings = write_past(written, world, _past(), 0)
    lived.start(SimulatedClock(START.timestamp(), 1.0))
    said = lived.due_messages(END.timestamp())
    lived.values(END.timestamp())
    assert written.energy_kwh * 1000 == pytest.approx(lived.energy_kwh * 1000, abs=0.05)
    assert written.hours_h == pytest.approx(lived.hours_h, abs=0.01)
    assert written.switch_on_count == lived.switch_on_count
    assert abs(len(readings) - len(said)) <= 4  # the first report, and one at each switching


def test_words_of_the_presence_sensor(make_lamp: MakeLamp, world: World) -> None:
    lamp = make_lamp()
    before = lamp.presence_count
    past = _past(NIGHT_S - 7200, NIGHT_S, NIGHT_S + 1, NIGHT_S + 5, NIGHT_S + 60)
    write_past(lamp, world, past, 0)
    words = [
        (round(reading.observed_at.timestamp() - NIGHT_S), reading.values["presence"], reading.values["presence_count"])
        for reading in write_presence(lamp, past, NIGHT_S - 3600)
    ]
    assert words == [
        (0, True, before + 2),
        (5, True, before + 4),
        (15, False, before + 4),
        (60, True, before + 5),
        (70, False, before + 5),
    ]
