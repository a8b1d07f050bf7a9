"""A night in a short street under the real light control."""

import pytest

from lights.profile import PresenceResponse, standby_profile
from lights.street import street_rows
from simulators.night import NightReport, StreetNight
from simulators.placement import Row, place_lamps
from simulators.region import Region
from simulators.streetlight import STANDBY_LEVEL
from simulators.world import World

DUSK_S = 1_766_336_400.0
"""2025-12-21 17:00 UTC: it is dark in Marburg from about 16:00 until 6:50."""
HOURS_S = 2 * 3600.0


def played(region: Region, lamps_ahead: int = 2, lost_share: float = 0.0, passages: int = 12) -> NightReport:
    row = place_lamps(region, 10)[0]
    night = StreetNight(
        Row(row.municipality, row.street, row.spacing_m, row.passages_per_day, row.lamps),
        street_rows(row.lamps)[0],
        World(region, 0),
        standby_profile(
            PresenceResponse(
                dim_level=1.0, standby_dim_level=STANDBY_LEVEL, hold_s=30, fade_s=1.0, lamps_ahead=lamps_ahead
            )
        ),
        seed=3,
        lost_share=lost_share,
    )
    return night.run(DUSK_S, DUSK_S + HOURS_S, passages)


@pytest.mark.parametrize("lost_share", [0.0, 0.3])
def test_everybody_has_the_light_that_was_promised(region: Region, lost_share: float) -> None:
    report = played(region, lost_share=lost_share)
    assert len(report.passages) == 12
    assert sum(watched.looks for watched in report.passages) > 100
    assert report.lit == 12
    assert (report.lost > 0) == (lost_share > 0)


def test_without_lamps_ahead_nobody_has(region: Region) -> None:
    report = played(region, lamps_ahead=0)
    assert all(watched.dark > 0 for watched in report.passages if watched.looks)
    assert min(watched.least for watched in report.passages) == STANDBY_LEVEL


def test_energy_lies_between_standby_and_full_light(region: Region) -> None:
    """Ten lamps of 26 W: 26.6 W at full light (up to 3 % more when old), 6.84 W at standby; 2 h and 6 min more."""
    report = played(region, passages=3)
    assert report.always_on_kwh == pytest.approx(10 * (26.6 * 2 + 0.6 * 0.1) / 1000, rel=0.03)
    assert 10 * 6.84 * 2.1 / 1000 < report.energy_kwh < 0.5 * report.always_on_kwh


def test_the_levels_are_those_of_the_lamps_over_time(region: Region) -> None:
    report = played(region, passages=3)
    assert report.levels.shape == (10, round((HOURS_S + 360) / report.column_s))
    assert {round(float(level), 1) for level in (report.levels.min(), report.levels.max())} == {STANDBY_LEVEL, 1.0}
    assert report.levels[:, 0] == pytest.approx(STANDBY_LEVEL)
