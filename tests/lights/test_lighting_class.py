import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.streetlight.attributes import LightingClass
from lights.lighting_class import MAINTAINED, minimum_dim_level, permitted_level

SHARES = st.floats(0, 1)


def reduced(installed: object, wanted: object) -> dict[str, object]:
    return {"lighting_class": installed, "lighting_class_reduced": wanted}


def test_every_class_but_p7_has_its_values_and_they_fall() -> None:
    assert set(LightingClass) - set(MAINTAINED) == {LightingClass.P7}
    for letter in "MCP":
        means = [value.mean for name, value in MAINTAINED.items() if name.startswith(letter)]
        assert means == sorted(means, reverse=True)
    for value in MAINTAINED.values():
        assert value.minimum is None or value.minimum == pytest.approx(value.mean / 5)


@pytest.mark.parametrize(
    ("installed", "wanted", "share"),
    [
        ("P4", "P6", 0.40),
        ("P3", "P6", 0.27),
        ("P2", "P5", 0.30),
        ("M3", "M5", 0.5),
        ("C2", "C5", 0.375),
        ("P4", "P4", 1),
    ],
)
def test_the_share_is_that_of_the_maintained_values(installed: str, wanted: str, share: float) -> None:
    assert minimum_dim_level(reduced(installed, wanted)) == pytest.approx(share, abs=0.005)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("attributes", "least"),
    [
        ({}, 0.0),
        ({"lighting_class": "P4"}, 0.0),
        ({"minimum_dim_level": 0.15}, 0.15),
        ({"minimum_dim_level": 0, **reduced("P4", "P6")}, 0.0),
        ({"minimum_dim_level": "low"}, 1.0),
        ({"minimum_dim_level": 1.5}, 1.0),
        ({"minimum_dim_level": True}, 1.0),
        ({"lighting_class": "S4"}, 1.0),
        (reduced("P4", "S6"), 1.0),
        (reduced(None, "P6"), 1.0),
        (reduced("M3", "P6"), 1.0),
        (reduced("P6", "P4"), 1.0),
        (reduced("P4", "P7"), 1.0),
    ],
)
def test_the_minimum_is_full_light_where_it_is_not_understood(attributes: dict[str, object], least: float) -> None:
    assert minimum_dim_level(attributes) == least  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("attributes", "wanted", "shown"),
    [
        ({}, 0.2, 0.2),
        (reduced("P4", "P6"), 0.2, 0.4),
        (reduced("P4", "P6"), 0.8, 0.8),
        (reduced("P4", "P6"), 0.0, 0.0),
        ({"pedestrian_crossing": True}, 0.2, 1.0),
        ({"pedestrian_crossing": True}, 0.0, 0.0),
        ({"pedestrian_crossing": False}, 0.2, 0.2),
        ({"location_category": "pedestrian_crossing"}, 0.2, 1.0),
        ({"location_category": "road"}, 0.2, 0.2),
    ],
)
def test_permitted_levels(attributes: dict[str, object], wanted: float, shown: float) -> None:
    assert permitted_level(attributes, wanted) == pytest.approx(shown)  # type: ignore[arg-type]


def test_in_the_dark_a_lamp_with_a_minimum_is_not_switched_off() -> None:
    assert permitted_level(reduced("P4", "P6"), 0.0, dark=True) == pytest.approx(0.4)  # type: ignore[arg-type]
    assert permitted_level({"pedestrian_crossing": True}, 0.0, dark=True) == 1.0
    assert permitted_level({}, 0.0, dark=True) == 0.0


@given(wanted=SHARES, least=SHARES, dark=st.booleans())
def test_a_permitted_level_is_never_darker_than_wanted_nor_above_full(wanted: float, least: float, dark: bool) -> None:  # noqa: FBT001
    shown = permitted_level({"minimum_dim_level": least}, wanted, dark=dark)
    assert wanted <= shown <= 1
    assert shown >= least or (wanted == 0 and not dark)
