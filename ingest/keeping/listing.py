"""This ingest among all: its list of municipalities, what its session hears, and what is on others' lists."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Final

from core.settings import Settings
from core.topics import Topics
from ingest.keeping.share import Share, run_elsewhere, share_of
from ingest.pipe import Unsubscribe
from state.ingests import IngestRow, Ingests

logger = logging.getLogger(__name__)

NOBODYS: Final = Share(frozenset())


class Listing:
    """Several threads call it. A list counts from when the broker has granted its subscription, and outlives us.

    Args:
        ingests: the lists of all.
        tell: says to the receiving process what to unsubscribe from.
        drains: the session is only emptied: nothing is on its list, and nothing is noted of it.
    """

    def __init__(
        self,
        settings: Settings,
        ingests: Ingests,
        topics: Topics,
        tell: Callable[[Unsubscribe], None],
        *,
        drains: bool,
    ) -> None:
        self._session = settings.ingest_session
        own = settings.municipality_list
        self._own = None if own is None else frozenset(own)
        self._ingests = ingests
        self._topics = topics
        self._tell = tell
        self._drains = drains
        self._lock = threading.Lock()
        self._hears: frozenset[str] | None = None
        """Municipalities that the session is subscribed to, also for what was on its list before; None: not known."""
        self._is_subscribed = False
        self._is_noted = False
        self._unheard: frozenset[str] = frozenset()

    @property
    def unsettled(self) -> bool:
        """Whether `share` has something to do though no list has changed."""
        if self._drains:
            return False
        return not self._is_noted or (self._own is not None and self._hears != self._own)

    def share(self) -> Share:
        """Whose lights and rules are ours now; what another ingest hears by now is unsubscribed from.

        Raises:
            StorageError: the state database failed.
        """
        if self._drains:
            return NOBODYS
        rows = self._ingests.all()
        with self._lock:
            if self._hears is None:
                before = next((row.subscribed for row in rows if row.session == self._session), frozenset())
                self._hears = (self._own or frozenset()) | before
            hears = self._hears
        if self._is_subscribed:
            self._note(IngestRow(self._session, self._own, hears))
            if self._own is not None and hears != self._own:
                self._leave(hears - self._own, rows)
        return share_of(self._session, self._own, rows)

    def _note(self, row: IngestRow) -> None:
        """Keep our list, and what the session hears."""
        if self._is_noted:
            return
        self._ingests.put(row)
        with self._lock:
            self._is_noted = self._hears == row.subscribed

    def _leave(self, municipalities: frozenset[str], rows: Sequence[IngestRow]) -> None:
        """Hear no more what is off our list, as soon as somebody else hears it: in between nothing may be lost."""
        heard = run_elsewhere(self._session, rows, municipalities)
        if heard:
            self._tell(Unsubscribe(heard))
        unheard = municipalities - heard
        if unheard != self._unheard:
            self._unheard = unheard
            for name in sorted(unheard):
                logger.warning("%s is on no ingest's list: it is stored here, nobody lights its lamps", name)

    def filters(self) -> list[str]:
        """What the session is to be subscribed to."""
        if self._drains:
            return []
        if self._own is None:
            return self._topics.ingest_filters
        return [self._topics.events_of(name) for name in sorted(self._hears or self._own)]

    def subscribed(self) -> None:
        """The broker has granted the subscriptions: from now on our list counts for others."""
        self._is_subscribed = True

    def unsubscribed(self, municipalities: frozenset[str]) -> None:
        """The session hears these no more."""
        with self._lock:
            self._hears = (self._hears or frozenset()) - municipalities
            self._is_noted = False
