"""Many devices with one fault at once are one fault: the alert of a circuit in place of one per lamp.

The alert of a circuit bears the circuit's name in `circuit`, and the device by which it was found: so there is at most
one open alert per device and rule here too. While it is open, the rules it explains raise nothing for its devices.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from core.alert import Alert, AlertState
from core.device import Device, DeviceStatus
from rules.change import AlertChange, CircuitFound, make_alert
from rules.memory import DeviceMemory
from rules.prepared import Prepared
from rules.rule import Action, Group, Rule
from rules.silence import silent_as_neighbour

_Key = tuple[str, str, str]
"""Municipality, rule, circuit."""


@dataclass(slots=True)
class _Open:
    alert: Alert
    lost: set[str] = field(default_factory=set)
    """Devices that have not been well since."""


class Affected:
    """Whether a device just now shows what a group's rules look for, and had no alert about it before."""

    def __init__(
        self,
        devices: Mapping[str, Device],
        memories: Mapping[str, DeviceMemory],
        prepared: Mapping[tuple[str, str], Prepared],
        now: datetime,
    ) -> None:
        self._devices, self._memories, self._prepared, self._now = devices, memories, prepared, now

    def __call__(self, device_id: str, group: Group) -> bool:
        """Whether it is pending, nearly silent or given up, by the rules that the group's alert explains."""
        device, memory = self._devices.get(device_id), self._memories.get(device_id)
        if device is None or memory is None:
            return False
        found = [finding.alert.state for name, finding in memory.findings.items() if name in group.rules]
        if found:
            return all(state is AlertState.PENDING for state in found)
        prepared = self._prepared[device.municipality, device.device_type]
        if memory.unresponsive_since and any(rule.name in group.rules for rule in prepared.unresponsive):
            return True
        return any(
            rule.name in group.rules and silent_as_neighbour(rule, device, memory, self._now)
            for rule in prepared.silent
        )


class Circuits:
    """The circuits of a registry, and their open alerts."""

    def __init__(self) -> None:
        self._members: dict[_Key, tuple[str, ...]] = {}
        self._rules: dict[tuple[str, str], tuple[Rule, ...]] = {}
        self._open: dict[_Key, _Open] = {}

    @property
    def any_open(self) -> bool:
        """Whether there is an open alert of any circuit."""
        return bool(self._open)

    def configure(
        self, devices: Mapping[str, Device], rules: Mapping[tuple[str, str], tuple[Rule, ...]], now: datetime
    ) -> list[AlertChange]:
        """Take over the registry; alerts of circuits that are gone resolve."""
        self._rules = {key: groups for key, groups in rules.items() if groups}
        members: dict[_Key, list[str]] = {}
        for device in devices.values():
            for rule in self._rules.get((device.municipality, device.device_type), ()):
                circuit = _circuit(rule, device)
                if circuit and device.status is DeviceStatus.ACTIVE:
                    members.setdefault((device.municipality, rule.name, circuit), []).append(device.device_id)
        self._members = {key: tuple(ids) for key, ids in members.items()}
        changes = []
        for key, found in list(self._open.items()):
            own = self._members.get(key)
            if own is None:
                changes.append(self._resolve(key, now))
            else:
                # After a restart nobody is known to be well yet.
                found.lost = found.lost & set(own) if found.lost else set(own)
        return changes

    def restore(self, alert: Alert) -> None:
        """Take up an open alert of an earlier run; `configure` has to follow."""
        if alert.circuit is not None:
            self._open[alert.municipality, alert.rule, alert.circuit] = _Open(alert)

    def forget(self, device_ids: Iterable[str]) -> None:
        """Know nothing of the alerts found by these devices: another ingest judges their municipality."""
        forgotten = frozenset(device_ids)
        for key, found in list(self._open.items()):
            if found.alert.device_id in forgotten or not forgotten.isdisjoint(found.lost):
                del self._open[key]

    def explains(
        self, rule_name: str, device: Device, started_at: datetime, now: datetime, affected: Affected
    ) -> tuple[bool, list[AlertChange]]:
        """Whether an alert about to fire is explained by its circuit; and the circuit's alert, if found only now."""
        for rule in self._rules.get((device.municipality, device.device_type), ()):
            group, circuit = rule.group, _circuit(rule, device)
            if group is None or circuit is None or rule_name not in group.rules:
                continue
            key = (device.municipality, rule.name, circuit)
            if (found := self._open.get(key)) is not None:
                found.lost.add(device.device_id)
                return True, []
            members = self._members.get(key, ())
            lost = {member for member in members if member == device.device_id or affected(member, group)}
            if len(lost) >= _enough(rule, len(members)):
                alert = make_alert(
                    rule,
                    device,
                    value=len(lost),
                    started_at=started_at,
                    fired_at=now,
                    found=CircuitFound(circuit, len(lost), len(members)),
                )
                self._open[key] = _Open(alert, lost)
                return True, [AlertChange(alert, rule.actions)]
        return False, []

    def well(
        self, device: Device, findings: Mapping[str, object], now: datetime, affected: Affected
    ) -> list[AlertChange]:
        """A device has been judged; the alert of its circuit resolves when few enough are left that are not well."""
        changes: list[AlertChange] = []
        for rule in self._rules.get((device.municipality, device.device_type), ()):
            key = (device.municipality, rule.name, _circuit(rule, device) or "")
            found = self._open.get(key)
            if found is None or rule.group is None or any(name in findings for name in rule.group.rules):
                continue
            found.lost.discard(device.device_id)
            members = self._members.get(key, ())
            few = _enough(rule, len(members)) / 2
            if len(found.lost) < few:  # perhaps others have gone meanwhile
                found.lost.update(member for member in members if affected(member, rule.group))
            if len(found.lost) < few:
                changes.append(self._resolve(key, now, rule.actions))
        return changes

    def _resolve(self, key: _Key, now: datetime, actions: tuple[Action, ...] = ()) -> AlertChange:
        alert = self._open.pop(key).alert
        return AlertChange(alert.in_state(AlertState.RESOLVED, resolved_at=max(now, alert.started_at)), actions)


def _enough(rule: Rule, members: int) -> float:
    return max(rule.parameters["at_least"], rule.parameters["share"] * members)


def _circuit(rule: Rule, device: Device) -> str | None:
    value = None if rule.group is None else device.attributes.get(rule.group.attribute)
    return None if value is None else str(value)
