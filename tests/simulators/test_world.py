from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from simulators.region import Region
from simulators.world import DAY_S, SimulatedClock, World


def _seconds(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> float:
    return datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("day", "dusk", "dawn"),
    [
        # Almanac for Frankfurt (50.1 N): civil twilight 22:22 to 4:31 CEST in June, 17:01 to 7:44 CET in December.
        # Marburg is 0.7 degrees further north: a few minutes later in June, earlier in December.
        (date(2026, 6, 21), (20, 24), (2, 27)),
        (date(2026, 12, 21), (15, 58), (6, 47)),
    ],
)
def test_it_gets_dark_when_civil_twilight_ends(
    world: World, day: date, dusk: tuple[int, int], dawn: tuple[int, int]
) -> None:
    noon_s = _seconds(day.year, day.month, day.day, 12)
    night = world.nights("marburg", noon_s, noon_s + DAY_S)[0]
    tomorrow = day + timedelta(days=1)
    assert abs(night[0] - _seconds(day.year, day.month, day.day, *dusk)) < 6 * 60
    assert abs(night[1] - _seconds(tomorrow.year, tomorrow.month, tomorrow.day, *dawn)) < 6 * 60


def test_dark_and_next_switch_agree_with_the_nights(world: World) -> None:
    start_s = _seconds(2026, 3, 1)
    nights = world.nights("lohra", start_s, start_s + 7 * DAY_S)
    assert len(nights) == 8  # the first began on the evening before
    for dusk_s, dawn_s in nights[1:]:
        assert not world.is_dark("lohra", dusk_s - 1)
        assert world.is_dark("lohra", dusk_s)
        assert world.is_dark("lohra", dawn_s - 1)
        assert not world.is_dark("lohra", dawn_s)
        assert world.next_switch_s("lohra", dusk_s - 1) == dusk_s
        assert world.next_switch_s("lohra", dusk_s) == dawn_s


def test_every_instant_has_a_next_switch(world: World) -> None:
    at_s = end_s = _seconds(2026, 1, 1)
    end_s += 366 * DAY_S
    switches = 0
    while at_s < end_s:
        later_s = world.next_switch_s("marburg", at_s)
        assert at_s < later_s < at_s + DAY_S
        at_s = later_s
        switches += 1
    assert switches == 2 * 366 + 1  # the year begins at night


@pytest.mark.parametrize(
    ("at", "hour", "day_off"),
    [
        (datetime(2026, 6, 4, 5, tzinfo=UTC), 7, True),  # Corpus Christi, a holiday in Hesse
        (datetime(2026, 6, 5, 5, tzinfo=UTC), 7, False),
        (datetime(2026, 1, 10, 23, tzinfo=UTC), 0, True),  # Sunday begins in Marburg while it is Saturday in UTC
        (datetime(2026, 10, 25, 1, tzinfo=UTC), 2, True),  # the hour after summer time ended
    ],
)
def test_hours_as_people_live_them(world: World, at: datetime, hour: int, day_off: bool) -> None:  # noqa: FBT001
    local = world.local_hour(int(at.timestamp()) // 3600)
    assert (local.hour, local.day_off) == (hour, day_off)


def test_a_feast_lasts_its_days_only_in_its_place(world: World) -> None:
    advent = [world.feast_factor("marburg", date(2026, 11, 25) + timedelta(days=day)) for day in (0, 1, 27, 28)]
    assert advent == [1.0, 1.6, 1.6, 1.0]
    assert world.feast_factor("lohra", date(2026, 12, 1)) == 1.0


def test_july_is_warmer_than_january_and_afternoon_than_night(world: World) -> None:
    january = world.outdoor_c(_seconds(2026, 1, 5) + np.arange(14 * 24, dtype=np.float64) * 3600)
    july = world.outdoor_c(_seconds(2026, 7, 5) + np.arange(14 * 24, dtype=np.float64) * 3600)
    assert july.mean() - january.mean() > 12
    assert july.reshape(14, 24)[:, 14].mean() > july.reshape(14, 24)[:, 3].mean() + 4


def test_weather_comes_from_the_seed(region: Region) -> None:
    at_s = _seconds(2026, 4, 1) + np.arange(100, dtype=np.float64) * 3600
    assert World(region, 1).outdoor_c(at_s).tolist() == World(region, 1).outdoor_c(at_s).tolist()
    assert World(region, 1).outdoor_c(at_s).tolist() != World(region, 2).outdoor_c(at_s).tolist()


def test_simulated_clock_runs_as_many_times_as_fast() -> None:
    clock = SimulatedClock(1000.0, 60.0)
    assert clock.simulated(1000.0) == 1000.0
    assert clock.simulated(1002.0) == 1120.0
    assert clock.real(1120.0) == 1002.0
