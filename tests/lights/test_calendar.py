from datetime import date

import pytest

from core.errors import SettingsError
from core.lighting import EventNights
from lights.calendar import Calendar, NightKind

FAIR = EventNights(municipality="marburg", name="fair", first=date(2026, 10, 2), last=date(2026, 10, 4))


@pytest.mark.parametrize(
    ("night", "kind"),
    [
        (date(2026, 11, 20), NightKind.FRIDAY),
        (date(2026, 11, 22), NightKind.SUNDAY),
        (date(2026, 6, 4), NightKind.HOLIDAY),  # Corpus Christi, in Hesse but not in Berlin
        (date(2026, 10, 31), NightKind.SATURDAY),  # Reformation Day, not in Hesse
        (date(2026, 12, 25), NightKind.HOLIDAY),
        (date(2026, 12, 24), NightKind.THURSDAY),
    ],
)
def test_weekdays_and_holidays_of_hesse(night: date, kind: NightKind) -> None:
    assert Calendar().kind(night) is kind


def test_the_state_decides_on_holidays() -> None:
    assert Calendar(state="BE").kind(date(2026, 6, 4)) is NightKind.THURSDAY
    assert Calendar(state="BB").kind(date(2026, 10, 31)) is NightKind.HOLIDAY


def test_an_event_comes_before_a_holiday_on_its_first_to_its_last_night() -> None:
    calendar = Calendar((FAIR,))
    kinds = [calendar.kind(date(2026, 10, day)) for day in range(1, 6)]
    assert kinds == [NightKind.THURSDAY, NightKind.EVENT, NightKind.EVENT, NightKind.EVENT, NightKind.MONDAY]


def test_an_unknown_state_is_refused() -> None:
    with pytest.raises(SettingsError, match="'XX' is no federal state"):
        Calendar(state="XX")
