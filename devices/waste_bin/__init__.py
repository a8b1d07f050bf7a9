"""Waste bin: a container with a filling level sensor."""

from devices.base import BOTH_TYPES, DeviceType
from devices.waste_bin.codec import QUANTITIES, decode

DEVICE_TYPE = DeviceType(
    name="waste_bin",
    title="Waste bin",
    title_de="Abfallbehälter",
    quantities=(*QUANTITIES, *BOTH_TYPES),
    decode=decode,
)
