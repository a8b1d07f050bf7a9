import json
from datetime import time
from pathlib import Path
from typing import Any

import pytest

from core.errors import InvalidInputError, SettingsError
from lights.calendar import WEEK, NightKind
from lights.catalogue import parse_entry, parse_profile_file, profile_of, shipped_profiles
from lights.profile import LightingProfile, NightPlan, PresenceResponse, Step, SunTime
from lights.sun import SunEvent


def parse_profile(name: str, data: object, where: str) -> LightingProfile:
    return profile_of(name, parse_entry(name, data, where))


EVERY_DAY = {"days": ["every_day"], "dim_level": 1.0}


def test_profiles_that_ship() -> None:
    shipped = shipped_profiles()
    assert set(shipped) == {"always_full", "reduced_at_night", "standby_and_presence"}
    assert set(shipped["always_full"].nights.values()) == {NightPlan(1.0, 1.0), NightPlan()}
    reduced = shipped["reduced_at_night"]
    assert reduced.off == SunTime(SunEvent.SUNRISE)
    assert reduced.nights[NightKind.TUESDAY].steps == (Step(time(22), 0.5, 60), Step(time(5), 1.0, 60))
    standby = shipped["standby_and_presence"]
    assert standby.presence == PresenceResponse(
        dim_level=0.8, standby_dim_level=0.2, hold_s=60, fade_s=1, lamps_ahead=2
    )
    assert standby.nights[NightKind.SUNDAY].dim_level == 0.2
    for profile in shipped.values():
        assert profile.title
        assert profile.title_de
        assert profile.source
        assert set(profile.nights) == set(NightKind)
        assert profile.nights[NightKind.EVENT].dim_level == 1.0


def test_days_are_named_singly_or_together() -> None:
    profile = parse_profile(
        "quiet",
        {"nights": [{"days": ["weekday", "holiday"], "dim_level": 0.4}, {"days": ["saturday", "sunday"]}]},
        "test",
    )
    levels = {kind: plan.dim_level for kind, plan in profile.nights.items()}
    assert [levels[day] for day in WEEK] == [0.4, 0.4, 0.4, 0.4, 0.4, 1.0, 1.0]
    assert (levels[NightKind.HOLIDAY], levels[NightKind.EVENT]) == (0.4, 1.0)


def test_a_holiday_without_a_plan_is_like_a_sunday() -> None:
    profile = parse_profile(
        "p", {"nights": [{"days": ["weekday", "saturday"]}, {"days": ["sunday"], "dim_level": 0.3}]}, "t"
    )
    assert profile.nights[NightKind.HOLIDAY] == profile.nights[NightKind.SUNDAY]


def test_steps_relative_to_the_sun_and_at_standby() -> None:
    data = {
        "on": {"at": "sunset", "offset_min": -10},
        "presence": {"standby_dim_level": 0.1, "dim_level": 1},
        "nights": [
            {"days": ["every_day"], "dim_level": 1, "steps": [{"at": "sunset", "offset_min": 120, "fade_s": 30}]},
        ],
    }
    profile = parse_profile("p", data, "test")
    assert profile.on == SunTime(SunEvent.SUNSET, -10)
    assert profile.nights[NightKind.FRIDAY].steps == (Step(SunTime(SunEvent.SUNSET, 120), 0.1, 30),)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "nights: Field required"),
        ({"nights": []}, "nights: List should have at least 1 item"),
        ({"nights": [{"days": ["weekday"]}]}, "nights: saturday has no plan"),
        ({"nights": [EVERY_DAY, {"days": ["friday"]}]}, "nights: friday has more than one plan"),
        ({"nights": [{"days": ["caturday"]}]}, "nights 1: days 1: Input should be"),
        ({"nights": [{**EVERY_DAY, "dim_level": 1.1}]}, "nights 1: dim_level: Input should be less than or equal to 1"),
        ({"nights": [{**EVERY_DAY, "dim_level": True}]}, "nights 1: dim_level: Input should be a valid number"),
        (
            {"nights": [{**EVERY_DAY, "steps": [{"at": "22:00", "dim_level": 0.5}, {"at": "24:00", "dim_level": 1}]}]},
            "nights 1: steps 2: at: expected a local time such as 22:00, or one of sunset",
        ),
        (
            {"nights": [{**EVERY_DAY, "steps": [{"at": "22:00", "dim_level": 0.5, "offset_min": 5}]}]},
            "nights 1: steps 1: offset_min goes with an event of the sun",
        ),
        ({"nights": [{**EVERY_DAY, "steps": [{"at": "22:00"}]}]}, "nights 1: steps 1: dim_level is missing"),
        (
            {"nights": [{**EVERY_DAY, "steps": [{"at": "22:00", "dim_level": 0}, {"at": "22:00", "dim_level": 1}]}]},
            "nights 1: two steps at 22:00",
        ),
        ({"nights": [EVERY_DAY], "of": {"at": "sunrise"}}, "of: Extra inputs are not permitted"),
        ({"nights": [EVERY_DAY], "off": {"at": "sunset"}}, "off: at: Input should be 'civil_dawn' or 'sunrise'"),
        (
            {"nights": [EVERY_DAY], "presence": {"standby_dim_level": 0.2, "dim_level": 1, "hold_s": 2000}},
            "presence: hold_s: Input should be less than or equal to 1200",
        ),
        ("full", "Input should be"),
    ],
)
def test_what_is_wrong_is_named(data: Any, message: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        parse_profile("night_1", data, "marburg")
    assert str(raised.value).startswith(f"marburg: profile night_1: {message}")


def test_the_example_of_the_documentation_is_a_profile() -> None:
    text = (Path(__file__).parents[2] / "docs" / "streetlights.md").read_text("utf-8")
    example = json.loads(text.split("```json\n")[1].split("```")[0])
    profile = parse_profile("example", example, "docs")
    assert profile.nights[NightKind.MONDAY].steps[0] == Step(time(22), 0.2, 60)
    assert profile.nights[NightKind.HOLIDAY].steps == (Step(SunTime(SunEvent.SUNSET, 180), 0.1),)


@pytest.mark.parametrize("name", ["", "Night", "1st", "a" * 65, "über"])
def test_names_are_slugs(name: str) -> None:
    with pytest.raises(InvalidInputError, match="a name is 1-64 of a-z"):
        parse_profile(name, {"nights": [EVERY_DAY]}, "test")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[profile]", "f.toml: "),
        ("profile = 3", r"f.toml: expected \[\[profile\]\] tables"),
        ('[[profile]]\nname = "a"\n', "f.toml: profile a: nights: Field required"),
        (2 * '[[profile]]\nname = "a"\nnights = [{days = ["every_day"]}]\n', "f.toml: profile a: there are two"),
        ('[[profile]]\nnights = [{days = ["every_day"]}]\n', "f.toml: profile '': a name is"),
    ],
)
def test_a_wrong_file_stops_the_program(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=f"^{message}"):
        parse_profile_file(text, "f.toml")
