"""Judges readings by rules: readings and `now` in, alert changes out; at most one alert is open per device and rule."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from core.alert import OPEN_STATES, Alert, AlertState
from core.clock import format_rfc3339
from core.device import Device, DeviceStatus, Municipality
from core.quantity import Value
from core.reading import Reading
from rules.catalogue import effective_rule
from rules.rule import Action, Condition, Rule

OLDEST_JUDGED: Final = timedelta(days=1)
"""Readings observed longer ago are history being filled in: nobody needs an alert about them."""


@dataclass(frozen=True, slots=True)
class AlertChange:
    """An alert in its new state, and what its rule wants done about it."""

    alert: Alert
    actions: tuple[Action, ...]


@dataclass(slots=True)
class _Judged:
    """What is remembered per device and rule."""

    observed_at: datetime
    alert: Alert | None = None


class RuleEngine:
    """Keeps only what can be rebuilt: open alerts (from the state database) and when each device was last heard.

    Readings may be repeated, late or out of order: a reading older than the one a rule judged last is not judged.
    """

    def __init__(self, rules: Mapping[str, tuple[Rule, ...]]) -> None:
        self._shipped = rules
        self._devices: Mapping[str, Device] = {}
        self._rules: dict[tuple[str, str], tuple[Rule, ...]] = {}
        self._judged: dict[tuple[str, str], _Judged] = {}
        self._heard_at: dict[str, datetime] = {}

    def configure(
        self,
        devices: Mapping[str, Device],
        municipalities: Iterable[Municipality],
        overrides: Mapping[str, Mapping[str, Mapping[str, object]]],
        now: datetime,
    ) -> list[AlertChange]:
        """Take over the registry; open alerts of devices that are gone or retired resolve.

        A device not known before counts as heard `now`: neither a new device nor a restart of ours makes it silent.
        """
        self._devices = devices
        known = {municipality.municipality: municipality for municipality in municipalities}
        self._rules = {}
        for name in {device.municipality for device in devices.values()} | set(known):
            threshold = known[name].filling_threshold if name in known else None
            own = overrides.get(name, {})
            for device_type, rules in self._shipped.items():
                self._rules[name, device_type] = tuple(
                    effective_rule(rule, own.get(rule.name, {}), filling_threshold=threshold) for rule in rules
                )
        for device_id in devices:
            self._heard_at.setdefault(device_id, now)
        for device_id in self._heard_at.keys() - devices.keys():
            del self._heard_at[device_id]
        changes: list[AlertChange] = []
        for (device_id, rule_name), judged in list(self._judged.items()):
            device = devices.get(device_id)
            if device is None or device.status in (DeviceStatus.RETIRED, DeviceStatus.DISCOVERED):
                if judged.alert is not None:
                    # With every action undone: a pickup request of a device that is gone helps nobody.
                    resolved = judged.alert.in_state(AlertState.RESOLVED, resolved_at=now)
                    changes.append(AlertChange(resolved, tuple(Action)))
                del self._judged[device_id, rule_name]
        return changes

    def restore(self, alerts: Iterable[Alert]) -> None:
        """Take up the open alerts of an earlier run."""
        for alert in alerts:
            if alert.state in OPEN_STATES:
                self._judged[alert.device_id, alert.rule] = _Judged(alert.started_at, alert)

    def forget(self, device_ids: Iterable[str]) -> None:
        """Know nothing of these devices, and change no alert: another worker judges them, or did until now."""
        forgotten = frozenset(device_ids)
        self._judged = {key: judged for key, judged in self._judged.items() if key[0] not in forgotten}
        for device_id in forgotten:
            self._heard_at.pop(device_id, None)

    def heard(self, device_id: str, at: datetime) -> None:
        """Something came from a device."""
        if at > self._heard_at.get(device_id, at - timedelta(microseconds=1)):
            self._heard_at[device_id] = at

    def judge(self, reading: Reading, now: datetime) -> list[AlertChange]:
        """What a reading changes; nothing for devices unknown, discovered or retired."""
        device = self._devices.get(reading.device_id)
        self.heard(reading.device_id, reading.received_at)
        if device is None or device.status in (DeviceStatus.DISCOVERED, DeviceStatus.RETIRED):
            return []
        changes: list[AlertChange] = []
        for rule in self._rules.get((device.municipality, device.device_type), ()):
            if rule.condition is Condition.SILENT:
                changes += self._spoke(rule, device, reading.received_at)
                continue
            value = reading.values.get(rule.quantity) if rule.quantity is not None else None
            if value is not None and reading.observed_at >= now - OLDEST_JUDGED:
                changes += self._judge(rule, device, value, reading.observed_at)
        return changes

    def judge_silence(self, now: datetime) -> list[AlertChange]:
        """Alerts for devices that have been silent too long at `now`."""
        changes: list[AlertChange] = []
        for device in self._devices.values():
            if device.status is not DeviceStatus.ACTIVE:
                continue
            for rule in self._rules.get((device.municipality, device.device_type), ()):
                if rule.condition is not Condition.SILENT or not rule.enabled:
                    continue
                heard_at = self._heard_at.get(device.device_id, now)
                if (device.device_id, rule.name) in self._judged and self._judged[device.device_id, rule.name].alert:
                    continue
                if (now - heard_at).total_seconds() >= rule.parameters["silent_s"]:
                    alert = _alert(rule, device, value=None, started_at=heard_at, state=AlertState.FIRING, now=now)
                    self._judged[device.device_id, rule.name] = _Judged(heard_at, alert)
                    changes.append(AlertChange(alert, rule.actions))
        return changes

    def _spoke(self, rule: Rule, device: Device, at: datetime) -> list[AlertChange]:
        judged = self._judged.get((device.device_id, rule.name))
        if judged is None or judged.alert is None or at < judged.observed_at:
            return []
        resolved = judged.alert.in_state(AlertState.RESOLVED, resolved_at=at)
        del self._judged[device.device_id, rule.name]
        return [AlertChange(resolved, rule.actions)]

    def _judge(self, rule: Rule, device: Device, value: Value, observed_at: datetime) -> list[AlertChange]:
        key = (device.device_id, rule.name)
        judged = self._judged.get(key)
        if judged is None:
            judged = self._judged[key] = _Judged(observed_at)
        elif observed_at < judged.observed_at:
            return []
        judged.observed_at = observed_at
        met = rule.enabled and rule.is_met(value, met_before=judged.alert is not None)
        if judged.alert is not None:
            return self._go_on(rule, judged, judged.alert, met=met)
        if not met or device.status is not DeviceStatus.ACTIVE:  # in maintenance: muted
            return []
        state = AlertState.PENDING if rule.for_s else AlertState.FIRING
        judged.alert = _alert(rule, device, value=value, started_at=observed_at, state=state, now=observed_at)
        return [AlertChange(judged.alert, rule.actions if state is AlertState.FIRING else ())]

    def _go_on(self, rule: Rule, judged: _Judged, alert: Alert, *, met: bool) -> list[AlertChange]:
        at = judged.observed_at
        if not met:
            judged.alert = None
            return [AlertChange(alert.in_state(AlertState.RESOLVED, resolved_at=at), rule.actions)]
        if alert.state is AlertState.PENDING and (at - alert.started_at).total_seconds() >= rule.for_s:
            judged.alert = alert.in_state(AlertState.FIRING, fired_at=at)
            return [AlertChange(judged.alert, rule.actions)]
        return []


def _alert(
    rule: Rule, device: Device, *, value: Value | None, started_at: datetime, state: AlertState, now: datetime
) -> Alert:
    number = float(value) if isinstance(value, int | float) else None
    summary = rule.summary.format(
        name=device.name or device.device_id,
        value=value if number is None else number,
        since=format_rfc3339(started_at),
    )
    return Alert(
        # The same finding gets the same id: judging a redelivered reading again makes no second alert.
        alert_id=str(uuid5(NAMESPACE_URL, f"kreispuls:{device.device_id}:{rule.name}:{started_at.isoformat()}")),
        rule=rule.name,
        device_id=device.device_id,
        device_type=device.device_type,
        municipality=device.municipality,
        severity=rule.severity,
        state=state,
        summary=summary,
        value=number,
        started_at=started_at,
        fired_at=now if state is AlertState.FIRING else None,
    )
