"""Runs over the registry: a new device type is tested by its own examples, no test code is needed."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import parse_rfc3339
from core.device import Attribute
from core.errors import NotFoundError, PayloadError
from core.quantity import CATALOGUE, Value
from devices.base import decode_json, encode_json
from devices.registry import device_type, device_type_file, device_types
from rules.catalogue import load_rules

EXAMPLES = {name: json.loads(device_type_file(name, "examples.json").read_text("utf-8")) for name in device_types()}


def _cases(kind: str) -> list[Any]:
    return [
        pytest.param(name, example, id=f"{name}: {example['name']}")
        for name, examples in EXAMPLES.items()
        for example in examples[kind]
    ]


def _payload(example: dict[str, Any]) -> bytes:
    if "hex" in example:
        return bytes.fromhex(example["hex"])
    return (example["raw"] if "raw" in example else json.dumps(example["payload"])).encode()


def test_both_device_types_are_found() -> None:
    assert {"streetlight", "waste_bin"} <= set(device_types())


def test_an_unknown_type_names_the_known_ones() -> None:
    with pytest.raises(NotFoundError, match=r"unknown device type 'toaster'; known: streetlight, waste_bin"):
        device_type("toaster")


@pytest.mark.parametrize("name", device_types())
def test_has_all_its_files_and_only_quantities_of_the_catalogue(name: str) -> None:
    kind = device_types()[name]
    assert kind.name == name
    assert set(kind.quantities) <= set(CATALOGUE)
    assert len(EXAMPLES[name]["good"]) >= 3
    assert len(EXAMPLES[name]["bad"]) >= 3
    assert device_type_file(name, "README.md").read_text("utf-8").startswith("# ")
    assert load_rules()[name]


@pytest.mark.parametrize(("name", "example"), _cases("good"))
def test_good_example_decodes_to_its_values(name: str, example: dict[str, Any]) -> None:
    decoded = device_type(name).decode(_payload(example), example.get("attributes", {}))
    assert dict(decoded.values) == pytest.approx(example["values"])
    assert {key: type(value) for key, value in decoded.values.items()} == {
        key: type(value) for key, value in example["values"].items()
    }
    if "observed_at" in example:
        expected = example["observed_at"]
        assert decoded.observed_at == (None if expected is None else parse_rfc3339(expected))
    if "seq" in example:
        assert decoded.seq == example["seq"]
    assert [value.quantity for value in decoded.rejected] == example.get("rejected", [])
    assert decoded.unknown_keys == example.get("unknown_keys", 0)


@pytest.mark.parametrize(("name", "example"), _cases("bad"))
def test_bad_example_is_refused_with_its_reason(name: str, example: dict[str, Any]) -> None:
    with pytest.raises(PayloadError) as caught:
        device_type(name).decode(_payload(example), example.get("attributes", {}))
    assert example["reason"] in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from([*CATALOGUE, "observed_at", "seq", "other"])


@pytest.mark.parametrize("name", device_types())
@given(payload=st.binary(max_size=300) | st.dictionaries(KEYS, JSON, max_size=6).map(lambda m: json.dumps(m).encode()))
def test_any_bytes_decode_or_raise_payload_error(name: str, payload: bytes) -> None:
    kind = device_type(name)
    some: list[dict[str, Attribute]] = [{}, {"height_m": 1.2}, {"height_m": "tall", "sensor_offset_m": True}]
    for attributes in some:
        try:
            decoded = kind.decode(payload, attributes)
        except PayloadError as error:
            assert str(error)  # noqa: PT017 - both outcomes are right
        else:
            assert decoded.values
            for quantity, value in decoded.values.items():
                raw = list(filter(None, str(value).split(","))) if quantity == "faults" else value
                assert CATALOGUE[quantity].accept(raw) == value
            assert set(decoded.values) <= set(kind.quantities)


def test_64_kib_are_taken_and_one_byte_more_is_not() -> None:
    filler = b'{"dim_level": 1, "note": "' + b"x" * (65_536 - 28) + b'"}'
    assert len(filler) == 65_536
    assert device_type("streetlight").decode(filler, {}).values == {"dim_level": 1.0}
    with pytest.raises(PayloadError, match="65537 bytes is larger than 65536"):
        device_type("streetlight").decode(filler + b" ", {})


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(PayloadError, match="nested too deep"):
        device_type("waste_bin").decode(b"[" * 60_000, {})


def test_an_integer_of_thousands_of_digits_is_refused() -> None:
    with pytest.raises(PayloadError, match="number too long"):
        device_type("waste_bin").decode(b'{"seq": ' + b"9" * 5000 + b"}", {})


def test_encoding_and_decoding_give_back_what_was_written() -> None:
    values: dict[str, Value] = {
        "dim_level": 0.25,
        "power_state": "on",
        "faults": "day_burner,lamp_failure",
        "presence": True,
    }
    at = datetime(2026, 3, 1, 4, 5, 6, 789_000, tzinfo=UTC)
    decoded = decode_json(encode_json(values, observed_at=at, seq=9), frozenset(CATALOGUE))
    assert dict(decoded.values) == values
    assert (decoded.observed_at, decoded.seq) == (at, 9)
