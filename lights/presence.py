"""Light that follows people: presence raises a lamp and its neighbours, the end of the hold time lowers them."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from core.command import Reason

HOLD_MARGIN_S: Final = 15.0
"""A lamp told to hold a level does so this much longer than we plan: it falls back by itself only if we are gone.

The lowered level too is held only so long: then the lamp's own schedule rules again, which by day means off.
"""


@dataclass(frozen=True, slots=True)
class WantedLevel:
    """The level a lamp is to show: share of full light, fade in seconds, hold in seconds (None: until told)."""

    device_id: str
    dim_level: float
    fade_s: float
    hold_s: float | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class PresenceProfile:
    """How lamps follow presence; levels 0-1, times in seconds.

    Further presence tells a lamp that is up so again only after `repeat_s`: at once would be a command for every
    step of every walker, never would leave a lamp dark that missed one. At most `HOLD_MARGIN_S`, which covers it.
    """

    presence_level: float
    standby_level: float
    hold_s: float
    fade_s: float
    repeat_s: float = 5.0


class PresenceControl:
    """Which lamps are up, and until when. Keeps nothing that matters after a restart: lamps fall back by themselves."""

    def __init__(self, profile: PresenceProfile) -> None:
        self._profile = profile
        self._neighbours: Mapping[str, tuple[str, ...]] = {}
        self._overridden: Mapping[str, datetime | None] = {}
        self._up_until: dict[str, datetime] = {}
        self._told_at: dict[str, datetime] = {}
        self._deadlines: list[tuple[datetime, str]] = []

    def configure(self, neighbours: Mapping[str, tuple[str, ...]], overridden: Mapping[str, datetime | None]) -> None:
        """Take over which lamp has which neighbours, and which lamps an operator holds (until when, None: for good).

        Only lamps that are keys of `neighbours` are controlled.
        """
        self._neighbours = neighbours
        self._overridden = overridden
        for lamp in overridden:  # what it shows afterwards is not what we told it
            self._told_at.pop(lamp, None)

    def detected(self, device_id: str, now: datetime) -> list[WantedLevel]:
        """Somebody is at a lamp: what it and its neighbours are to show, as far as they have not just been told.

        Again extends the hold.
        """
        near = self._neighbours.get(device_id)
        if near is None:
            return []
        until = now + timedelta(seconds=self._profile.hold_s)
        wanted = []
        for lamp in (device_id, *near):
            if lamp not in self._neighbours or self._is_overridden(lamp, now):
                continue
            if lamp not in self._up_until:
                heapq.heappush(self._deadlines, (until, lamp))
            self._up_until[lamp] = until
            told_at = self._told_at.get(lamp)
            if told_at is not None and told_at <= now < told_at + timedelta(seconds=self._profile.repeat_s):
                continue
            self._told_at[lamp] = now
            wanted.append(self._raised(lamp))
        return wanted

    def ended(self, now: datetime, at_most: int | None = None) -> list[WantedLevel]:
        """Lamps whose hold time is over, some at a time: what they are to show again."""
        wanted: list[WantedLevel] = []
        while self._deadlines and self._deadlines[0][0] <= now and len(wanted) != at_most:
            _, lamp = heapq.heappop(self._deadlines)
            until = self._up_until[lamp]
            if until > now:  # extended since
                heapq.heappush(self._deadlines, (until, lamp))
                continue
            del self._up_until[lamp]
            self._told_at.pop(lamp, None)
            if lamp in self._neighbours and not self._is_overridden(lamp, now):
                wanted.append(
                    WantedLevel(lamp, self._profile.standby_level, self._profile.fade_s, HOLD_MARGIN_S, Reason.SCHEDULE)
                )
        return wanted

    def raised_meanwhile(self, lowered: Sequence[WantedLevel]) -> list[WantedLevel]:
        """Of lamps that were just told to go down, those where somebody has come since: they are to go up again."""
        return [self._raised(level.device_id) for level in lowered if level.device_id in self._up_until]

    def _raised(self, lamp: str) -> WantedLevel:
        profile = self._profile
        hold_s = profile.hold_s + HOLD_MARGIN_S
        return WantedLevel(lamp, profile.presence_level, profile.fade_s, hold_s, Reason.PRESENCE)

    def lamps_up(self) -> int:
        """How many lamps are up for presence."""
        return len(self._up_until)

    def _is_overridden(self, lamp: str, now: datetime) -> bool:
        if lamp not in self._overridden:
            return False
        until = self._overridden[lamp]
        return until is None or until > now
