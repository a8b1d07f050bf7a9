"""The fast way to read an object and the strict one: whenever the fast one answers, both say the same."""

import json
import struct
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import PayloadError
from core.quantity import CATALOGUE
from devices.base import MAX_PAYLOAD_BYTES, parse_any_object, parse_object, parse_usual_object

KEYS = st.sampled_from(
    ["presence", "dim_level", "voltage_v", "a", "a:b", ":", "", "ä", '\\"', "\\u0061", "{", "observed_at"]
)
NUMBERS = st.one_of(
    st.integers().map(str),
    st.integers(min_value=-(10**40), max_value=10**40).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.from_regex(r"-?[0-9]{1,25}(\.[0-9]{0,25})?([eE][+-]?[0-9]{0,4})?", fullmatch=True),
    st.sampled_from(["NaN", "Infinity", "-Infinity", "1e400", "-0", "-0.0", "01", "1.", ".5", "+1", "9" * 5000]),
)
STRINGS = st.one_of(
    st.text(max_size=8).map(json.dumps), st.sampled_from(['":"', '"a:b:c"', '"\\ud800"', '"{"', '"', '"\t"'])
)
VALUES = st.recursive(
    st.one_of(NUMBERS, STRINGS, st.sampled_from(["true", "false", "null", "True", "nul"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: f"[{','.join(parts)}]"),
        st.lists(st.tuples(KEYS, inner), max_size=3).map(
            lambda pairs: "{" + ",".join(f'"{key}":{value}' for key, value in pairs) + "}"
        ),
    ),
    max_leaves=4,
)
SPACE = st.sampled_from(["", "", "", " ", "\n\t ", "\x0b", "\u00a0"])


@st.composite
def objects(draw: st.DrawFn) -> bytes:
    """Objects, mostly right: duplicate keys, strange numbers, spaces in odd places, cut off or with a tail."""
    pairs = draw(st.lists(st.tuples(SPACE, KEYS, SPACE, SPACE, VALUES), max_size=5))
    text = "{" + ",".join(f'{a}"{key}"{b}:{c}{value}' for a, key, b, c, value in pairs) + "}" + draw(SPACE)
    payload = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(payload)))
        payload = payload[:at] + draw(st.binary(max_size=3)) + payload[at + draw(st.integers(0, 2)) :]
    return payload


def exactly(value: Any) -> Any:
    """A value in a form in which 1, 1.0 and True differ, and 0.0 and -0.0."""
    if isinstance(value, dict):
        return [(key, exactly(inner)) for key, inner in value.items()]
    if isinstance(value, list):
        return [exactly(inner) for inner in value]
    return type(value), struct.pack("d", value) if isinstance(value, float) else value


def check_same(payload: bytes) -> None:
    fast = parse_usual_object(payload)
    if fast is not None:
        assert exactly(fast) == exactly(parse_any_object(payload))


@given(objects())
@example(b'{"a":1,"a":1}')
@example(b'{"a":":","a":1}')
@example(b'{"a":1,"a":"::"}')
@example(b'{"a":[":"],"a":1}')
@example(b'{"a":["x:y"]}')
@example(b'{"a":{"b":1,"b":2}}')
@example(b'{"\\u0061":1,"a":2}')
@example(b'{"a":1}{')
@example(b'\xef\xbb\xbf{"a":1}')
@example(b'{"a":"\xed\xa0\x80"}')
def test_objects(payload: bytes) -> None:
    check_same(payload)


@given(st.binary(max_size=60))
def test_any_bytes(payload: bytes) -> None:
    check_same(payload)


@given(
    st.dictionaries(st.sampled_from(sorted(CATALOGUE)), st.one_of(st.booleans(), st.integers(), st.floats(-1e6, 1e6)))
)
def test_what_devices_send_takes_the_fast_way(values: dict[str, Any]) -> None:
    message = values | {"observed_at": "2026-11-22T03:45:14.5+01:00", "faults": ["lamp_failure"], "seq": 7}
    payload = json.dumps(message).encode()
    assert exactly(parse_usual_object(payload)) == exactly(message)


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"[]", b"null", b'"{"', b"{", b'{"a":1,"a":1}', b'{"a":"x:","a":":"}', b'{"a":{"b":1,"b":1}}',
        b'{"a":[{"b":1,"b":1}]}', b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":"\xff"}', b'{"\xff":1}',
        b'{"a":' + b"9" * 5000 + b"}", b'{"a":1} x', b"{" + b" " * MAX_PAYLOAD_BYTES + b"}", b'{"a":"\\u0062","a":1}',
    ],
)  # fmt: skip
def test_refused_both_ways(payload: bytes) -> None:
    assert parse_usual_object(payload) is None
    with pytest.raises(PayloadError):
        parse_object(payload)


RAW = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3),
    st.lists(st.text(max_size=3), max_size=2),
    st.sampled_from(["on", "off", "low", ["lamp_failure"], [], {}, 0, 1, 1.0, 2**53, 2**53 + 1, -1, 1.5, 10**400]),
)  # fmt: skip


def outcome(call: Any, raw: object) -> Any:
    try:
        return exactly(call(raw))
    except ValueError as error:
        return str(error)


@given(st.sampled_from(sorted(CATALOGUE)), RAW)
def test_a_compiled_check_says_what_accept_says(name: str, raw: object) -> None:
    quantity = CATALOGUE[name]
    assert outcome(quantity.compiled(), raw) == outcome(quantity.accept, raw)
