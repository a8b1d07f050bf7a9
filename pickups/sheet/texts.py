"""What a driver's sheet says, in German and English, and how numbers and dates are written there."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from core.notification import Language
from core.pickup import SkipReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words of one language."""

    title: str
    route: str
    vehicle: str
    start: str
    back: str
    distance: str
    time_needed: str
    stops: str
    load: str
    columns: tuple[str, ...]
    """Number, time, place, kind, level, remark, done, not emptied, navigation."""
    unloading: str
    pause: str
    leave: str
    start_letter: str
    end: str
    minutes: str
    hours: str
    page: str
    legend: str
    reasons: Mapping[SkipReason, tuple[str, str]]
    """The letter that a driver writes, and what it means."""
    unplanned: str
    more: str
    north: str
    detail: str
    straight: str
    roads: str
    no_map: str
    decimal: str
    thousands: str
    weekdays: tuple[str, ...]
    day: str
    kinds: Mapping[str, str]


WORDS: Final[Mapping[Language, Words]] = {
    Language.GERMAN: Words(
        title="Tourenblatt",
        route="Tour",
        vehicle="Fahrzeug",
        start="Abfahrt",
        back="Zurück",
        distance="Strecke",
        time_needed="Dauer",
        stops="Behälter",
        load="Ladung",
        columns=("Nr.", "Zeit", "Ort", "Art", "Stand", "Hinweis", "geleert", "nicht", "Weg"),
        unloading="Entladen",
        pause="Pause",
        leave="Abfahrt",
        start_letter="A",
        end="Ende",
        minutes="{} min",
        hours="{} h {:02} min",
        page="Seite {} von {}",
        legend="Nicht geleert, weil",
        reasons={
            SkipReason.BLOCKED: ("B", "blockiert"),
            SkipReason.NOT_OUT: ("N", "nicht bereitgestellt"),
            SkipReason.BROKEN: ("D", "defekt"),
            SkipReason.NO_ACCESS: ("Z", "kein Zugang"),
            SkipReason.OTHER: ("S", "Sonstiges"),
        },
        unplanned="Auf keiner Tour",
        more="und {} weitere",
        north="N",
        detail="nächste Seite",
        straight="Straßen nicht bekannt: Linien sind Luftlinien",
        roads="Straßen: © OpenStreetMap-Mitwirkende",
        no_map="Keine Positionen bekannt",
        decimal=",",
        thousands=".",
        weekdays=("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
        day="{weekday}, {day.day:02}.{day.month:02}.{day.year}",
        kinds={
            "residual": "Restmüll",
            "paper": "Papier",
            "cardboard": "Pappe",
            "garden": "Gartenabfall",
            "glass": "Glas",
            "organic": "Bioabfall",
            "packaging": "Verpackungen",
            "plastic": "Kunststoff",
            "metal": "Metall",
            "textiles": "Textilien",
        },
    ),
    Language.ENGLISH: Words(
        title="Route sheet",
        route="Route",
        vehicle="Vehicle",
        start="Leaves",
        back="Back",
        distance="Distance",
        time_needed="Time",
        stops="Bins",
        load="Load",
        columns=("No.", "Time", "Place", "Kind", "Level", "Remark", "emptied", "not", "Way"),
        unloading="Unloading",
        pause="Break",
        leave="Start",
        start_letter="S",
        end="End",
        minutes="{} min",
        hours="{} h {:02} min",
        page="Page {} of {}",
        legend="Not emptied because",
        reasons={
            SkipReason.BLOCKED: ("B", "blocked"),
            SkipReason.NOT_OUT: ("N", "not out"),
            SkipReason.BROKEN: ("D", "broken"),
            SkipReason.NO_ACCESS: ("Z", "no access"),
            SkipReason.OTHER: ("S", "something else"),
        },
        unplanned="On no route",
        more="and {} more",
        north="N",
        detail="next page",
        straight="Roads not known: lines are as the crow flies",
        roads="Roads: © OpenStreetMap contributors",
        no_map="No positions known",
        decimal=".",
        thousands=",",
        weekdays=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        day="{weekday}, {day:%Y-%m-%d}",
        kinds={},
    ),
}


def number(words: Words, value: float, decimals: int = 0) -> str:
    """A number as the language writes it: `12,3` or `12.3`, `1.234` or `1,234`."""
    plain = f"{value:,.{decimals}f}"
    return plain.translate({ord(","): words.thousands, ord("."): words.decimal})


def day_text(words: Words, day: date) -> str:
    """A date with its weekday."""
    return words.day.format(weekday=words.weekdays[day.weekday()], day=day)


def duration_text(words: Words, seconds: int) -> str:
    """So many minutes, from an hour on hours and minutes; to the next whole minute."""
    hours, minutes = divmod(round(seconds / 60), 60)
    return words.hours.format(hours, minutes) if hours else words.minutes.format(minutes)
