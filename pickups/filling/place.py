"""Places: history belongs to where a bin stands, not to the bin."""

from typing import Final

from core.device import Device

_KINDS: Final = ("place_type", "waste_kind")


def place_id(device: Device) -> str:
    """The place of a device: its attribute `place_id`, which a replaced bin's successor shares; else its own id."""
    return _text(device, "place_id") or device.device_id


def place_kind(device: Device) -> str:
    """The kind of place, of which it may be assumed to fill like others: attribute `place_type`, else `waste_kind`."""
    return next((kind for name in _KINDS if (kind := _text(device, name))), "")


def _text(device: Device, name: str) -> str:
    value = device.attributes.get(name)
    return value.strip() if isinstance(value, str) else ""
