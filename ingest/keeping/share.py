"""Whose lights and rules an ingest runs. Whatever its session delivers is stored all the same (decision 0019)."""

from collections.abc import Iterable
from dataclasses import dataclass

from state.ingests import IngestRow


@dataclass(frozen=True, slots=True)
class Share:
    """A list of municipalities, or (`own` None) all that are on no other ingest's list."""

    own: frozenset[str] | None
    elsewhere: frozenset[str] = frozenset()

    def runs(self, municipality: str) -> bool:
        """Whether lights and rules of a municipality are ours."""
        return municipality not in self.elsewhere if self.own is None else municipality in self.own

    def keeps_rejected(self, municipality: str | None) -> bool:
        """Whether a message of a municipality (None: of no known form) that cannot be used is kept by us.

        Who has a list hears only that list, and for a while what was on it: nobody else may hear it, so all is kept.
        Who hears everything leaves to others what they hear too.
        """
        return self.own is not None or municipality not in self.elsewhere


def share_of(session: str, own: Iterable[str] | None, rows: Iterable[IngestRow]) -> Share:
    """The share of a session among all ingests."""
    if own is not None:
        return Share(frozenset(own))
    lists = (row.municipalities for row in rows if row.session != session and row.municipalities)
    return Share(None, frozenset().union(*lists))


def run_elsewhere(session: str, rows: Iterable[IngestRow], municipalities: Iterable[str]) -> frozenset[str]:
    """Of these municipalities those that another ingest hears: who leaves them off its list may stop to hear them."""
    others = [row for row in rows if row.session != session]
    return frozenset(
        name for name in municipalities if any(row.municipalities is None or name in row.subscribed for row in others)
    )


def listed_twice(rows: Iterable[IngestRow]) -> dict[str, list[str]]:
    """Sessions by municipality, of municipalities on more than one list: both light its lamps."""
    sessions: dict[str, list[str]] = {}
    for row in rows:
        for name in row.municipalities or ():
            sessions.setdefault(name, []).append(row.session)
    return {name: found for name, found in sorted(sessions.items()) if len(found) > 1}
