"""What kind of night it is: weekday, public holiday or event. A night belongs to the date on which it begins."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import Final

import holidays

from core.errors import SettingsError
from core.lighting import EventNights

HESSE: Final = "HE"
_ANY_YEAR: Final = 2026


class NightKind(StrEnum):
    """Kinds of nights that a profile may treat differently."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"
    HOLIDAY = "holiday"
    EVENT = "event"


WEEK: Final = tuple(NightKind)[:7]
"""Monday to Sunday, as `date.weekday` counts."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """The nights of a municipality: public holidays of its federal state (ISO 3166-2:DE without `DE-`), its events."""

    events: tuple[EventNights, ...] = ()
    state: str = HESSE

    def __post_init__(self) -> None:
        """Refuse a state that Germany does not have.

        Raises:
            SettingsError: it is none.
        """
        try:
            _public_holidays(self.state, _ANY_YEAR)
        except NotImplementedError as error:
            raise SettingsError(f"public holidays: {ascii(self.state)[:80]} is no federal state such as HE") from error

    def kind(self, night: date) -> NightKind:
        """The kind of the night that begins on a date: an event before a holiday, a holiday before its weekday."""
        if any(event.first <= night <= event.last for event in self.events):
            return NightKind.EVENT
        if night in _public_holidays(self.state, night.year):
            return NightKind.HOLIDAY
        return WEEK[night.weekday()]


@lru_cache(maxsize=256)
def _public_holidays(state: str, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("DE", subdiv=state, years=year))
