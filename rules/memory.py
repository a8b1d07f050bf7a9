"""What the engine remembers of a device; all of it can be rebuilt, at the price of judging later."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from core.alert import Alert

_BURST_S: Final = 60.0
"""Reports closer together are words of one event (presence, a command carried out), not the device's interval."""
_LONGEST_LEARNED_S: Final = 7 * 86_400.0
_LONGEST_GUESSED_S: Final = 86_400.0
_FORGETS: Final = 0.1
"""Share of the way to a shorter interval that one gap goes; a longer one is believed when it comes twice in a row."""


@dataclass(slots=True)
class Finding:
    """A condition that holds on a device: its alert, and what decides when that fires or resolves."""

    alert: Alert
    last_at: datetime
    reports: int = 1
    told: bool = True
    """Somebody knows of the alert: a rule that wants several reports says nothing after the first."""
    clear_since: datetime | None = None


@dataclass(slots=True)
class DeviceMemory:
    """One device: when it was heard, how often it usually speaks, what was found on it."""

    heard_at: datetime | None = None
    unresponsive_since: datetime | None = None
    """Since when light control has given it up; None: it has not, or does not say."""
    interval_s: float = 0.0
    """Seconds between its reports as learned; 0: not known yet."""
    newest_at: datetime | None = None
    """When the newest reading was observed that was judged."""
    newest: dict[frozenset[str], datetime] = field(default_factory=dict)
    """The same by the names of the rules that judged it."""
    notes: dict[Any, Any] = field(default_factory=dict)
    """By tracker: what it keeps from reading to reading."""
    findings: dict[str, Finding] = field(default_factory=dict)
    """By rule."""
    _gap_s: float = 0.0

    def guess_interval(self, last_seen_at: datetime | None) -> None:
        """After a restart: it reports no more often than it has been silent; at most a day is believed."""
        if last_seen_at is not None and self.heard_at is not None and last_seen_at < self.heard_at:
            self.interval_s = min((self.heard_at - last_seen_at).total_seconds(), _LONGEST_GUESSED_S)

    def hear(self, at: datetime) -> None:
        """Something came; late news and a clock that was set back change nothing."""
        if self.heard_at is None:
            self.heard_at = at
            return
        gap_s = (at - self.heard_at).total_seconds()
        if gap_s <= 0:
            return
        self.heard_at = at
        if gap_s < _BURST_S:
            return
        if self._gap_s:
            usual_s = min(gap_s, self._gap_s, _LONGEST_LEARNED_S)
            self.interval_s = max(usual_s, self.interval_s + _FORGETS * (usual_s - self.interval_s))
        self._gap_s = gap_s

    def clock_set(self, by: timedelta, before: datetime, now: datetime) -> None:
        """The clock was set by so much at about `before` (of the old time): what was heard until then moves with it."""
        if self.heard_at is not None and (self.heard_at <= before or self.heard_at > now):
            self.heard_at = min(self.heard_at + by, now)
