import re
from itertools import pairwise

import pytest

from core.device import DEVICE_ID_PATTERN, Device
from core.geo import great_circle_m
from simulators.placement import PLACE_TYPES, place_bins, place_lamps, shares
from simulators.region import Region


@pytest.mark.parametrize(
    ("total", "weights", "fewest", "expected"),
    [
        (10, [1, 1], 0, [5, 5]),
        (10, [6, 3, 1], 0, [6, 3, 1]),
        (10, [5, 3, 2], 1, [5, 3, 2]),  # one each, the seven others 3.5, 2.1, 1.4: the largest remainder gets the last
        (2, [1, 5, 3], 1, [0, 1, 1]),
        (0, [1, 2], 4, [0, 0]),
        (7, [1, 1, 1], 0, [3, 2, 2]),
    ],
)
def test_shares(total: int, weights: list[int], fewest: int, expected: list[int]) -> None:
    assert shares(total, weights, fewest) == expected


def _position(device: Device) -> tuple[float, float]:
    assert device.latitude is not None
    assert device.longitude is not None
    return device.latitude, device.longitude


def test_the_pilot_street_is_a_continuous_row_of_sixty(region: Region) -> None:
    pilot = next(row for row in place_lamps(region, 300) if row.street == "Beltershäuser Straße")
    assert len(pilot.lamps) == 60
    assert [lamp.attributes["street_order"] for lamp in pilot.lamps] == list(range(1, 61))
    gaps = [great_circle_m(*_position(here), *_position(there)) for here, there in pairwise(pilot.lamps)]
    assert all(28.0 <= gap <= 30.2 for gap in gaps)  # 30 m along the street, less across its bends


@pytest.mark.parametrize("count", [0, 1, 10, 60, 61, 300, 5000])
def test_as_many_lamps_as_wanted_with_ids_of_their_own(region: Region, count: int) -> None:
    rows = place_lamps(region, count)
    ids = [lamp.device_id for row in rows for lamp in row.lamps]
    assert len(ids) == len(set(ids)) == count
    assert all(re.fullmatch(DEVICE_ID_PATTERN, device_id) for device_id in ids)


def test_a_few_lamps_stand_in_the_pilot_street(region: Region) -> None:
    assert {row.street for row in place_lamps(region, 40)} == {"Beltershäuser Straße"}


def test_lamps_and_bins_in_all_municipalities(region: Region) -> None:
    assert len({row.municipality for row in place_lamps(region, 300)}) == 22
    assert len({device.municipality for device in place_bins(region, 80, 0)}) == 22
    assert len({device.municipality for device in place_bins(region, 22, 0)}) == 22


def test_more_bins_where_more_people_live(region: Region) -> None:
    bins = place_bins(region, 80, 0)
    marburg = sum(device.municipality == "marburg" for device in bins)
    wohratal = sum(device.municipality == "wohratal" for device in bins)
    assert marburg > 10 * wohratal


def test_bins_are_in_their_municipality_and_say_what_they_are(region: Region) -> None:
    centres = {entry.municipality: (entry.latitude, entry.longitude) for entry in region.municipalities}
    place_types = {place_type.name for place_type in PLACE_TYPES}
    for device in place_bins(region, 200, 3):
        assert great_circle_m(*_position(device), *centres[device.municipality]) < 3500
        assert device.attributes["place_type"] in place_types
        assert device.attributes["sensor"] in ("distance_m", "filling_level")
        assert re.fullmatch(r"bin-[a-z-]+-\d{4}", device.device_id)


def test_another_seed_places_bins_elsewhere_but_lamps_as_before(region: Region) -> None:
    assert place_bins(region, 20, 0) == place_bins(region, 20, 0)
    assert place_bins(region, 20, 0) != place_bins(region, 20, 1)
