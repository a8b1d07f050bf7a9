"""The registry of devices."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import utc_now
from core.device import Connection, Device, DeviceStatus, Municipality
from core.errors import ConflictError, InvalidInputError, NotFoundError, StorageError
from state.devices import DeviceFilter
from state.state import State, open_state

NOON = datetime(2026, 3, 1, 12, 0, 0, 123457, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)


def lamp(device_id: str = "lamp-1", **values: object) -> Device:
    return replace(Device(device_id=device_id, device_type="streetlight", municipality="marburg"), **values)  # type: ignore[arg-type]


FULL = lamp(
    "bin.7_A",
    device_type="waste_bin",
    name="Glas am Markt",
    latitude=50.8090123456789,
    longitude=-8.7707,
    street="Beltershäuser Straße",
    status=DeviceStatus.MAINTENANCE,
    attributes={"height_m": 1.2, "slots": 3, "solar": True, "note": "Ä \x00 \ud800", "depot": None},
    connection=Connection.ONLINE,
    last_seen_at=NOON,
    created_at=NOON - timedelta(days=400),
)


def test_a_device_comes_back_as_it_went(state: State) -> None:
    assert state.devices.add(FULL) == FULL
    assert state.devices.get("bin.7_A") == FULL
    assert state.devices.find("bin.7_A") == FULL
    last_seen = state.devices.get("bin.7_A").last_seen_at
    assert last_seen is not None
    assert last_seen.tzinfo is UTC


def test_a_new_device_is_created_now(state: State) -> None:
    before = utc_now()
    created_at = state.devices.add(lamp()).created_at
    assert created_at is not None
    assert before <= created_at <= utc_now()
    assert state.devices.get("lamp-1").created_at == created_at


def test_mapping_types_other_than_dict_are_kept_too(state: State) -> None:
    state.devices.add(lamp(attributes=MappingProxyType({"pole": "A7"})))
    assert state.devices.get("lamp-1").attributes == {"pole": "A7"}


def test_unknown_device(state: State) -> None:
    assert state.devices.find("lamp-1") is None
    for attempt in (
        lambda: state.devices.get("lamp-1"),
        lambda: state.devices.change("lamp-1", renamed),
        lambda: state.devices.delete("lamp-1"),
        lambda: state.devices.get("lamp\x00 \udfff"),
    ):
        with pytest.raises(NotFoundError, match="lamp"):
            attempt()
    assert state.devices.revision() == 0


def test_an_id_is_added_once(state: State) -> None:
    state.devices.add(lamp(name="first"))
    with pytest.raises(ConflictError, match="lamp-1"):
        state.devices.add(lamp(name="second"))
    assert state.devices.get("lamp-1").name == "first"
    assert state.devices.revision() == 1


def test_put_many_replaces_what_the_registry_knows_and_keeps_what_the_device_said(state: State) -> None:
    state.devices.add(FULL)
    plain = lamp("bin.7_A", municipality="kirchhain", name="neu", connection=Connection.OFFLINE)
    state.devices.put_many([plain, lamp("lamp-2", last_seen_at=NOON), lamp("lamp-2", name="last counts")])
    kept = state.devices.get("bin.7_A")
    assert kept == replace(
        plain, connection=Connection.ONLINE, last_seen_at=NOON, created_at=NOON - timedelta(days=400)
    )
    assert state.devices.get("lamp-2").name == "last counts"
    assert [each.device_id for each in state.devices.all(DeviceFilter(q="NEU"))] == ["bin.7_A"]


def test_put_many_is_all_or_nothing(state: State) -> None:
    unstorable = lamp("lamp-2", attributes={"level": float("nan")})
    with pytest.raises(StorageError):
        state.devices.put_many([lamp("lamp-1"), unstorable])
    assert state.devices.all() == []
    assert state.devices.revision() == 0
    state.devices.put_many([])
    assert state.devices.revision() == 0


def renamed(device: Device) -> Device:
    return replace(device, name="x")


def test_a_change_keeps_what_the_device_says_of_itself(state: State) -> None:
    state.devices.add(FULL)
    expected = replace(
        FULL,
        name="Glas",
        latitude=None,
        street="Markt",
        status=DeviceStatus.RETIRED,
        attributes={"height_m": 2},
        municipality="kirchhain",
    )
    meant = replace(expected, device_id="other", last_seen_at=None, connection=Connection.UNKNOWN, created_at=None)
    assert state.devices.change("bin.7_A", lambda kept: meant if kept == FULL else kept) == expected
    assert state.devices.get("bin.7_A") == expected
    assert state.devices.all(DeviceFilter(q="markt")) == [expected]
    assert state.devices.all(DeviceFilter(q="beltershäuser")) == []


def test_a_refused_change_changes_nothing(state: State) -> None:
    def refuse(device: Device) -> Device:
        raise InvalidInputError(f"{device.name} is right as it is")

    state.devices.add(FULL)
    revision = state.devices.revision()
    with pytest.raises(InvalidInputError, match="right as it is"):
        state.devices.change("bin.7_A", refuse)
    assert (state.devices.get("bin.7_A"), state.devices.revision()) == (FULL, revision)


def test_a_deleted_device_is_gone(state: State) -> None:
    state.devices.put_many([lamp("lamp-1"), lamp("lamp-2")])
    state.devices.delete("lamp-1")
    assert [each.device_id for each in state.devices.all()] == ["lamp-2"]


def test_filters_narrow_together(state: State) -> None:
    state.devices.put_many(
        [
            lamp("a", status=DeviceStatus.DISCOVERED),
            lamp("b", device_type="waste_bin"),
            lamp("c", municipality="kirchhain"),
            lamp("d"),
        ]
    )

    def ids(**conditions: object) -> str:
        return "".join(each.device_id for each in state.devices.all(DeviceFilter(**conditions)))  # type: ignore[arg-type]

    assert ids() == "abcd"
    assert ids(municipality="marburg") == "abd"
    assert ids(municipality="marburg", device_type="streetlight") == "ad"
    assert ids(municipality="marburg", device_type="streetlight", status=DeviceStatus.ACTIVE) == "d"
    assert ids(municipality="") == ""
    assert ids(municipality="\x00") == ""


def test_a_box_holds_its_edges_and_no_device_without_position(state: State) -> None:
    state.devices.put_many(
        [
            lamp("corner", latitude=50.0, longitude=8.0),
            lamp("inside", latitude=50.5, longitude=8.5),
            lamp("north", latitude=51.1, longitude=8.5),
            lamp("fiji", latitude=-17.0, longitude=179.0),
            lamp("samoa", latitude=-14.0, longitude=-172.0),
            lamp("nowhere"),
            lamp("half", latitude=50.5),
        ]
    )
    county = state.devices.all(DeviceFilter(bbox=(8.0, 50.0, 9.0, 51.0)))
    assert [each.device_id for each in county] == ["corner", "inside"]
    across_the_date_line = state.devices.all(DeviceFilter(bbox=(170.0, -20.0, -170.0, 0.0)))
    assert [each.device_id for each in across_the_date_line] == ["fiji", "samoa"]


def test_search_is_a_part_of_id_name_or_street_in_any_case(state: State) -> None:
    state.devices.put_many(
        [lamp("lamp-1", street="Beltershäuser Straße"), lamp("lamp-2", name="100%_gut", street="A/B\\C")]
    )
    expected: dict[str, list[str]] = {
        "BELTERSHÄUSER": ["lamp-1"],
        "strasse": ["lamp-1"],
        "Beltersha\u0308user": ["lamp-1"],
        "LAMP-": ["lamp-1", "lamp-2"],
        "100%": ["lamp-2"],
        "0%_g": ["lamp-2"],
        "0__g": [],
        "%": ["lamp-2"],
        "a/b\\c": ["lamp-2"],
        "'; DROP TABLE devices": [],
        "\x00": [],
        "": ["lamp-1", "lamp-2"],
    }
    assert {q: [each.device_id for each in state.devices.all(DeviceFilter(q=q))] for q in expected} == expected


def test_a_search_text_without_end_is_refused(state: State) -> None:
    with pytest.raises(InvalidInputError, match="q: at most 1000"):
        state.devices.all(DeviceFilter(q="x" * 100_000))


def test_ids_are_ordered_by_code_point_on_every_database(state: State) -> None:
    state.devices.put_many([lamp(each) for each in ("b", "B", "a-1", "a.1", "a1", "_", "A", "10", "9")])
    expected = ["10", "9", "A", "B", "_", "a-1", "a.1", "a1", "b"]
    assert [each.device_id for each in state.devices.all()] == expected
    assert [each.device_id for each in state.devices.page(DeviceFilter(), limit=9).items] == expected


def test_unknown_devices_are_discovered_up_to_a_limit(state: State) -> None:
    def discovered(number: int) -> Device:
        return lamp(f"new-{number}", status=DeviceStatus.DISCOVERED)

    assert state.devices.discover(discovered(1), max_discovered=2)
    assert state.devices.discover(discovered(2), max_discovered=2)
    assert not state.devices.discover(discovered(3), max_discovered=2)
    assert state.devices.discover(discovered(1), max_discovered=2), "known already"
    assert state.devices.revision() == 2
    state.devices.change("new-1", lambda kept: replace(kept, status=DeviceStatus.ACTIVE))
    assert state.devices.discover(discovered(3), max_discovered=2), "one was adopted"
    assert state.devices.discover(lamp("auto"), max_discovered=2), "registered at once, not listed for adoption"
    assert [each.device_id for each in state.devices.all()] == ["auto", "new-1", "new-2", "new-3"]
    assert state.devices.get("new-1").status is DeviceStatus.ACTIVE, "discovering again changes nothing"


def test_seen_and_connected_do_not_grow_the_revision(state: State) -> None:
    state.devices.put_many([lamp("lamp-1"), lamp("lamp-2")])
    before = state.devices.revision()
    state.devices.seen({"lamp-1": NOON, "unknown": NOON})
    state.devices.connected({"lamp-2": Connection.ONLINE, "unknown": Connection.OFFLINE})
    state.devices.seen({})
    state.devices.connected({})
    first, second = state.devices.all()
    assert (first.last_seen_at, first.connection) == (NOON, Connection.UNKNOWN)
    assert (second.last_seen_at, second.connection) == (None, Connection.ONLINE)
    assert state.devices.revision() == before


def test_seen_does_not_go_back_by_a_microsecond(state: State) -> None:
    state.devices.add(lamp())
    for at in (NOON, NOON - MOMENT, NOON + MOMENT, NOON):
        state.devices.seen({"lamp-1": at})
    assert state.devices.get("lamp-1").last_seen_at == NOON + MOMENT


@settings(deadline=None, max_examples=30)
@given(
    batches=st.lists(
        st.dictionaries(st.sampled_from("abc"), st.integers(0, 10**15).map(lambda us: NOON + us * MOMENT), min_size=1),
        min_size=1,
        max_size=8,
    )
)
def test_last_seen_is_the_newest_in_any_order(batches: list[dict[str, datetime]]) -> None:
    with closing(open_state("sqlite://")) as state:
        state.devices.put_many([lamp(each) for each in "abc"])
        for batch in batches:
            state.devices.seen(batch)
        kept = {each.device_id: each.last_seen_at for each in state.devices.all()}
    assert kept == {each: max((batch[each] for batch in batches if each in batch), default=None) for each in "abc"}


def test_counts_by_municipality_type_and_status(state: State) -> None:
    state.devices.put_many(
        [
            lamp("a"),
            lamp("b"),
            lamp("c", status=DeviceStatus.RETIRED),
            lamp("d", municipality="kirchhain", device_type="waste_bin"),
        ]
    )
    assert state.devices.count_by_status() == {
        ("marburg", "streetlight", DeviceStatus.ACTIVE): 2,
        ("marburg", "streetlight", DeviceStatus.RETIRED): 1,
        ("kirchhain", "waste_bin", DeviceStatus.ACTIVE): 1,
    }


def test_every_change_of_the_registry_grows_the_revision(state: State) -> None:
    seen = [state.devices.revision()]
    changes: tuple[Callable[[], object], ...] = (
        lambda: state.devices.add(lamp("lamp-1")),
        lambda: state.devices.put_many([lamp("lamp-1")]),
        lambda: state.devices.change("lamp-1", renamed),
        lambda: state.devices.discover(lamp("lamp-2"), 10),
        lambda: state.devices.delete("lamp-1"),
        lambda: state.municipalities.ensure("marburg"),
        lambda: state.municipalities.put(Municipality(municipality="marburg", name="Marburg")),
        lambda: state.rule_overrides.put("marburg", "filling", {"threshold": 0.7}),
        lambda: state.rule_overrides.delete("marburg", "filling"),
    )
    for change in changes:
        change()
        seen.append(state.devices.revision())
    assert seen == sorted(set(seen)), "strictly ascending"


def test_a_county_in_one_go(state: State) -> None:
    many = [lamp(f"lamp-{number:05}", latitude=50.8, longitude=8.7, street="Ring") for number in range(35_000)]
    state.devices.put_many(many)
    state.devices.seen({each.device_id: NOON for each in many})
    kept = state.devices.all()
    assert len(kept) == 35_000
    assert {each.last_seen_at for each in kept} == {NOON}
