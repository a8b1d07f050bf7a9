"""Hours between sunset and sunrise."""

from datetime import UTC, datetime, timedelta

import pytest

from lights.darkness import dark_hours

MARBURG = (50.81, 8.77)
TROMSO = (69.65, 18.96)
DAY = timedelta(days=1)


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
