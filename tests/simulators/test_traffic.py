from datetime import UTC, datetime

import numpy as np

from simulators.placement import place_lamps
from simulators.region import Region
from simulators.traffic import Passages, Traffic
from simulators.world import World

MONDAY_HOUR = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp()) // 3600


def _pilot(region: Region, seed: int = 0) -> Traffic:
    row = next(row for row in place_lamps(region, 60) if row.street == region.pilot_street.street)
    return Traffic(row, World(region, seed), seed)


def test_passers_by_come_to_lamp_after_lamp() -> None:
    passages = Passages(
        np.array([100.0, 200.0]), np.array([20.0, 3.0]), np.array([2, 3]), np.array([4, 0]), np.array([0, 2])
    )
    assert [passages.at_lamp(lamp).tolist() for lamp in range(5)] == [
        [209.0],
        [206.0],
        [100.0, 203.0],
        [120.0, 200.0],
        [140.0],
    ]


def test_number_of_passages_is_that_of_the_region_file(region: Region) -> None:
    passages = _pilot(region).passages(MONDAY_HOUR, 7 * 24)
    expected = 7 * 300  # Poisson: standard deviation is its root, 46
    assert abs(len(passages.start_s) - expected) < 5 * 46


def test_more_people_at_five_in_the_afternoon_than_at_three_in_the_night(region: Region) -> None:
    traffic = _pilot(region)
    night = sum(len(traffic.passages(MONDAY_HOUR + 24 * day + 2).start_s) for day in range(5))
    evening = sum(len(traffic.passages(MONDAY_HOUR + 24 * day + 16).start_s) for day in range(5))
    assert evening > 10 * max(night, 1)


def test_speeds_are_those_of_walkers_cyclists_and_cars(region: Region) -> None:
    passages = _pilot(region).passages(MONDAY_HOUR, 7 * 24)
    speed = 30.0 / passages.pace_s
    assert speed.min() >= 1.1
    assert speed.max() <= 13.9
    walks = speed < 1.8
    assert 0.2 < walks.mean() < 0.4
    assert (np.abs(passages.last - passages.first)[walks] <= 30).all()
    assert set(np.abs(passages.last - passages.first)[~walks].tolist()) == {59}


def test_an_hour_is_the_same_however_it_is_asked_for(region: Region) -> None:
    alone = _pilot(region).passages(MONDAY_HOUR + 5)
    together = _pilot(region).passages(MONDAY_HOUR, 12)
    hour_s = (MONDAY_HOUR + 5) * 3600.0
    within = (together.start_s >= hour_s) & (together.start_s < hour_s + 3600)
    assert together.start_s[within].tolist() == alone.start_s.tolist()


def test_another_seed_is_another_traffic(region: Region) -> None:
    assert (
        _pilot(region, 1).passages(MONDAY_HOUR, 24).start_s.tolist()
        != _pilot(region, 2).passages(MONDAY_HOUR, 24).start_s.tolist()
    )


def test_so_many_passages_within_a_span_mostly_in_its_busy_hours(region: Region) -> None:
    """From 16:00 to 4:00 UTC on a winter's workday: 17:00 to 5:00 in Marburg."""
    start_s = datetime(2026, 12, 15, 16, tzinfo=UTC).timestamp()
    passages = _pilot(region).between(start_s, start_s + 12 * 3600, 400)
    assert len(passages.start_s) == 400
    assert passages.start_s.min() >= start_s
    assert passages.start_s.max() < start_s + 12 * 3600
    assert np.sum(passages.start_s < start_s + 3 * 3600) > 10 * np.sum(passages.start_s > start_s + 9 * 3600)
