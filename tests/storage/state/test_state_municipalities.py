"""Municipalities and their rule overrides."""

from dataclasses import replace

import pytest

from core.device import Municipality, Place, Vehicle
from core.errors import NotFoundError, StorageError
from storage.state import State

MARBURG = Municipality(
    municipality="marburg",
    name="Universitätsstadt Marburg",
    latitude=50.8021,
    longitude=8.7667,
    filling_threshold=0.75,
    planning_hour=5,
    depot=Place("Bauhof", 50.79, 8.76),
    disposal_site=Place("Müllumladestation", 50.83, 8.78),
    vehicles=(Vehicle("truck", 2, 18_000.0, 28_800), Vehicle("van", 1, 3000.5, 14_400)),
)


def test_a_municipality_comes_back_as_it_went(state: State) -> None:
    state.municipalities.put(MARBURG)
    assert state.municipalities.get("marburg") == MARBURG
    assert state.municipalities.find("marburg") == MARBURG


def test_put_replaces(state: State) -> None:
    state.municipalities.put(MARBURG)
    moved = replace(MARBURG, depot=None, disposal_site=None, latitude=None, vehicles=())
    state.municipalities.put(moved)
    assert state.municipalities.all() == [moved]


def test_all_are_ordered_by_slug(state: State) -> None:
    state.municipalities.put_many([replace(MARBURG, municipality=slug) for slug in ("wetter", "bad-endbach", "lohra")])
    assert [each.municipality for each in state.municipalities.all()] == ["bad-endbach", "lohra", "wetter"]
    assert state.devices.revision() == 1
    state.municipalities.put_many([])
    assert state.devices.revision() == 1


def test_unknown_municipality(state: State) -> None:
    assert state.municipalities.find("atlantis") is None
    with pytest.raises(NotFoundError, match="atlantis"):
        state.municipalities.get("atlantis")


def test_ensure_makes_what_is_missing_and_leaves_what_is_there(state: State) -> None:
    state.municipalities.put(MARBURG)
    state.municipalities.ensure("marburg")
    state.municipalities.ensure("kirchhain")
    state.municipalities.ensure("kirchhain")
    assert state.municipalities.all() == [Municipality(municipality="kirchhain", name="kirchhain"), MARBURG]
    assert state.devices.revision() == 2


def test_overrides_by_municipality_and_rule(state: State) -> None:
    state.rule_overrides.put("marburg", "filling", {"threshold": 0.7})
    state.rule_overrides.put("marburg", "filling", {"threshold": 0.75, "for_s": None, "levels": [1, {"a": True}]})
    state.rule_overrides.put("marburg", "silence", {"enabled": False})
    state.rule_overrides.put("lohra", "filling", {})
    assert state.rule_overrides.all() == {
        "lohra": {"filling": {}},
        "marburg": {
            "filling": {"threshold": 0.75, "for_s": None, "levels": [1, {"a": True}]},
            "silence": {"enabled": False},
        },
    }


def test_a_deleted_override_is_gone(state: State) -> None:
    state.rule_overrides.put("marburg", "filling", {"threshold": 0.7})
    state.rule_overrides.delete("marburg", "filling")
    assert state.rule_overrides.all() == {}
    with pytest.raises(NotFoundError, match=r"filling.*marburg"):
        state.rule_overrides.delete("marburg", "filling")
    assert state.devices.revision() == 2


def test_a_number_that_json_cannot_hold_is_refused(state: State) -> None:
    with pytest.raises(StorageError):
        state.rule_overrides.put("marburg", "filling", {"threshold": float("inf")})
    assert state.rule_overrides.all() == {}
