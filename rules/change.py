"""Changes of alerts, and how an alert is made."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from core.alert import Alert, AlertState
from core.clock import format_rfc3339
from core.device import Device
from core.quantity import Value
from rules.rule import Action, Rule


@dataclass(frozen=True, slots=True)
class AlertChange:
    """An alert in its new state, and what its rule wants done about it."""

    alert: Alert
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class CircuitFound:
    """How many of the lamps of a circuit are concerned."""

    circuit: str
    count: int
    members: int


class _Unknown:
    """Stands for a value that the reading lacks, whatever format a text asks for."""

    def __format__(self, form: str) -> str:
        return "?"


def make_alert(
    rule: Rule,
    device: Device,
    *,
    value: Value | None,
    started_at: datetime,
    fired_at: datetime | None,
    found: CircuitFound | None = None,
) -> Alert:
    """The alert of a rule; pending without `fired_at`. One of a circuit bears the device by which it was found."""
    number = float(value) if isinstance(value, int | float) and math.isfinite(value) else None
    shown = value if number is None else number
    fields = {
        "name": device.name or device.device_id,
        "value": _Unknown() if shown is None else shown,
        "since": format_rfc3339(started_at),
        "circuit": found.circuit if found else _Unknown(),
        "count": found.count if found else _Unknown(),
        "members": found.members if found else _Unknown(),
    }
    return Alert(
        # The same finding gets the same id: judging a redelivered reading again makes no second alert.
        alert_id=str(uuid5(NAMESPACE_URL, f"kreispuls:{device.device_id}:{rule.name}:{started_at.isoformat()}")),
        rule=rule.name,
        device_id=device.device_id,
        device_type=device.device_type,
        municipality=device.municipality,
        severity=rule.severity,
        state=AlertState.PENDING if fired_at is None else AlertState.FIRING,
        summary=_filled(rule.summary, fields),
        summary_de=_filled(rule.summary_de, fields),
        value=number,
        started_at=started_at,
        fired_at=fired_at,
        circuit=found.circuit if found else None,
    )


def _filled(summary: str, fields: Mapping[str, object]) -> str:
    try:
        return summary.format(**fields)
    except ValueError:  # a text where the format wants a number
        return summary.format(**{**fields, "value": _Unknown()})
