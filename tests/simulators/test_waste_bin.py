import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from devices.waste_bin.codec import filling_level
from simulators.faults import FaultKind
from simulators.waste_bin import FILLINGS, Bin
from simulators.world import LocalHour, SimulatedClock

START = datetime(2026, 6, 1, 6, tzinfo=UTC)
MakeBin = Callable[..., Bin]


def _started(bin_: Bin, speed: float = 1.0) -> Bin:
    bin_.start(SimulatedClock(START.timestamp(), speed))
    return bin_


def test_it_fills_and_never_empties_itself(make_bin: MakeBin) -> None:
    bin_ = make_bin()
    bin_.level = 0.1
    _started(bin_)
    levels = []
    for hour in range(24 * 20):
        bin_.values(START.timestamp() + 3600 * hour)
        levels.append(bin_.level)
    assert levels == sorted(levels)
    assert levels[-1] == 1.0  # full: the rest lies beside it


def test_litres_of_a_day_by_hand() -> None:
    """A bus stop's 6 l a mean day: on Friday 30 % more, of it 90 % between 6 and 20 o'clock."""
    filling = FILLINGS["bus_stop"]
    hours = [LocalHour(date(2026, 4, 17), hour, 4, day_off=False) for hour in range(24)]
    rates = [filling.rate(at) for at in hours]
    assert sum(rates) == pytest.approx(7.8, rel=0.06)  # the season's part is 5 %
    assert sum(rates[6:20]) == pytest.approx(0.9 * sum(rates))


def test_weekdays_mean_a_mean_day() -> None:
    assert all(sum(filling.weekdays) == pytest.approx(7.0, abs=0.5) for filling in FILLINGS.values())


def test_a_school_is_quiet_on_sunday_and_a_park_busy_in_july() -> None:
    def daily(place_type: str, day: date, *, day_off: bool) -> float:
        hours = (LocalHour(day, hour, day.weekday(), day_off=day_off) for hour in range(24))
        return sum(FILLINGS[place_type].rate(at) for at in hours)

    assert daily("school", date(2026, 6, 7), day_off=True) < 0.1 * daily("school", date(2026, 6, 8), day_off=False)
    assert daily("park", date(2026, 7, 15), day_off=False) > 2.5 * daily("park", date(2026, 1, 14), day_off=False)


def test_mean_filling_is_about_what_its_place_type_brings(make_bin: MakeBin) -> None:
    """A year of a park's 9 l a day, times this bin's busyness, parties and feasts, in a bin that never gets full."""
    bin_ = make_bin(volume_l=100_000.0)
    bin_.level = 0.0
    _started(bin_)
    bin_.values((START + timedelta(days=365)).timestamp())
    litres_a_day = bin_.level * 100_000 / 365
    assert 9.0 * bin_._busyness * 0.97 < litres_a_day < 9.0 * bin_._busyness * 1.35


def test_emptying_is_told_soon_and_seen_in_the_level(make_bin: MakeBin) -> None:
    bin_ = make_bin(sensor="filling_level")
    bin_.level = 0.9
    _started(bin_)
    bin_.due_messages(START.timestamp() + 60)
    before, after = bin_.empty(START.timestamp() + 100)
    assert before >= 0.9
    assert after <= 0.02
    assert bin_.due_messages(START.timestamp() + 104) == []
    [message] = bin_.due_messages(START.timestamp() + 106)
    assert json.loads(message.payload)["filling_level"] <= 0.06


def test_distance_means_the_level(make_bin: MakeBin) -> None:
    bin_ = make_bin()
    bin_.level = 0.4
    values = _started(bin_).values(START.timestamp() + 1)
    assert "filling_level" not in values
    assert float(values["distance_m"]) == pytest.approx(0.1 + 0.75 * 0.6, abs=0.05)
    assert filling_level(float(values["distance_m"]), 0.75, 0.1) == pytest.approx(0.4, abs=0.06)


def test_hourly_reports_with_jitter(make_bin: MakeBin) -> None:
    messages = _started(make_bin()).due_messages((START + timedelta(days=2)).timestamp())
    at = [datetime.fromisoformat(json.loads(message.payload)["observed_at"]) for message in messages]
    gaps = {round((there - here).total_seconds()) for here, there in pairwise(at[1:])}
    assert 48 <= len(at) <= 50
    assert min(gaps) >= 3300
    assert max(gaps) <= 3900
    assert len(gaps) > 10


def test_the_battery_falls_by_a_sixth_a_year(make_bin: MakeBin) -> None:
    bin_ = make_bin()
    bin_.battery_level = 0.5
    _started(bin_)
    bin_.values((START + timedelta(days=365)).timestamp())
    assert bin_.battery_level == pytest.approx(0.5 - 1 / 6, abs=0.001)


def test_speed_makes_it_fill_faster(make_bin: MakeBin) -> None:
    slow, fast = make_bin(volume_l=10_000.0), make_bin(volume_l=10_000.0)
    slow.level = fast.level = 0.0
    _started(slow)
    _started(fast, speed=100.0)
    slow.values((START + timedelta(hours=100)).timestamp())
    fast.values((START + timedelta(hours=1)).timestamp())
    assert fast.level == pytest.approx(slow.level)
    assert slow.level > 0


def test_drift_raises_the_level_told_not_the_level(make_bin: MakeBin) -> None:
    """0.4 % of the height an hour: after 50 hours a fifth."""
    bin_ = make_bin(FaultKind.DRIFT, START.timestamp(), sensor="filling_level", volume_l=1e9)
    bin_.level = 0.3
    values = _started(bin_).values((START + timedelta(hours=50)).timestamp())
    assert float(values["filling_level"]) == pytest.approx(0.5, abs=0.05)
    assert bin_.level == pytest.approx(0.3, abs=0.001)
