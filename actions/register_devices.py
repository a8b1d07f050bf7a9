"""Devices into the registry, together with the municipalities of those that somebody adopted.

A municipality that is not known yet is made with its slug as name and everything else by default.
"""

from collections.abc import Callable, Sequence

from core.device import Device, DeviceStatus
from devices.positions import odd_positions
from devices.registry import device_type
from state.devices import DeviceFilter
from state.state import State


def register_device(state: State, device: Device) -> Device:
    """Register a new device; gives it as kept.

    Raises:
        InvalidInputError: an attribute is not as its device type wants it.
        ConflictError: the id exists.
    """
    device_type(device.device_type).check_attributes(device.attributes)
    _ensure_municipalities(state, [device])
    return state.devices.add(device)


def register_devices(state: State, devices: Sequence[Device]) -> None:
    """Insert or replace all, or none; what existing ones said of themselves stays."""
    _ensure_municipalities(state, devices)
    state.devices.put_many(devices)


def odd_among(state: State, devices: Sequence[Device]) -> dict[str, str]:
    """Of devices just registered those far from the others of their municipality, by id, each with a clause."""
    towns = {device.municipality for device in devices}
    found: dict[str, str] = {}
    for town in sorted(towns):
        found |= odd_positions(state.devices.all(DeviceFilter(municipality=town)))
    return {device.device_id: found[device.device_id] for device in devices if device.device_id in found}


def change_registered_device(state: State, device_id: str, merge: Callable[[Device], Device]) -> Device:
    """Make a device what `merge` makes of it as it is kept; it may be called twice. Gives the device as it is then.

    Raises:
        NotFoundError: there is no such device.
    """
    _ensure_municipalities(state, [merge(state.devices.get(device_id))])
    return state.devices.change(device_id, merge)


def discover_device(state: State, device: Device, max_discovered: int) -> Device | None:
    """Register a device that spoke, if its id is unknown; gives it as kept (see `Devices.discover`)."""
    _ensure_municipalities(state, [device])
    return state.devices.discover(device, max_discovered)


def _ensure_municipalities(state: State, devices: Sequence[Device]) -> None:
    adopted = {device.municipality for device in devices if device.status is not DeviceStatus.DISCOVERED}
    for municipality in sorted(adopted):
        state.municipalities.ensure(municipality)
