"""The lighting plan: groups, profiles, event nights."""

from dataclasses import replace
from datetime import date

import pytest

from core.errors import ConflictError, NotFoundError, StorageError
from core.lighting import EventNights, LightGroup
from state import lighting
from state.state import State

GROUP = LightGroup(
    light_group_id="g2",
    municipality="marburg",
    name="Weg am Fluß",
    lighting_profile="quiet",
    device_ids=frozenset({"lamp-2", "lamp-1"}),
    street="Lahnufer",
    circuit="7",
)
FAIR = EventNights(municipality="marburg", name="fair", first=date(2026, 10, 2), last=date(2026, 10, 4))


def test_a_group_comes_back_as_it_went(state: State) -> None:
    bare = LightGroup(light_group_id="g1", municipality="lahntal", name="")
    state.lighting.add_group(GROUP)
    state.lighting.add_group(bare)
    assert state.lighting.group("g2") == GROUP
    assert state.lighting.groups() == [bare, GROUP]
    assert state.devices.revision() == 2


def test_a_group_is_replaced_and_deleted(state: State) -> None:
    state.lighting.add_group(GROUP)
    moved = replace(GROUP, lighting_profile=None, device_ids=frozenset(), street=None, circuit="8")
    state.lighting.put_group(moved)
    assert state.lighting.groups() == [moved]
    state.lighting.delete_group("g2")
    assert state.lighting.groups() == []
    assert state.devices.revision() == 3


def test_groups_that_are_not_there_or_there_already(state: State) -> None:
    with pytest.raises(NotFoundError, match="no light group 'g2'"):
        state.lighting.group("g2")
    with pytest.raises(NotFoundError):
        state.lighting.put_group(GROUP)
    with pytest.raises(NotFoundError):
        state.lighting.delete_group("g2")
    state.lighting.add_group(GROUP)
    with pytest.raises(ConflictError, match="'g2' exists already"):
        state.lighting.add_group(replace(GROUP, name="other"))
    assert state.lighting.group("g2") == GROUP
    assert state.devices.revision() == 1


def test_pages_of_groups_join_to_those_of_a_municipality(state: State) -> None:
    for name in ("c", "a", "b"):
        state.lighting.add_group(replace(GROUP, light_group_id=name))
    state.lighting.add_group(replace(GROUP, light_group_id="aa", municipality="lahntal"))
    first = state.lighting.page_groups("marburg", limit=2)
    second = state.lighting.page_groups("marburg", limit=2, cursor=first.next_cursor)
    assert [each.light_group_id for each in (*first.items, *second.items)] == ["a", "b", "c"]
    assert second.next_cursor is None
    assert len(state.lighting.page_groups(None).items) == 4


def test_profiles_by_municipality_and_name(state: State) -> None:
    profile = {"nights": [{"days": ["every_day"], "dim_level": 0.5, "steps": []}], "title": "ruhig"}
    state.lighting.put_profile("marburg", "quiet", {"nights": []})
    state.lighting.put_profile("marburg", "quiet", profile)
    state.lighting.put_profile("lahntal", "quiet", {})
    assert state.lighting.profiles() == {("lahntal", "quiet"): {}, ("marburg", "quiet"): profile}
    state.lighting.delete_profile("lahntal", "quiet")
    assert list(state.lighting.profiles()) == [("marburg", "quiet")]
    with pytest.raises(NotFoundError, match=r"no lighting profile 'quiet' in municipality 'lahntal'"):
        state.lighting.delete_profile("lahntal", "quiet")
    with pytest.raises(StorageError):
        state.lighting.put_profile("marburg", "loud", {"dim_level": float("nan")})
    assert state.devices.revision() == 4


def test_events_in_the_order_of_their_nights(state: State) -> None:
    market = replace(FAIR, name="market", first=date(2026, 11, 27), last=date(2026, 12, 23))
    for event in (market, replace(FAIR, last=date(2026, 10, 9)), FAIR):
        state.lighting.put_event(event)
    assert state.lighting.events() == [FAIR, market]
    state.lighting.delete_event("marburg", "fair")
    assert state.lighting.events() == [market]
    with pytest.raises(NotFoundError, match=r"no event 'fair' in municipality 'marburg'"):
        state.lighting.delete_event("marburg", "fair")


def test_a_municipality_has_a_bounded_number_of_each(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lighting, "MAX_PER_MUNICIPALITY", 1)
    state.lighting.put_event(FAIR)
    state.lighting.put_event(replace(FAIR, last=FAIR.first))
    state.lighting.put_event(replace(FAIR, municipality="lahntal"))
    with pytest.raises(ConflictError, match="'marburg' has 1 rows of event_nights"):
        state.lighting.put_event(replace(FAIR, name="market"))
    state.lighting.put_profile("marburg", "a", {})
    with pytest.raises(ConflictError, match="lighting_profiles"):
        state.lighting.put_profile("marburg", "b", {})
    state.lighting.add_group(GROUP)
    with pytest.raises(ConflictError, match="light_groups"):
        state.lighting.add_group(replace(GROUP, light_group_id="g3"))
