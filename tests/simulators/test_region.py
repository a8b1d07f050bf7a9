import json
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from core.device import MUNICIPALITY_PATTERN
from core.errors import SettingsError
from simulators.region import Region, load_region, municipalities

SHIPPED = files("simulators.regions").joinpath("marburg-biedenkopf.json")
NAMES = {
    "marburg": "Marburg",
    "kirchhain": "Kirchhain",
    "stadtallendorf": "Stadtallendorf",
    "biedenkopf": "Biedenkopf",
    "gladenbach": "Gladenbach",
    "neustadt": "Neustadt (Hessen)",
    "amoeneburg": "Amöneburg",
    "angelburg": "Angelburg",
    "bad-endbach": "Bad Endbach",
    "breidenbach": "Breidenbach",
    "coelbe": "Cölbe",
    "dautphetal": "Dautphetal",
    "ebsdorfergrund": "Ebsdorfergrund",
    "fronhausen": "Fronhausen",
    "lahntal": "Lahntal",
    "lohra": "Lohra",
    "muenchhausen": "Münchhausen",
    "rauschenberg": "Rauschenberg",
    "steffenberg": "Steffenberg",
    "weimar": "Weimar (Lahn)",
    "wetter": "Wetter (Hessen)",
    "wohratal": "Wohratal",
}
"""The 22 municipalities of the county, written by hand."""


def test_the_county_has_exactly_its_22_municipalities(region: Region) -> None:
    found = {entry.municipality: entry.name for entry in municipalities(region)}
    assert found == NAMES
    assert all(re.fullmatch(MUNICIPALITY_PATTERN, slug) for slug in found)


def test_every_position_lies_in_the_county(region: Region) -> None:
    for entry in region.municipalities:
        points = [(place.latitude, place.longitude) for place in (entry.depot, *entry.disposal_sites)]
        points.append((entry.latitude, entry.longitude))
        points += [(latitude, longitude) for street in entry.streets for longitude, latitude in street.line]
        for latitude, longitude in points:
            assert 50.6 <= latitude <= 51.05, entry.name
            assert 8.35 <= longitude <= 9.2, entry.name


def test_what_is_not_surveyed_is_marked(region: Region) -> None:
    for entry in region.municipalities:
        assert all(place.simulated for place in (entry.depot, *entry.disposal_sites))


def test_every_waste_kind_of_the_county_has_a_disposal_site(region: Region) -> None:
    for entry in municipalities(region):
        for kind in ("residual", "paper", "glass"):
            assert any(not site.waste_kinds or kind in site.waste_kinds for site in entry.disposal_sites), entry.name


def test_municipalities_carry_places_and_vehicles(region: Region) -> None:
    marburg = next(entry for entry in municipalities(region) if entry.municipality == "marburg")
    assert marburg.filling_threshold == 0.75
    assert marburg.depot is not None
    assert marburg.depot.name == "Bauhof Marburg"
    assert [site.name for site in marburg.disposal_sites] == ["Umladestation Marburg-Wehrda"]
    assert marburg.vehicles[0].capacity_kg == 6000.0
    assert [(vehicle.name, vehicle.count) for vehicle in marburg.vehicles] == [
        ("Pressmüllwagen", 1),
        ("Kleinmüllwagen", 2),
        ("Wertstoffwagen", 2),
    ]


def _wrong_threshold(raw: dict[str, Any]) -> None:
    raw["municipalities"][1]["filling_threshold"] = 80


def _wrong_slug(raw: dict[str, Any]) -> None:
    raw["municipalities"][6]["municipality"] = "Amöneburg"


def _unknown_key(raw: dict[str, Any]) -> None:
    raw["municipalities"][0]["mayor"] = "x"


def _swapped_line(raw: dict[str, Any]) -> None:
    raw["municipalities"][0]["streets"][0]["line"][0] = [8.78, 150.0]


def _no_pilot(raw: dict[str, Any]) -> None:
    raw["pilot_street"]["street"] = "Nirgendwo"


def _twice(raw: dict[str, Any]) -> None:
    raw["municipalities"].append(raw["municipalities"][0])


def _no_zone(raw: dict[str, Any]) -> None:
    raw["timezone"] = "Europe/Marburg"


@pytest.mark.parametrize(
    ("spoil", "key"),
    [
        (_wrong_threshold, "municipalities.1.filling_threshold: "),
        (_wrong_slug, "municipalities.6.municipality: "),
        (_unknown_key, "municipalities.0.mayor: "),
        (_swapped_line, "municipalities.0.streets.0.line.0.1: "),
        (_no_pilot, "pilot_street: there is no Nirgendwo in marburg"),
        (_twice, "municipality marburg occurs 2 times"),
        (_no_zone, "timezone: expected a time zone name"),
    ],
)
def test_a_wrong_file_names_file_and_key(tmp_path: Path, spoil: Callable[[dict[str, Any]], None], key: str) -> None:
    raw = json.loads(SHIPPED.read_text(encoding="utf-8"))
    spoil(raw)
    file = tmp_path / "county.json"
    file.write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(SettingsError, match=re.escape(f"{file}: {key}")):
        load_region(file)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
def test_no_json_object_is_a_settings_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "county.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=re.escape(str(file))):
        load_region(file)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"unknown region 'atlantis'; known: marburg-biedenkopf"):
        load_region("atlantis")


def test_a_missing_file_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load_region(tmp_path / "none.json")
