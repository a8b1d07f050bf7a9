import math

import pytest

from core.quantity import CATALOGUE, Kind, split_faults


def test_names_carry_their_units() -> None:
    suffixes = {"W": "_w", "V": "_v", "A": "_a", "kWh": "_kwh", "h": "_h", "degC": "_c", "m": "_m", "lx": "_lx",
                "kg": "_kg", "deg": "_deg", "dBm": "_dbm", "dB": "_db"}  # fmt: skip
    for quantity in CATALOGUE.values():
        if quantity.unit != "1":
            assert quantity.name.endswith(suffixes[quantity.unit]), quantity.name


@pytest.mark.parametrize("name", [name for name, quantity in CATALOGUE.items() if quantity.kind is Kind.NUMBER])
@pytest.mark.parametrize("raw", [math.nan, math.inf, -math.inf, True, "1", None, [1], {}, 10**400])
def test_a_number_is_a_finite_number(name: str, raw: object) -> None:
    with pytest.raises(ValueError, match=r"number|outside"):
        CATALOGUE[name].accept(raw)


def test_bounds_belong_to_the_range() -> None:
    level = CATALOGUE["dim_level"]
    assert level.accept(0) == 0.0
    assert level.accept(1) == 1.0
    for outside in (-0.0001, 1.0001):
        with pytest.raises(ValueError, match="outside 0 to 1"):
            level.accept(outside)


def test_counters_are_exact_integers() -> None:
    assert CATALOGUE["presence_count"].accept(2**53) == 2**53
    with pytest.raises(ValueError, match="outside"):
        CATALOGUE["presence_count"].accept(2**53 + 2)
    with pytest.raises(ValueError, match="integer"):
        CATALOGUE["presence_count"].accept(0.5)


def test_faults_split_into_names() -> None:
    assert split_faults("") == []
    assert split_faults("day_burner,lamp_failure") == ["day_burner", "lamp_failure"]
