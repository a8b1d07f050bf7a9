"""Trees of conditions on readings, by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.device import Attribute, Device
from core.errors import SettingsError
from core.quantity import Value
from devices.registry import device_type
from rules.context import Surroundings
from rules.derived_over_time import Rate, SettledLevel, Unchanged
from rules.judged_reading import JudgedReading
from rules.memory import DeviceMemory
from rules.rule import Rule
from rules.rule_file import parse_rules

NOON = datetime(2026, 6, 21, 12, tzinfo=UTC)
LAMP = Device(
    device_id="lamp-1",
    device_type="streetlight",
    municipality="marburg",
    latitude=50.81,
    longitude=8.77,
    attributes={"rated_power_w": 40, "class": "P4"},
)
HEAD = 'name = "x"\nseverity = "info"\nsummary = "a"\nsummary_de = "b"\n'


def seen(device: Device = LAMP, at: datetime = NOON, **values: Value) -> JudgedReading:
    return JudgedReading(values, device, at, DeviceMemory(), Surroundings())


def rule(body: str, kind: str = "streetlight") -> Rule:
    (made,) = parse_rules(device_type(kind), f"[[rule]]\n{HEAD}{body}\n")
    return made


def holds(when: str, before: JudgedReading | None = None, *, held: bool = False, **values: Value) -> bool | None:
    made = rule(f"when = {when}")
    assert made.when is not None
    return made.when.test(made.parameters)(before or seen(LAMP, NOON, **values), held)


LIT = '{ quantity = "dim_level", above = 0.1 }'
WARM = '{ quantity = "temperature_c", above = 50 }'


@pytest.mark.parametrize(
    ("values", "both", "either", "neither"),
    [
        ({"dim_level": 1, "temperature_c": 60}, True, True, False),
        ({"dim_level": 1, "temperature_c": 10}, False, True, False),
        ({"dim_level": 0, "temperature_c": 10}, False, False, True),
        ({"dim_level": 1}, None, True, False),
        ({"dim_level": 0}, False, False, True),
        ({"voltage_v": 1.0}, None, None, None),
    ],
)
@pytest.mark.parametrize("padding", ["", f", {LIT}"])
def test_all_any_and_not(values: dict[str, Any], both: object, either: object, neither: object, padding: str) -> None:
    """With two parts and with three: what is unknown makes `all` unknown and is passed over by `any`."""
    assert holds(f"{{ all = [{LIT}, {WARM}{padding}] }}", **values) is both
    assert holds(f"{{ any = [{WARM}, {LIT}{padding}] }}", **values) is either
    assert holds(f"{{ not = {{ any = [{LIT}, {WARM}{padding}] }} }}", **values) is neither


def test_a_hysteresis_holds_on_to_what_held() -> None:
    high = '{ quantity = "temperature_c", above = 70, hysteresis = 10 }'
    low = '{ quantity = "voltage_v", below = 198, hysteresis = 7 }'
    assert [holds(high, temperature_c=65, held=held) for held in (False, True)] == [False, True]
    assert [holds(high, temperature_c=59, held=held) for held in (False, True)] == [False, False]
    assert [holds(low, voltage_v=204, held=held) for held in (False, True)] == [False, True]


def test_attributes_are_compared_with_what_they_are() -> None:
    def of(condition: str) -> bool | None:
        return holds(f'{{ all = [{{ quantity = "dim_level", above = 0 }}, {condition}] }}', dim_level=0)

    assert of('{ attribute = "rated_power_w", above = 30 }') is True
    assert of('{ attribute = "class", equals = "P4" }') is True
    assert of('{ attribute = "class", above = 3 }') is None  # a text is neither above nor below
    assert of('{ attribute = "colour", equals = "red" }') is None


def derived(name: str, device: Device = LAMP, at: datetime = NOON, **values: Value) -> Value | None:
    when = f'{{ all = [{{ derived = "{name}", above = 0 }}, {{ quantity = "dim_level", above = 0 }}] }}'
    made = rule(f"when = {when}")
    assert made.value is not None
    return made.value.reader(made.parameters)(seen(device, at, **values))


def test_power_is_that_of_the_level() -> None:
    """40 W rated, 5 % driver share: half light should take 40 x (0.05 + 0.95 x 0.5) = 21 W."""
    half: dict[str, Any] = {"dim_level": 0.5, "active_power_w": 31.5}
    assert derived("expected_power_w", **half) == pytest.approx(21)
    assert derived("power_ratio", **half) == pytest.approx(1.5)
    assert derived("power_difference_w", **half) == pytest.approx(10.5)
    assert derived("power_share", **half) == pytest.approx(31.5 / 40)
    assert derived("level_error", dim_level=0.5, active_power_w=40.0) == pytest.approx(0.5)
    own = Device(
        device_id="l",
        device_type="streetlight",
        municipality="m",
        attributes={"rated_power_w": 100, "standby_share": 0.2, "standby_power_w": 1},
    )
    assert derived("expected_power_w", own, dim_level=0.5) == pytest.approx(61)
    assert derived("expected_power_w", own, dim_level=0) == 1


@pytest.mark.parametrize("rated", [None, 0, -5, "40", True])
def test_without_a_rated_power_nothing_is_expected(rated: Attribute) -> None:
    lamp = Device(device_id="l", device_type="streetlight", municipality="m", attributes={"rated_power_w": rated})
    for name in ("expected_power_w", "power_ratio", "power_difference_w", "power_share", "level_error"):
        assert derived(name, lamp, dim_level=1, active_power_w=10) is None


def test_an_off_lamp_has_no_power_ratio() -> None:
    assert derived("power_ratio", dim_level=0, active_power_w=0.6) is None


@pytest.mark.parametrize(
    ("at", "degrees"),
    [
        # Solar declination 23.4 deg at the solstice: 90 - 50.81 + 23.4 at local noon (11:27 UTC at 8.77 E).
        (datetime(2026, 6, 21, 11, 27, tzinfo=UTC), 62.6),
        (datetime(2026, 12, 21, 11, 23, tzinfo=UTC), 15.8),
        (datetime(2026, 6, 21, 23, 27, tzinfo=UTC), -15.8),
    ],
)
def test_the_sun(at: datetime, degrees: float) -> None:
    assert derived("sun_elevation_deg", at=at) == pytest.approx(degrees, abs=0.5)


def test_no_position_no_sun() -> None:
    nowhere = Device(device_id="l", device_type="streetlight", municipality="m")
    assert derived("sun_elevation_deg", nowhere) is None


@pytest.mark.parametrize(("tilt", "upright"), [(0, 0), (-45, 45), (350, 10), (-350, 10), (180, 180), (270, 90)])
def test_tilt_from_upright(tilt: float, upright: float) -> None:
    made = rule('when = { derived = "tilt_from_upright_deg", above = 30 }', "waste_bin")
    assert made.value is not None
    assert made.value.reader({})(seen(tilt_deg=tilt)) == upright


def tracked(tracker: Rate | SettledLevel | Unchanged, points: list[tuple[float, float]]) -> float | None:
    memory = DeviceMemory()
    last = seen()
    for hours, level in points:
        last = JudgedReading({"filling_level": level}, LAMP, NOON + timedelta(hours=hours), memory, Surroundings())
        tracker.note(last)
    return tracker.value(last)


def test_a_rate_needs_half_its_span() -> None:
    rate = Rate("filling_level", 8 * 3600)
    assert tracked(rate, [(0, 0.1), (3, 0.4)]) is None
    assert tracked(rate, [(0, 0.1), (3, 0.4), (5, 0.6)]) == pytest.approx(0.1)
    assert tracked(rate, [(0, 0.1), (1, 0.5), (9, 0.9)]) == pytest.approx(0.05)  # the first point is too old


def test_a_rate_begins_anew_after_an_emptying_and_ignores_late_values() -> None:
    rate = Rate("filling_level", 4 * 3600)
    assert tracked(rate, [(0, 0.2), (2, 0.9), (4, 0.0), (5, 0.1)]) is None
    assert tracked(rate, [(0, 0.2), (2, 0.9), (4, 0.0), (6, 0.2)]) == pytest.approx(0.1)
    assert tracked(rate, [(0, 0.2), (2, 0.4), (1, 0.0)]) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("points", "level"),
    [
        ([(0, 0.4), (1, 0.95)], 0.95),  # known for too short a time to doubt it
        ([(0, 0.4), (1, 0.41), (2, 0.95)], 0.41),
        ([(0, 0.4), (1, 0.41), (2, 0.95), (3, 0.42)], 0.42),
        ([(0, 0.4), (1, 0.41), (2, 0.95), (3, 0.96)], 0.96),
        ([(0, 0.4), (1, 0.41), (2, 0.55)], 0.55),
        ([(0, 0.4), (1, 0.41), (3, 0.95)], 0.95),  # two hours later it may be so
        ([(0, 0.9), (1, 0.91), (2, 0.0), (1, 0.0)], 0.9),
    ],
)
def test_a_level_far_off_is_believed_when_it_comes_twice(points: list[tuple[float, float]], level: float) -> None:
    assert tracked(SettledLevel(), points) == level


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 1)), max_size=300))
def test_a_rate_keeps_few_points_and_never_fails(points: list[tuple[float, float]]) -> None:
    rate = Rate("filling_level", 24 * 3600)
    memory = DeviceMemory()
    for hours, level in points:
        each = JudgedReading({"filling_level": level}, LAMP, NOON + timedelta(hours=hours), memory, Surroundings())
        rate.note(each)
        rate.value(each)
    assert all(len(note.kept) <= 50 for note in memory.notes.values())


def test_how_long_a_value_has_been_the_same() -> None:
    unchanged = Unchanged("filling_level")
    assert tracked(unchanged, [(0, 0.3), (10, 0.3), (20, 0.3)]) == 20 * 3600
    assert tracked(unchanged, [(0, 0.3), (10, 0.31), (30, 0.31), (20, 0.5)]) == 20 * 3600


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("when = { all = [] }", "rule 1 when all"),
        ("when = { any = [{ above = 3 }] }", "x: when any 1: expected exactly one of quantity, attribute, derived"),
        (f"when = {{ all = [{LIT}], any = [{LIT}] }}", "x: when: expected exactly one of all, any, not"),
        (f'when = {{ all = [{LIT}], quantity = "dim_level" }}', "x: when: expected nothing beside all"),
        ('when = { quantity = "dim_level" }', "x: when: expected exactly one of all, any, not, above"),
        ('when = { not = { quantity = "dim_level", above = 1, hysteresis = 0.1 } }', "when not hysteresis: cannot"),
        ('when = { quantity = "dim_level", above = "much" }', "when above: there is no parameter much"),
        ('when = { quantity = "dim_level", above = 1, hysteresis = -1 }', "when hysteresis: must not be negative"),
        ('when = { derived = "luck", above = 1 }', "when derived: luck is no derived value of a streetlight"),
        (
            'when = { derived = "hours_to_full", over_s = 9, above = 1 }',
            "hours_to_full is no derived value of a street",
        ),
        ('when = { derived = "rate_per_h", above = 1, over_s = 60 }', "when of: expected it where"),
        ('when = { derived = "rate_per_h", of = "voltage_v", above = 1 }', "when over_s: expected it where"),
        ('when = { derived = "rate_per_h", of = "weight", over_s = 60, above = 1 }', "when of: weight is none of"),
        ('when = { derived = "rate_per_h", of = "voltage_v", over_s = 0, above = 1 }', "over_s: must be longer"),
        ('when = { derived = "alert_age_s", of = "y", above = 1 }', "when of: there is no rule y"),
        ('when = { attribute = "circuit", equals = "7" }', "when: expected at least one quantity"),
        ('when = { derived = "light_explained", above = 1 }', "above and below need a number"),
        ('when = { quantity = "dim_level", equals = true }', "when equals: is no value of dim_level"),
        (f"when = {LIT}\nparameters = {{ spare = 1 }}", "parameters spare: nothing in the rule uses it"),
        (f"when = {LIT}\nsilent_s = 60", "expected exactly one of"),
        ('group_by = "circuit"\nexplains = ["y"]', "explains: there is no other rule y"),
        ('group_by = "circuit"', "group_by and explains belong together"),
        (f"when = {LIT}\nfor_reports = 0", "for_reports"),
        ('quantity = "dim_level"\nabove = nan', "above"),
    ],
)
def test_a_wrong_condition_is_named(body: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        rule(body)


@pytest.mark.parametrize(
    "text", ["{name.__class__}", "{value[0]}", "{value:>999999999}", "{0}", "{", "{name!r}", "{who}"]
)
def test_a_summary_reaches_nothing_but_its_fields(text: str) -> None:
    with pytest.raises(SettingsError, match="rule x: summary"):
        parse_rules(
            device_type("streetlight"),
            f"[[rule]]\nname = 'x'\nseverity = 'info'\nsummary = '{text}'\nsummary_de = 'b'\nwhen = {LIT}\n",
        )
