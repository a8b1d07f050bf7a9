"""Tags as the OpenStreetMap wiki documents them."""

import math

import pytest

from roads.tags import (
    HEAVY,
    LIGHT,
    Access,
    is_blocked,
    limit_kmh,
    metres,
    restricted_turn,
    road_kind,
    speed_kmh,
    tonnes,
)

NO, DESTINATION, YES = Access.NO, Access.DESTINATION, Access.YES


@pytest.mark.parametrize(
    ("text", "kmh"),
    [
        ("50", 50), ("30 mph", 48.28), ("30mph", 48.28), ("DE:urban", 50), ("DE:rural", 100), ("DE:zone:30", 30),
        ("DE:zone30", 30), ("walk", 7), ("DE:living_street", 7), ("50;30", 30), ("none", None), ("signals", None),
        ("", None), ("fast", None), ("0", None), ("DE:motorway", None), ("50 km/h", None), ("7.5", 7.5),
    ],
)  # fmt: skip
def test_speed_limits(text: str, kmh: float | None) -> None:
    assert limit_kmh(text) == (None if kmh is None else pytest.approx(kmh, abs=0.01))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("7.5", 7.5), ("3,5 t", 3.5), ("7500 kg", 7.5), ("10 st", 9.072), ("16000 lbs", 7.257), ("none", None), ("", None),
     ("default", None), ("12'6\"", None)],
)  # fmt: skip
def test_weights(text: str, expected: float | None) -> None:
    assert tonnes(text) == (None if expected is None else pytest.approx(expected, abs=0.001))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3.8", 3.8), ("3,8 m", 3.8), ("380 cm", 3.8), ("12'6\"", 3.81), ("12' 6\"", 3.81), ("12 ft", 3.6576),
     ("default", None), ("below_default", None), ("", None)],
)  # fmt: skip
def test_heights_and_widths(text: str, expected: float | None) -> None:
    assert metres(text) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("tags", "light", "heavy"),
    [
        ({}, YES, YES),
        ({"access": "private"}, NO, NO),
        ({"access": "no", "motor_vehicle": "yes"}, YES, YES),
        ({"vehicle": "destination"}, DESTINATION, DESTINATION),
        ({"hgv": "no"}, YES, NO),
        ({"hgv": "delivery"}, YES, DESTINATION),
        ({"motor_vehicle": "no", "hgv": "yes"}, NO, YES),
        ({"motorcar": "no"}, NO, NO),
        ({"motor_vehicle": "unbekannt"}, YES, YES),
        ({"access": "unknown", "vehicle": "agricultural"}, NO, NO),
        ({"highway": "track"}, DESTINATION, DESTINATION),
        ({"highway": "track", "tracktype": "grade5"}, NO, NO),
        ({"highway": "track", "tracktype": "grade5", "motor_vehicle": "yes"}, YES, YES),
        ({"highway": "service", "service": "driveway"}, DESTINATION, DESTINATION),
        ({"highway": "service", "service": "emergency_access"}, NO, NO),
        ({"highway": "pedestrian", "access": "yes"}, NO, NO),
        ({"highway": "pedestrian", "motor_vehicle": "delivery"}, DESTINATION, DESTINATION),
        ({"highway": "footway"}, NO, NO),
        ({"highway": "construction"}, NO, NO),
        ({"highway": "steps"}, NO, NO),
    ],
)
def test_who_may_drive(tags: dict[str, str], light: Access, heavy: Access) -> None:
    kind = road_kind({"highway": "residential"} | tags)
    found = (kind.forward_light, kind.forward_heavy) if kind else (NO, NO)
    assert found == (light, heavy)


@pytest.mark.parametrize(
    ("tags", "light", "heavy"),
    [
        ({}, "both", "both"),
        ({"oneway": "yes"}, "forward", "forward"),
        ({"oneway": "1"}, "forward", "forward"),
        ({"oneway": "-1"}, "backward", "backward"),
        ({"oneway": "no"}, "both", "both"),
        ({"oneway": "reversible"}, "none", "none"),
        ({"oneway:hgv": "yes"}, "both", "forward"),
        ({"oneway": "yes", "oneway:hgv": "no"}, "forward", "both"),
        ({"junction": "roundabout"}, "forward", "forward"),
        ({"junction": "circular"}, "forward", "forward"),
        ({"highway": "motorway"}, "forward", "forward"),
        ({"highway": "motorway", "oneway": "no"}, "both", "both"),
        ({"highway": "motorway_link"}, "both", "both"),
        ({"motor_vehicle:backward": "no"}, "forward", "forward"),
        ({"hgv:forward": "no"}, "both", "backward"),
    ],
)
def test_directions(tags: dict[str, str], light: str, heavy: str) -> None:
    kind = road_kind({"highway": "residential"} | tags)
    ways = {(True, True): "both", (True, False): "forward", (False, True): "backward", (False, False): "none"}
    assert (ways[bool(kind and kind.forward_light), bool(kind and kind.backward_light)]) == light
    assert (ways[bool(kind and kind.forward_heavy), bool(kind and kind.backward_heavy)]) == heavy


def test_limits_of_a_road() -> None:
    tags = {
        "highway": "primary",
        "maxweight": "16",
        "maxweightrating:hgv": "7.5",
        "maxheight": "3.8",
        "maxwidth": "2.5 m",
    }
    kind = road_kind(tags)
    assert kind is not None
    assert (kind.max_weight_t, kind.max_height_m, kind.max_width_m, kind.overweight) == (7.5, 3.8, 2.5, NO)
    spared = road_kind({"highway": "primary", "maxweight": "7.5", "maxweight:conditional": "none @ destination"})
    assert spared is not None
    assert (spared.max_weight_t, spared.overweight) == (7.5, DESTINATION)
    free = road_kind({"highway": "primary", "maxheight": "default", "maxweight": "none"})
    assert free is not None
    assert (free.max_weight_t, free.max_height_m) == (math.inf, math.inf)


def test_speeds_follow_class_and_limit() -> None:
    assert speed_kmh({"highway": "primary"}) == 60
    assert speed_kmh({"highway": "primary", "maxspeed": "50"}) == 42  # 0.85 of it
    assert speed_kmh({"highway": "primary", "source:maxspeed": "DE:urban"}) == 42
    assert speed_kmh({"highway": "primary", "maxspeed": "50", "source:maxspeed": "DE:zone:30"}) == 42
    assert speed_kmh({"highway": "residential", "maxspeed": "100"}) == 35
    assert speed_kmh({"highway": "track", "tracktype": "grade3"}) == 8
    assert speed_kmh({"highway": "residential", "maxspeed": "1"}) == 5


@pytest.mark.parametrize(
    ("tags", "blocked"),
    [
        ({}, False), ({"barrier": "bollard"}, True), ({"barrier": "gate"}, False),
        ({"barrier": "gate", "locked": "yes"}, True), ({"barrier": "gate", "access": "private"}, True),
        ({"barrier": "bollard", "motor_vehicle": "yes"}, False),
        ({"barrier": "bollard", "bicycle": "yes"}, True), ({"barrier": "kerb"}, False), ({"access": "no"}, False),
    ],
)  # fmt: skip
def test_barriers(tags: dict[str, str], blocked: bool) -> None:  # noqa: FBT001
    assert is_blocked(tags) is blocked


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"restriction": "no_left_turn"}, (False, LIGHT | HEAVY)),
        ({"restriction": "only_straight_on"}, (True, LIGHT | HEAVY)),
        ({"restriction:hgv": "no_right_turn"}, (False, HEAVY)),
        ({"restriction": "no_left_turn", "except": "bicycle;hgv"}, (False, LIGHT)),
        ({"restriction": "no_left_turn", "except": "motor_vehicle"}, None),
        ({"restriction:hgv": "no_left_turn", "except": "hgv"}, None),
        ({"restriction": "give_way"}, None),
        ({}, None),
    ],
)
def test_restrictions(tags: dict[str, str], expected: tuple[bool, int] | None) -> None:
    assert restricted_turn(tags) == expected
