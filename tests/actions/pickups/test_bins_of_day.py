"""Bins chosen from the stores: by what was learned of their places."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from actions.pickups.bins_of_day import bins_of_day, chosen_bins, zero_of_day
from actions.pickups.learn_places import learn_municipality
from core.device import Device, Municipality, Place
from core.reading import Reading
from core.settings import Settings
from readings.sqlite.store import SqliteReadings
from state.state import State, open_state

BERLIN = ZoneInfo("Europe/Berlin")
FRIDAY = date(2026, 5, 8)
NOW = datetime(2026, 5, 8, 4, tzinfo=UTC)


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[State, SqliteReadings]]:
    state = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    readings = SqliteReadings(str(tmp_path / "readings.db"))
    state.municipalities.put(
        Municipality(municipality="marburg", name="Marburg", depot=Place("Bauhof", 50.80, 8.76), filling_threshold=1.0)
    )
    yield state, readings
    readings.close()
    state.close()


def fill(state: State, readings: SqliteReadings, device_id: str, level: float) -> None:
    """Ninety days of about 0.15 a day, emptied when over 0.9, that end on Friday morning at a level."""
    state.devices.add(
        Device(device_id=device_id, device_type="waste_bin", municipality="marburg", latitude=50.81, longitude=8.77)
    )
    rng = random.Random(device_id)
    at, now_at, history = NOW - timedelta(minutes=10), level, []
    for _ in range(90 * 4):
        history.append(
            Reading(device_id, "waste_bin", "marburg", at, at, {"filling_level": round(max(0.0, now_at), 3)})
        )
        at -= timedelta(hours=6)
        now_at -= rng.uniform(0.0, 0.075)
        if now_at < 0:
            now_at = 0.92
    readings.write(history[::-1])


def test_the_probability_is_that_of_being_full_when_bins_are_emptied_next(
    stores: tuple[State, SqliteReadings],
) -> None:
    """From Friday morning to Monday noon some 0.49 come in: 0.2 stays far from full, 0.5 may be, 0.85 will be."""
    state, readings = stores
    levels = {"low": 0.2, "middle": 0.5, "high": 0.85}
    for device_id, level in levels.items():
        fill(state, readings, device_id, level)
    learn_municipality(state, readings, "marburg", NOW, zone=BERLIN, federal_state="HE")
    settings = Settings(timezone="Europe/Berlin")
    known = bins_of_day(state, readings, ["marburg"], FRIDAY, zone=BERLIN, now=NOW)
    chosen = {choice.device.device_id: choice for choice in chosen_bins(state, readings, known, settings).choices}
    assert set(chosen) == {"middle", "high"}
    middle = chosen["middle"]
    assert not middle.required
    assert middle.overflow_probability is not None
    assert 0.1 < middle.overflow_probability < 0.9
    assert middle.prize_eur == 50 * middle.overflow_probability
    assert chosen["high"].required
    thursday = bins_of_day(state, readings, ["marburg"], FRIDAY - timedelta(days=1), zone=BERLIN, now=NOW)
    earlier = {each.device.device_id: each for each in chosen_bins(state, readings, thursday, settings).choices}
    assert "middle" not in earlier, "until Friday noon it does not overflow"


@pytest.mark.parametrize(
    ("day", "zero"),
    [
        (date(2026, 1, 15), datetime(2026, 1, 14, 23, tzinfo=UTC)),
        (date(2026, 3, 28), datetime(2026, 3, 27, 23, tzinfo=UTC)),
        (date(2026, 3, 29), datetime(2026, 3, 28, 22, tzinfo=UTC)),
        (date(2026, 3, 30), datetime(2026, 3, 29, 22, tzinfo=UTC)),
        (date(2026, 10, 24), datetime(2026, 10, 23, 22, tzinfo=UTC)),
        (date(2026, 10, 25), datetime(2026, 10, 24, 23, tzinfo=UTC)),
        (date(2026, 10, 26), datetime(2026, 10, 25, 23, tzinfo=UTC)),
    ],
)
def test_six_o_clock_is_six_hours_after_the_zero_of_every_day(day: date, zero: datetime) -> None:
    assert zero_of_day(day, BERLIN) == zero
    assert f"{(zero + timedelta(hours=6)).astimezone(BERLIN):%Y-%m-%d %H:%M}" == f"{day} 06:00"
