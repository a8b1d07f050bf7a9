"""Registered devices and their municipalities, on SQLite and PostgreSQL."""

from dataclasses import replace

import pytest

from actions.register_devices import change_registered_device, discover_device, register_device, register_devices
from core.device import Device, DeviceStatus, Municipality
from core.errors import ConflictError, InvalidInputError, NotFoundError
from state.state import State


def lamp(device_id: str, municipality: str = "marburg", **changes: object) -> Device:
    return Device(device_id=device_id, device_type="streetlight", municipality=municipality, **changes)  # type: ignore[arg-type]


def municipalities(state: State) -> list[tuple[str, str]]:
    return [(each.municipality, each.name) for each in state.municipalities.all()]


def test_municipalities_that_are_not_known_are_made(state: State) -> None:
    state.municipalities.put(Municipality(municipality="marburg", name="Marburg an der Lahn"))
    assert register_device(state, lamp("a")).created_at is not None
    register_devices(state, [lamp("b", "zoo"), lamp("c", "lohra"), lamp("d", "zoo")])
    assert discover_device(state, lamp("e", "wetter"), max_discovered=0)
    assert [each.device_id for each in state.devices.all()] == ["a", "b", "c", "d", "e"]
    assert municipalities(state) == [
        ("lohra", "lohra"),
        ("marburg", "Marburg an der Lahn"),
        ("wetter", "wetter"),
        ("zoo", "zoo"),
    ]


def test_a_device_that_nobody_adopted_makes_no_municipality(state: State) -> None:
    stranger = lamp("a", status=DeviceStatus.DISCOVERED)
    assert discover_device(state, stranger, max_discovered=1)
    assert municipalities(state) == []


def test_who_adopts_a_device_or_moves_it_makes_its_municipality_known(state: State) -> None:
    state.devices.discover(lamp("a", status=DeviceStatus.DISCOVERED), max_discovered=1)
    change_registered_device(state, "a", lambda kept: replace(kept, status=DeviceStatus.ACTIVE))
    assert municipalities(state) == [("marburg", "marburg")]
    assert change_registered_device(state, "a", lambda kept: replace(kept, municipality="zoo")).municipality == "zoo"
    assert municipalities(state) == [("marburg", "marburg"), ("zoo", "zoo")]
    with pytest.raises(NotFoundError):
        change_registered_device(state, "b", lambda kept: kept)


def test_what_is_refused_changes_nothing(state: State) -> None:
    with pytest.raises(InvalidInputError, match="rated_power_w"):
        register_device(state, lamp("a", "zoo", attributes={"rated_power_w": "much"}))
    assert (state.devices.all(), municipalities(state)) == ([], [])
    register_device(state, lamp("a", name="first"))
    with pytest.raises(ConflictError, match="exists already"):
        register_device(state, lamp("a", name="second"))
    assert state.devices.get("a").name == "first"
