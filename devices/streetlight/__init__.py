"""Streetlight: a lamp with controller, presence sensor and energy meter."""

from devices.base import BOTH_TYPES, DeviceType
from devices.streetlight.codec import QUANTITIES, decode, may_say_presence

DEVICE_TYPE = DeviceType(
    name="streetlight",
    title="Streetlight",
    title_de="Straßenleuchte",
    quantities=(*QUANTITIES, *BOTH_TYPES),
    decode=decode,
    commands=("set_light",),
    may_say_presence=may_say_presence,
)
