"""How long single quantities are kept, for all municipalities or for one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.device import is_municipality
from core.quantity import CATALOGUE

DELETED_WITHIN = timedelta(hours=1)
"""How often the job runs that deletes: it deletes so much earlier, so that nothing gets older than its retention."""

MAX_HOURS = 1_000_000


@dataclass(frozen=True, slots=True)
class Forgetting:
    """One call of `ReadingStore.forget`."""

    quantity: str
    before: datetime
    municipality: str | None
    spared: tuple[str, ...]


def parse_retention(text: str) -> dict[tuple[str | None, str], int]:
    """Hours by (municipality or None for all, quantity), from `temperature_c=720, marburg/presence=24`.

    Raises:
        ValueError: names the entry that is wrong.
    """
    hours: dict[tuple[str | None, str], int] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        key, _, number = entry.partition("=")
        municipality, _, quantity = key.strip().rpartition("/")
        if quantity not in CATALOGUE or (municipality and not is_municipality(municipality)):
            raise ValueError(f"{entry[:80]!a}: expected QUANTITY=HOURS or MUNICIPALITY/QUANTITY=HOURS")
        if not number.strip().isdecimal() or not 1 <= int(number) <= MAX_HOURS:
            raise ValueError(f"{entry[:80]!a}: expected 1 to {MAX_HOURS} hours")
        hours[municipality or None, quantity] = int(number)
    return hours


def due_forgettings(hours: Mapping[tuple[str | None, str], int], now: datetime) -> Sequence[Forgetting]:
    """What has to be forgotten now; a municipality's own retention of a quantity takes the place of that of all."""
    found: list[Forgetting] = []
    for (municipality, quantity), kept in sorted(hours.items(), key=lambda item: (item[0][1], item[0][0] or "")):
        spared = sorted(own for own, name in hours if own is not None and name == quantity) if not municipality else []
        before = now - max(timedelta(hours=kept) - DELETED_WITHIN, timedelta(0))
        found.append(Forgetting(quantity, before, municipality, tuple(spared)))
    return found
