"""Municipalities and their rule overrides."""

from dataclasses import replace

import pytest
from alembic import command

from core.device import DisposalSite, Municipality, Place, Vehicle
from core.errors import NotFoundError, StorageError
from sql.transaction import writing
from state.state import State
from state.upgrade import migrations_config

MARBURG = Municipality(
    municipality="marburg",
    name="Universitätsstadt Marburg",
    latitude=50.8021,
    longitude=8.7667,
    filling_threshold=0.75,
    planning_hour=5,
    depot=Place("Bauhof", 50.79, 8.76),
    disposal_sites=(
        DisposalSite("Müllumladestation", 50.83, 8.78, 600, ("residual", "paper"), 25_200, 61_200),
        DisposalSite("Glashof", 50.84, 8.79, waste_kinds=("glass",)),
    ),
    vehicles=(
        Vehicle("truck", 2, 18_000.0, 28_800, capacity_kg=9000.0, weight_t=18.0, height_m=3.6),
        Vehicle("van", 1, 3000.5, 14_400, waste_kinds=("glass",)),
    ),
    collection_days=(1, 3, 6),
    collects_on_holidays=True,
    required_probability=0.95,
    required_level=0.8,
    least_level=0.25,
    overflow_cost=20.0,
    replanning_hours=(9, 12),
    planned_with=("lahntal", "wetter"),
)


def test_a_municipality_comes_back_as_it_went(state: State) -> None:
    state.municipalities.put(MARBURG)
    assert state.municipalities.get("marburg") == MARBURG
    assert state.municipalities.find("marburg") == MARBURG


def test_disposal_sites_outlast_an_older_program(state: State) -> None:
    """Going back keeps the first site, coming again makes a list of it; vehicles and the rest get their defaults."""
    state.municipalities.put_many([MARBURG, Municipality(municipality="lohra", name="Lohra")])
    with writing(state.engine) as connection:
        command.downgrade(migrations_config(connection), "0006")
        command.upgrade(migrations_config(connection), "head")
    lohra, marburg = state.municipalities.all()
    assert marburg.disposal_sites == (DisposalSite("Müllumladestation", 50.83, 8.78),)
    assert marburg.required_probability == 0.99
    assert lohra == Municipality(municipality="lohra", name="Lohra")


def test_put_replaces(state: State) -> None:
    state.municipalities.put(MARBURG)
    moved = replace(MARBURG, depot=None, disposal_sites=(), latitude=None, vehicles=())
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
