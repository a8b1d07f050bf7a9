"""Streetlight: a lamp with controller, presence sensor and energy meter."""

from devices.base import BOTH_TYPES, DeviceType
from devices.streetlight.attributes import check_attributes
from devices.streetlight.codec import QUANTITIES, decode, may_say_level, may_say_presence

DEVICE_TYPE = DeviceType(
    name="streetlight",
    title="Streetlight",
    title_de="Straßenleuchte",
    quantities=(*QUANTITIES, *BOTH_TYPES),
    decode=decode,
    may_say_presence=may_say_presence,
    may_say_level=may_say_level,
    commands=("set_light", "set_profile"),
    check_attributes=check_attributes,
)
