from datetime import UTC, date, datetime, timedelta

import pytest
from astral import Observer
from astral.sun import dawn, dusk, sunrise, sunset

from lights.sun import Missing, SunEvent, SunNight, dark_hours, sun_night

MARBURG = (50.8, 8.8)
TROMSO = (69.65, 18.96)
NORTH_POLE = (90.0, 0.0)
DAY = timedelta(days=1)


def test_sunset_and_sunrise_of_berlin_at_midsummer() -> None:
    """21:33 and 04:43 CEST, as timeanddate.com gives for 21 and 22 June 2024."""
    night = sun_night(date(2024, 6, 21), 52.52, 13.41)
    assert night.sunset == datetime(2024, 6, 21, 19, 33, 18, tzinfo=UTC)
    assert night.sunrise == datetime(2024, 6, 22, 2, 43, 35, tzinfo=UTC)


@pytest.mark.parametrize("month", range(1, 13))
def test_events_agree_with_those_of_astral_where_it_has_them(month: int) -> None:
    day, observer = date(2026, month, 15), Observer(*MARBURG)
    night = sun_night(day, *MARBURG)
    theirs = (
        sunset(observer, day),
        dusk(observer, day, depression=6),
        dawn(observer, day + timedelta(days=1), depression=6),
        sunrise(observer, day + timedelta(days=1)),
    )
    ours = [night.event(event) for event in SunEvent]
    for mine, other in zip(ours, theirs, strict=True):
        assert isinstance(mine, datetime)
        assert abs(mine - other) < timedelta(seconds=60)
    assert ours == sorted(ours, key=str)


@pytest.mark.parametrize(
    ("night", "sunset", "sunrise"),
    [
        (date(2026, 5, 15), datetime, datetime),
        (date(2026, 5, 18), Missing.ABOVE, Missing.ABOVE),  # midnight sun from 18 May to 26 July (Wikipedia: Tromsø)
        (date(2026, 7, 25), Missing.ABOVE, Missing.ABOVE),
        (date(2026, 7, 28), datetime, datetime),
        (date(2026, 11, 25), datetime, datetime),
        (date(2026, 11, 26), datetime, Missing.BELOW),  # polar night from 27 November to 15 January
        (date(2026, 11, 27), Missing.BELOW, Missing.BELOW),
        (date(2027, 1, 17), datetime, datetime),
    ],
)
def test_what_is_missing_in_tromso_says_why(night: date, sunset: object, sunrise: object) -> None:
    found = sun_night(night, *TROMSO)
    for event, expected in ((found.sunset, sunset), (found.sunrise, sunrise)):
        assert isinstance(event, datetime) if expected is datetime else event is expected


def test_a_polar_night_still_has_its_twilight() -> None:
    night = sun_night(date(2026, 12, 21), *TROMSO)
    assert isinstance(night.civil_dusk, datetime)
    assert night.begins < night.civil_dusk < night.ends


def test_a_white_night_has_sunset_but_no_civil_dusk() -> None:
    night = sun_night(date(2026, 6, 21), 62.0, 25.0)
    assert isinstance(night.sunset, datetime)
    assert (night.civil_dusk, night.civil_dawn) == (Missing.ABOVE, Missing.ABOVE)


@pytest.mark.parametrize("place", [MARBURG, TROMSO, NORTH_POLE, (-33.9, 151.2), (0.0, 179.9), (0.0, -179.9)])
def test_nights_follow_each_other_without_gap_and_events_lie_within(place: tuple[float, float]) -> None:
    before: SunNight | None = None
    for day in range(0, 366, 5):
        for offset in (0, 1):
            night = sun_night(date(2028, 1, 1) + timedelta(days=day + offset), *place)
            if offset and before is not None:
                assert night.begins == before.ends
            events = [found for event in SunEvent if isinstance(found := night.event(event), datetime)]
            assert events == sorted(events)
            assert all(night.begins < found <= night.ends for found in events)
            before = night


def test_places_that_are_near_share_their_sun() -> None:
    assert sun_night(date(2026, 3, 1), 50.8021, 8.7667) is sun_night(date(2026, 3, 1), 50.81, 8.79)


# -- dark hours --------------------------------------------------------------------------------------------------------


def dark(place: tuple[float, float], start: datetime, end: datetime) -> float:
    return dark_hours(*place, start, end)


def test_a_year_in_marburg() -> None:
    """Half of the year less what refraction and the sun's rim add to the days: 4,200 to 4,300 h at 51 degrees."""
    year = dark(MARBURG, datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert 4200 < year < 4300


@pytest.mark.parametrize(
    ("noon", "hours"),
    [
        # Almanac of Marburg: sunset and sunrise 2026-06-21 21:41 and 05:09, 2026-12-21 16:20 and 08:25 local time.
        (datetime(2026, 6, 21, 11, tzinfo=UTC), 7.5),
        (datetime(2026, 12, 21, 11, tzinfo=UTC), 16.1),
        (datetime(2026, 3, 20, 11, tzinfo=UTC), 11.8),
    ],
)
def test_a_night(noon: datetime, hours: float) -> None:
    assert dark(MARBURG, noon, noon + DAY) == pytest.approx(hours, abs=0.15)


def test_parts_add_up() -> None:
    start = datetime(2026, 5, 4, 17, tzinfo=UTC)
    parts = [dark(MARBURG, start + hour * DAY / 24, start + (hour + 1) * DAY / 24) for hour in range(48)]
    assert sum(parts) == pytest.approx(dark(MARBURG, start, start + 2 * DAY))
    assert 0 in parts
    assert 1 in parts


def test_where_the_sun_does_not_rise_or_set() -> None:
    assert dark(TROMSO, datetime(2026, 6, 10, tzinfo=UTC), datetime(2026, 6, 20, tzinfo=UTC)) == 0
    assert dark(TROMSO, datetime(2026, 12, 10, tzinfo=UTC), datetime(2026, 12, 20, tzinfo=UTC)) == 240


@pytest.mark.parametrize("longitude", [-179.9, -120.0, 0.0, 150.0, 179.9])
def test_everywhere_along_the_equator_half_of_the_time(longitude: float) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    assert dark_hours(0.0, longitude, start, start + 30 * DAY) == pytest.approx(30 * 11.9, abs=2)
