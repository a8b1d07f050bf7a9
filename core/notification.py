"""Notifications: who wants to be told of which alerts, and what waits to be told."""

from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum
from typing import Final

from core.alert import AlertState, Severity

DEFAULT_GROUP_S: Final = 60
MAX_ERROR: Final = 300


class Language(StrEnum):
    """In which language somebody is told."""

    GERMAN = "de"
    ENGLISH = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Somebody who wants to be told of alerts at least this severe; `municipality` None: of all municipalities.

    From `quiet_from` until `quiet_until` (local time, over midnight where the first is later) only what is critical is
    told; both None: always. What happens within `group_s` seconds is told in one message.
    """

    subscription_id: str
    name: str
    target: str = field(repr=False)
    """A URL as Apprise takes it, sealed (`actions.notifications.target_secrets`) because it holds passwords."""
    municipality: str | None = None
    min_severity: Severity = Severity.WARNING
    language: Language = Language.GERMAN
    quiet_from: time | None = None
    quiet_until: time | None = None
    group_s: int = DEFAULT_GROUP_S
    resolved: bool = True
    """Whether the end of an alert is told to who was told of its begin."""
    enabled: bool = True
    created_at: datetime

    @property
    def service(self) -> str:
        """What of the target may be shown: the scheme of its URL."""
        return self.target.partition("://")[0].lower()

    def is_quiet(self, local: datetime) -> bool:
        """Whether an instant of local time lies in the quiet hours."""
        if self.quiet_from is None or self.quiet_until is None:
            return False
        at = local.time()
        if self.quiet_from <= self.quiet_until:
            return self.quiet_from <= at < self.quiet_until
        return at >= self.quiet_from or at < self.quiet_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """What somebody is to be told of one alert. Times aware UTC."""

    notification_id: int
    subscription_id: str
    alert_id: str
    municipality: str
    severity: Severity
    state: AlertState
    """Firing or resolved."""
    summary: str
    summary_de: str | None
    at: datetime
    """When the alert got into this state."""
    queued_at: datetime
    attempts: int = 0
    next_at: datetime
    """Not tried before."""
    interrupted: bool = False
    """An attempt was begun and nobody noted how it ended: it may have been told."""


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """How a subscription's notifications fare."""

    waiting: int = 0
    failed: int = 0
    last_sent_at: datetime | None = None
    last_error: str | None = None
