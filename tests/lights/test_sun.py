from datetime import UTC, date, datetime, timedelta

import pytest
from astral import Observer
from astral.sun import dawn, dusk, sunrise, sunset

from lights.sun import Missing, SunEvent, SunNight, sun_night

MARBURG = (50.8, 8.8)
TROMSO = (69.65, 18.96)
NORTH_POLE = (90.0, 0.0)


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
