"""What a streetlight's attributes may be, and its commands."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from core.device import Attribute
from core.errors import InvalidInputError, PayloadError
from devices.files import InvalidDevicesError, parse_devices
from devices.registry import device_type, device_type_file
from devices.streetlight.attributes import Control, check_attributes, control_of
from devices.streetlight.codec import decode_set_light, decode_set_profile, encode_set_light, encode_set_profile

COMMANDS = {
    example["name"]: example["payload"]
    for example in json.loads(device_type_file("streetlight", "examples.json").read_text("utf-8"))["commands"]
}
CODECS: dict[str, Callable[[bytes], bytes]] = {
    "set_light": lambda payload: encode_set_light(decode_set_light(payload)),
    "set_profile": lambda payload: encode_set_profile(decode_set_profile(payload)),
}


@pytest.mark.parametrize("name", device_type("streetlight").commands)
def test_a_command_is_encoded_as_its_example(name: str) -> None:
    assert json.loads(CODECS[name](json.dumps(COMMANDS[name]).encode())) == COMMANDS[name]


def _without(key: str) -> dict[str, Any]:
    return {name: value for name, value in COMMANDS["set_profile"].items() if name != key}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (_without("valid_until"), "missing or wrong: \"'valid_until'\""),
        (_without("settings"), "missing or wrong"),
        ({**COMMANDS["set_profile"], "settings": []}, "0 settings, expected 1 to 32"),
        ({**COMMANDS["set_profile"], "settings": COMMANDS["set_profile"]["settings"][::-1]}, "not in ascending order"),
        ({**COMMANDS["set_profile"], "valid_until": "2026-11-21T06:49:57Z"}, "not in ascending order"),
        ({**COMMANDS["set_profile"], "settings": [{"at": "2026-11-20T11:10:16Z", "dim_level": 1.5}]}, "outside 0 to 1"),
        ({**COMMANDS["set_profile"], "settings": [["2026-11-20T11:10:16Z", 1]]}, "missing or wrong"),
        ({**COMMANDS["set_profile"], "settings": 5}, "missing or wrong"),
    ],
)
def test_a_wrong_set_profile_is_refused(message: dict[str, Any], reason: str) -> None:
    with pytest.raises(PayloadError) as raised:
        decode_set_profile(json.dumps(message).encode())
    assert reason in str(raised.value)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"lighting_class": "Q1"}, "attribute lighting_class 'Q1': expected a class of EN 13201-2: M1, M2,"),
        ({"lighting_class": 4}, "attribute lighting_class 4: expected a class"),
        ({"lighting_class": "P4", "lighting_class_reduced": "S6"}, "attribute lighting_class_reduced 'S6': expected"),
        ({"lighting_class_reduced": "P6"}, "attribute lighting_class_reduced: lighting_class, which it reduces"),
        ({"lighting_class": "P4", "lighting_class_reduced": "P3"}, "no brighter than P4"),
        ({"lighting_class": "M4", "lighting_class_reduced": "P6"}, "same letter"),
        ({"lighting_class": "P4", "lighting_class_reduced": "P7"}, "not P7"),
        ({"minimum_dim_level": 40}, "attribute minimum_dim_level 40: expected a number from 0 to 1"),
        ({"minimum_dim_level": True}, "attribute minimum_dim_level True"),
        ({"pedestrian_crossing": "yes"}, "attribute pedestrian_crossing 'yes': expected true or false"),
        ({"control": "radio"}, "attribute control 'radio': expected one of live, profile"),
        ({"lighting_profile": "Ganz Dunkel"}, "attribute lighting_profile 'Ganz Dunkel': expected the name"),
        ({"rated_power_w": 0}, "attribute rated_power_w 0: expected watts"),
        ({"street_order": "first"}, "attribute street_order 'first': expected a number"),
    ],
)
def test_an_attribute_that_cannot_be_acted_on_is_named(attributes: dict[str, Attribute], reason: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        check_attributes(attributes)
    assert reason in str(raised.value)


def test_good_and_unknown_attributes_pass() -> None:
    check_attributes(
        {
            "lighting_class": "P4",
            "lighting_class_reduced": "P6",
            "minimum_dim_level": 0.4,
            "pedestrian_crossing": False,
            "control": "profile",
            "lighting_profile": "reduced_at_night",
            "rated_power_w": 26,
            "street_order": 3.5,
            "circuit": 7,
            "pole": "B-12",
            "feeder": None,
        }
    )


def test_an_import_names_the_row_of_a_wrong_attribute() -> None:
    text = "device_id,device_type,municipality,control\na,streetlight,marburg,live\nb,streetlight,marburg,radio\n"
    with pytest.raises(InvalidDevicesError, match="line 3: attribute control 'radio'"):
        parse_devices(text, ".csv")
    assert parse_devices(text.replace("streetlight", "waste_bin"), ".csv")[1].attributes == {"control": "radio"}


@pytest.mark.parametrize(
    ("said", "control"), [(None, Control.LIVE), ("live", Control.LIVE), ("profile", Control.PROFILE), (3, Control.LIVE)]
)
def test_a_lamp_is_driven_live_unless_it_says_profile(said: Attribute, control: Control) -> None:
    assert control_of({"control": said}) is control
