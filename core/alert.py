"""Alerts: what a rule found, and where in its life it stands."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """How soon somebody should look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class AlertState(StrEnum):
    """The states of an alert (Prometheus, with `acknowledged` as TALQ systems have it)."""

    PENDING = "pending"
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


OPEN_STATES = (AlertState.PENDING, AlertState.FIRING, AlertState.ACKNOWLEDGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One finding of one rule on a device or a circuit; at most one is open per device and rule. Times aware UTC."""

    alert_id: str
    rule: str
    device_id: str
    device_type: str
    municipality: str
    severity: Severity
    state: AlertState
    summary: str
    value: float | None = None
    started_at: datetime
    """When the condition became true (observed time)."""
    fired_at: datetime | None = None
    resolved_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    comment: str | None = None
    summary_de: str | None = None
    """The summary in German."""
    circuit: str | None = None
    """The circuit that the alert is about as a whole; its device is then the one by which it was found."""

    def in_state(self, state: AlertState, **changes: object) -> "Alert":
        """The same alert in another state."""
        return replace(self, state=state, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """An alert got into a state, or was acknowledged once more: by whom, with which words."""

    at: datetime
    state: AlertState
    by: str | None = None
    comment: str | None = None
