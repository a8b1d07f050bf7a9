"""Finds the device types: every folder of this package with a `DEVICE_TYPE`. There is no list to edit."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

import devices
from core.errors import NotFoundError
from devices.base import DeviceType


@cache
def device_types() -> Mapping[str, DeviceType]:
    """All device types by name."""
    found: dict[str, DeviceType] = {}
    for module in pkgutil.iter_modules(devices.__path__):
        if module.ispkg:
            device_type: DeviceType = importlib.import_module(f"devices.{module.name}").DEVICE_TYPE
            found[device_type.name] = device_type
    return MappingProxyType(found)


def device_type(name: str) -> DeviceType:
    """The device type of this name.

    Raises:
        NotFoundError: there is none.
    """
    try:
        return device_types()[name]
    except KeyError:
        raise NotFoundError(
            f"unknown device type {ascii(name)[:80]}; known: {', '.join(sorted(device_types()))}"
        ) from None


def device_type_file(name: str, file: str) -> Traversable:
    """A file of a device type's folder: `examples.json`, `rules.toml`, `README.md`."""
    return files("devices").joinpath(name, file)
