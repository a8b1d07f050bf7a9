from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.device import Attribute, Device, Municipality
from core.lighting import EventNights, LightGroup
from lights.assignment import LightingPlan, schedules
from lights.catalogue import parse_entry, profile_of
from lights.profile import LightingProfile, PresenceResponse, standby_profile

DEFAULT = standby_profile(PresenceResponse(dim_level=1.0, standby_dim_level=0.2, hold_s=60, fade_s=1, lamps_ahead=2))
BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = datetime(2026, 11, 20, 23, tzinfo=UTC)


def lamp(
    device_id: str = "a", municipality: str = "marburg", street: str | None = None, **attributes: Attribute
) -> Device:
    return Device(
        device_id=device_id, device_type="streetlight", municipality=municipality, latitude=50.81, longitude=8.77,
        street=street, attributes=attributes,
    )  # fmt: skip


def profile(name: str, level: float) -> LightingProfile:
    entry = parse_entry(name, {"nights": [{"days": ["every_day"], "dim_level": level}]}, "test")
    return profile_of(name, entry)


def group(group_id: str, lighting_profile: str | None, municipality: str = "marburg", **members: Any) -> LightGroup:
    return LightGroup(
        light_group_id=group_id, municipality=municipality, name=group_id, lighting_profile=lighting_profile,
        **members,
    )  # fmt: skip


def plan(*groups: LightGroup, **municipal: float) -> LightingPlan:
    profiles = {("marburg", name): profile(name, level) for name, level in municipal.items()}
    return LightingPlan(default=DEFAULT, zone=BERLIN, profiles=profiles, groups=groups)


def followed(device: Device, by: LightingPlan) -> tuple[str, float]:
    schedule = schedules([device], by)[device.device_id]
    return schedule.profile.name, schedule.at(NIGHT).dim_level


QUIET = group("g1", "quiet", street="Gasse")


@pytest.mark.parametrize(
    ("device", "by", "expected"),
    [
        (lamp(), plan(), ("default", 0.2)),
        (lamp(), plan(default=0.7), ("default", 0.7)),
        (lamp(municipality="lahntal"), plan(default=0.7), ("default", 0.2)),
        (lamp(street="Gasse"), plan(QUIET, default=0.7, quiet=0.3), ("quiet", 0.3)),
        (lamp(street="Gasse", lighting_profile="always_full"), plan(QUIET, quiet=0.3), ("always_full", 1.0)),
        (lamp(lighting_profile="always_full"), plan(always_full=0.9), ("always_full", 0.9)),
        (lamp(street="Gasse", lighting_profile="gone"), plan(QUIET, quiet=0.3), ("quiet", 0.3)),
        (lamp(street="Gasse"), plan(QUIET, default=0.7), ("default", 0.7)),
        (lamp(lighting_profile=7), plan(), ("default", 0.2)),
        (lamp(street="Gasse"), plan(group("g0", None, street="Gasse"), QUIET, quiet=0.3), ("quiet", 0.3)),
        (
            lamp(street="Gasse"),
            plan(group("g2", "loud", device_ids=frozenset({"a"})), QUIET, quiet=0.3, loud=0.9),
            ("quiet", 0.3),
        ),
    ],
)
def test_a_profile_is_that_of_the_lamp_else_group_else_municipality_else_default(
    device: Device, by: LightingPlan, expected: tuple[str, float]
) -> None:
    assert followed(device, by) == expected


@pytest.mark.parametrize(
    ("members", "device", "belongs"),
    [
        ({"device_ids": frozenset({"a", "b"})}, lamp("a"), True),
        ({"device_ids": frozenset({"b"})}, lamp("a"), False),
        ({"device_ids": frozenset({"a"})}, lamp("a", "lahntal"), False),
        ({"street": "Gasse"}, lamp(street="Gasse"), True),
        ({"street": "Gasse"}, lamp(street="Allee"), False),
        ({"circuit": "7"}, lamp(circuit=7), True),
        ({"circuit": "7"}, lamp(), False),
        ({"street": "Gasse", "circuit": "7"}, lamp(street="Gasse", circuit="7"), True),
        ({"street": "Gasse", "circuit": "7"}, lamp(street="Gasse", circuit="8"), False),
        ({"street": "Gasse", "device_ids": frozenset({"a"})}, lamp("a", street="Allee"), True),
        ({}, lamp(), False),
    ],
)
def test_who_belongs_to_a_group(members: dict[str, Any], device: Device, belongs: bool) -> None:  # noqa: FBT001
    one = group("g", "always_full", **members)
    assert one.includes(device) is belongs
    assert followed(device, plan(one))[0] == ("always_full" if belongs else "default")


def test_lamps_of_one_profile_and_place_share_a_schedule() -> None:
    lamps = [lamp("a"), lamp("b"), lamp("c", lighting_profile="always_full"), lamp("d", "lahntal")]
    found = schedules(lamps, plan())
    assert found["a"] is found["b"] is found["d"]
    assert found["a"] is not found["c"]
    fair = EventNights(municipality="marburg", name="fair", first=date(2026, 11, 20), last=date(2026, 11, 20))
    found = schedules(lamps, LightingPlan(default=DEFAULT, zone=BERLIN, events=[fair]))
    assert found["a"] is found["b"] is not found["d"]


def test_a_lamp_without_position_has_the_sun_of_its_municipality() -> None:
    device = Device(device_id="a", device_type="streetlight", municipality="marburg")
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert schedules([device], plan())["a"].at(noon).dim_level == 0.2
    placed = LightingPlan(
        default=DEFAULT, zone=BERLIN,
        municipalities=[Municipality(municipality="marburg", name="Marburg", latitude=50.8, longitude=8.8)],
    )  # fmt: skip
    assert schedules([device], placed)["a"].at(noon).dim_level == 0.0


def test_an_event_lights_its_own_municipality_only() -> None:
    fair = EventNights(municipality="marburg", name="fair", first=date(2026, 11, 20), last=date(2026, 11, 20))
    by = LightingPlan(default=DEFAULT, zone=BERLIN, events=[fair])
    assert followed(lamp(), by)[1] == 1.0
    assert followed(lamp(municipality="lahntal"), by)[1] == 0.2
