from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

import pytest
from astral import Observer
from astral.sun import elevation
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from core.command import SetProfile
from core.lighting import EventNights
from devices.streetlight.codec import decode_set_profile, encode_set_profile
from lights.calendar import Calendar, NightKind
from lights.catalogue import shipped_profiles
from lights.profile import LightingProfile, NightPlan, Step, SunTime
from lights.schedule import Schedule, ScheduledLevel, instant_of, profile_settings
from lights.sun import SunEvent

BERLIN = ZoneInfo("Europe/Berlin")
MARBURG = (50.8, 8.8)
TROMSO = (69.65, 18.96)
NOWHERE = (None, None)
REDUCED = shipped_profiles()["reduced_at_night"]
ALWAYS = shipped_profiles()["always_full"]
SUNSET, DUSK, DAWN, SUNRISE = SunEvent


def profile(*steps: Step, dim_level: float = 1.0, on: SunEvent = DUSK, off: SunEvent = SUNRISE) -> LightingProfile:
    plan = NightPlan(dim_level=dim_level, steps=steps)
    return LightingProfile(
        name="p", on=SunTime(on), off=SunTime(off), nights=MappingProxyType(dict.fromkeys(NightKind, plan))
    )


def schedule(
    followed: LightingProfile, place: tuple[float | None, float | None] = MARBURG, calendar: Calendar | None = None
) -> Schedule:
    return Schedule(followed, calendar or Calendar(), *place, BERLIN)


def local(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=BERLIN)  # type: ignore[misc,arg-type]


def told(found: Schedule, night: date) -> list[tuple[str, float]]:
    return [(f"{at.astimezone(BERLIN):%d %H:%M}", level) for at, level in profile_settings(found, night)]


def test_a_winter_night_has_all_its_steps() -> None:
    """Civil dusk 17:09, sunrise 07:50."""
    assert told(schedule(REDUCED), date(2026, 11, 20)) == [
        ("20 12:10", 0.0),
        ("20 17:08", 1.0),
        ("20 22:00", 0.5),
        ("21 05:00", 1.0),
        ("21 07:49", 0.0),
    ]


def test_a_step_before_dusk_has_passed_and_one_after_sunrise_is_not_reached() -> None:
    """Midsummer: civil dusk 22:28, sunrise 05:11; with a step at 05:30 instead of 05:00 none is reached."""
    followed = profile(Step(time(22), 0.5), Step(time(5, 30), 1.0))
    assert [level for _, level in told(schedule(followed), date(2026, 6, 20))] == [0.0, 0.5, 0.0]


def test_the_level_says_from_when_until_when_and_how_fast() -> None:
    found = schedule(REDUCED)
    assert found.at(local(2026, 11, 20, 23)) == ScheduledLevel(
        0.5, 60, local(2026, 11, 20, 22).astimezone(UTC), local(2026, 11, 21, 5).astimezone(UTC)
    )
    day = found.at(local(2026, 11, 20, 12))
    assert (day.dim_level, day.lit) == (0.0, False)
    assert day == found.at(local(2026, 11, 20, 13))
    assert [f"{at.astimezone(BERLIN):%d %H:%M}" for at in (day.since, day.until)] == ["20 07:48", "20 17:08"]


def test_the_sunset_of_a_night_never_fires_at_midnight() -> None:
    """openremote/openremote#1100: a rule triggered by sunset fired at midnight."""
    found = schedule(profile(Step(SunTime(SUNSET, 60), 0.3)))
    for day in range(365):
        midnight = datetime(2026, 1, 1, tzinfo=BERLIN) + timedelta(days=day)
        assert (
            found.at(midnight) == found.at(midnight - timedelta(minutes=5)) == found.at(midnight + timedelta(minutes=5))
        )


def test_a_step_relative_to_the_sun_moves_with_it() -> None:
    followed = profile(Step(SunTime(SUNSET, 120), 0.4), Step(SunTime(SUNRISE, -60), 0.8))
    # Sunset 16:20 and 21:41, sunrise 08:24 and 05:11.
    winter, summer = (told(schedule(followed), date(2026, month, 20)) for month in (12, 6))
    assert [at for at, level in winter if level in (0.4, 0.8)] == ["20 18:20", "21 07:24"]
    assert [at for at, level in summer if level in (0.4, 0.8)] == ["20 23:41", "21 04:11"]


def test_a_clock_step_in_the_missing_hour_takes_place_when_the_clocks_are_put_forward() -> None:
    found = schedule(profile(Step(time(2, 30), 0.5)))
    changed = datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert found.at(changed - timedelta(seconds=1)).dim_level == 1.0
    assert found.at(changed).since == changed
    assert found.at(changed).dim_level == 0.5


def test_of_two_steps_in_the_missing_hour_the_later_one_holds() -> None:
    found = schedule(profile(Step(time(2, 40), 0.3), Step(time(2, 10), 0.6)))
    assert found.at(datetime(2026, 3, 29, 1, tzinfo=UTC)).dim_level == 0.3
    assert found.at(datetime(2026, 3, 28, 23, tzinfo=UTC)).dim_level == 1.0


def test_a_clock_step_in_the_doubled_hour_takes_place_once_at_the_first() -> None:
    found = schedule(profile(Step(time(2, 30), 0.5), Step(time(2, 45), 0.8)))
    levels = [
        (level.since, level.dim_level) for level in found.night(date(2026, 10, 24)) if level.dim_level in (0.5, 0.8)
    ]
    assert levels == [
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), 0.5),
        (datetime(2026, 10, 25, 0, 45, tzinfo=UTC), 0.8),
    ]


@pytest.mark.parametrize(
    ("zone", "day", "at", "expected"),
    [
        ("Europe/Berlin", date(2026, 3, 29), time(2), "2026-03-29T01:00Z"),
        ("Europe/Berlin", date(2026, 3, 29), time(2, 59), "2026-03-29T01:00Z"),
        ("Europe/Berlin", date(2026, 3, 29), time(3), "2026-03-29T01:00Z"),
        ("Europe/Berlin", date(2026, 3, 29), time(1, 59), "2026-03-29T00:59Z"),
        ("Europe/Berlin", date(2026, 10, 25), time(2, 30), "2026-10-25T00:30Z"),
        ("Europe/Berlin", date(2026, 10, 25), time(3), "2026-10-25T02:00Z"),
        ("Australia/Lord_Howe", date(2026, 10, 4), time(2, 15), "2026-10-03T15:30Z"),  # half an hour only
        ("Pacific/Apia", date(2011, 12, 30), time(12), "2011-12-30T10:00Z"),  # a day that was left out
    ],
)
def test_the_instant_of_a_local_time(zone: str, day: date, at: time, expected: str) -> None:
    assert instant_of(day, at, ZoneInfo(zone)) == datetime.fromisoformat(expected)


def test_a_night_follows_the_plan_of_the_date_on_which_it_begins() -> None:
    nights = dict.fromkeys(NightKind, NightPlan(0.4)) | {NightKind.SATURDAY: NightPlan(0.9)}
    found = schedule(LightingProfile(name="p", nights=MappingProxyType(nights)))
    assert found.at(local(2026, 11, 21, 23)).dim_level == 0.9  # Saturday
    assert found.at(local(2026, 11, 22, 5)).dim_level == 0.9
    assert found.at(local(2026, 11, 22, 23)).dim_level == 0.4


def test_an_event_night_has_full_light() -> None:
    fair = EventNights(municipality="m", name="fair", first=date(2026, 11, 21), last=date(2026, 11, 21))
    found = schedule(REDUCED, calendar=Calendar((fair,)))
    assert found.at(local(2026, 11, 21, 23)).dim_level == 1.0
    assert found.at(local(2026, 11, 22, 3)).dim_level == 1.0
    assert found.at(local(2026, 11, 22, 23)).dim_level == 0.5


def test_a_step_by_day_holds_until_the_next_step() -> None:
    """A school path lit until eight, and an underpass that is never dark."""
    path = schedule(profile(Step(time(6), 1.0, by_day=True), Step(time(8), 1.0)))
    assert path.at(local(2026, 6, 22, 7)).dim_level == 1.0
    assert (path.at(local(2026, 6, 22, 9)).dim_level, path.at(local(2026, 6, 22, 9)).lit) == (0.0, False)
    assert path.at(local(2026, 12, 22, 8, 10)).dim_level == 1.0  # before sunrise
    underpass = schedule(profile(Step(time(6), 1.0, by_day=True), Step(time(22), 0.5)))
    assert [underpass.at(local(2026, 6, 22, hour)).dim_level for hour in (7, 12, 15, 21, 23)] == [
        1.0,
        1.0,
        1.0,
        1.0,
        0.5,
    ]


def test_a_lamp_switched_off_at_night_is_told_from_one_that_is_off_by_day() -> None:
    found = schedule(profile(Step(time(1), 0.0), Step(time(5), 1.0)))
    night, day = found.at(local(2026, 11, 21, 2)), found.at(local(2026, 11, 21, 13))
    assert (night.dim_level, night.lit) == (0.0, True)
    assert (day.dim_level, day.lit) == (0.0, False)


def test_midnight_sun_needs_no_light_and_polar_night_has_it_all_day() -> None:
    assert told(schedule(REDUCED, TROMSO), date(2026, 6, 10)) == [("10 12:43", 0.0)]
    followed = profile(Step(time(22), 0.5), Step(time(5), 1.0), on=SUNSET)
    assert told(schedule(followed, TROMSO), date(2026, 12, 21)) == [
        ("21 11:41", 1.0),
        ("21 22:00", 0.5),
        ("22 05:00", 1.0),
    ]


def test_light_that_would_go_off_at_a_dawn_that_is_missing_lasts_until_the_sun_is_up() -> None:
    """62 degrees north at midsummer: the sun sets, but it stays in civil twilight."""
    found = schedule(profile(on=SUNSET, off=DAWN), (62.0, 25.0))
    night = found.night(date(2026, 6, 21))
    assert [level.dim_level for level in night] == [0.0, 1.0, 0.0]
    assert night[1].until - night[1].since > timedelta(hours=3)
    assert [level.dim_level for level in schedule(profile(), (62.0, 25.0)).night(date(2026, 6, 21))] == [0.0]


def test_without_position_the_light_is_never_off_and_follows_the_clock() -> None:
    found = schedule(REDUCED, NOWHERE)
    levels = [found.at(local(2026, 6, 20, hour)).dim_level for hour in (0, 4, 6, 11, 13, 20, 23)]
    assert levels == [0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 0.5]


def test_settings_of_a_lamp_are_those_it_may_show() -> None:
    found, night = schedule(profile(Step(time(22), 0.2), Step(time(1), 0.0), Step(time(5), 0.4))), date(2026, 11, 20)
    assert [level for _, level in profile_settings(found, night)] == [0.0, 1.0, 0.2, 0.0, 0.4, 0.0]
    classes = {"lighting_class": "P4", "lighting_class_reduced": "P6"}
    assert [level for _, level in profile_settings(found, night, classes)] == [0.0, 1.0, 0.4, 0.0]
    assert [level for _, level in profile_settings(found, night, {"pedestrian_crossing": True})] == [0.0, 1.0, 0.0]


def test_the_settings_of_a_night_go_into_the_command() -> None:
    steps = [Step(time((18 + number // 2) % 24, number % 2 * 30), number % 2, by_day=True) for number in range(16)]
    found, night = schedule(profile(*steps)), date(2026, 11, 20)
    settings = tuple(profile_settings(found, night))
    command = SetProfile(
        command_id="c", settings=settings, valid_until=found.night(night)[-1].until,
        issued_at=settings[0][0], expires_at=settings[0][0],
    )  # fmt: skip
    assert len(settings) >= 16
    assert decode_set_profile(encode_set_profile(command)) == command


def test_an_instant_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without time zone"):
        schedule(REDUCED).at(datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused


LEVELS = st.floats(0, 1)
TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0)) | st.builds(
    SunTime, st.sampled_from(SunEvent), st.integers(-360, 360)
)
STEPS = st.lists(st.builds(Step, TIMES, LEVELS, st.just(1.0), st.booleans()), max_size=5)
PLACES = st.sampled_from([MARBURG, TROMSO, NOWHERE, (-54.8, -68.3)])


@given(
    steps=STEPS,
    place=PLACES,
    on=st.sampled_from([SUNSET, DUSK]),
    off=st.sampled_from([DAWN, SUNRISE]),
    now=st.integers(0, 3 * 366 * 86_400).map(
        lambda seconds: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    ),
    share=st.floats(0, 0.999),
)
@given_settings(deadline=None)
def test_a_level_holds_exactly_from_since_until_until(  # noqa: PLR0917
    steps: list[Step], place: tuple[float, float], on: SunEvent, off: SunEvent, now: datetime, share: float
) -> None:
    found = schedule(profile(*steps, on=on, off=off), place)
    level = found.at(now)
    assert level.since <= now < level.until
    assert 0 <= level.dim_level <= 1
    assert found.at(level.since) == level
    assert found.at(level.since + (level.until - level.since) * share) == level
    assert found.at(level.until - timedelta(microseconds=1)) == level
    after = found.at(level.until)
    assert after.since == level.until
    before = found.at(level.since - timedelta(microseconds=1))
    assert before.until == level.since
    assert schedule(found.profile, place).at(now) == level  # whatever was asked before


@pytest.mark.parametrize("place", [MARBURG, TROMSO])
def test_levels_of_a_year_follow_each_other_without_gap_and_differ(place: tuple[float, float]) -> None:
    found, end = schedule(REDUCED, place), datetime(2027, 1, 1, tzinfo=UTC)
    level = found.at(datetime(2026, 1, 1, tzinfo=UTC))
    while level.until < end:
        following = found.at(level.until)
        assert following.since == level.until
        whole_night = timedelta(hours=23, minutes=59)
        if max(level.until - level.since, following.until - following.since) < whole_night:
            assert (following.dim_level, following.lit) != (level.dim_level, level.lit)
        level = following


@pytest.mark.parametrize("place", [MARBURG, TROMSO, NOWHERE])
def test_it_is_never_dark_when_the_sun_is_not_up(place: tuple[float, float]) -> None:
    found = schedule(profile(on=SUNSET, off=SUNRISE), place)
    for hour in range(0, 8760, 3):
        level = found.at(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour))
        assert level.dim_level in (0.0, 1.0)
        if place is NOWHERE:
            assert level.dim_level == 1.0
        elif level.dim_level == 0:
            for at in (level.since, (level.since + (level.until - level.since) / 2), level.until):
                assert elevation(Observer(*place), at, with_refraction=False) > -0.9  # its place is rounded
