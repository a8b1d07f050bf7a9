"""What is asked of every payload before it is decoded: may it say presence?"""

import json

from hypothesis import given
from hypothesis import strategies as st

from devices.registry import device_type

LAMP = device_type("streetlight")


@given(
    st.dictionaries(st.sampled_from(["dim_level", "presence_count", "x", "presence"]), st.booleans()),
    st.lists(st.integers(0, 7), unique=True),
)
def test_a_payload_that_says_presence_is_never_denied(message: dict[str, bool], escaped: list[int]) -> None:
    name = "".join(f"\\u{ord(letter):04x}" if place in escaped else letter for place, letter in enumerate("presence"))
    payload = json.dumps(message).replace('"presence"', f'"{name}"').encode()
    assert LAMP.may_say_presence(payload) or "presence" not in json.loads(payload)


def test_a_usual_report_needs_no_decoding() -> None:
    assert not LAMP.may_say_presence(b'{"dim_level":0.2,"presence_count":7,"active_power_w":8.0}')
    assert not device_type("waste_bin").may_say_presence(b'{"filling_level":0.5}')
