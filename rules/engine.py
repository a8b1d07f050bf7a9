"""Judges readings by rules: readings and `now` in, alert changes out; at most one alert is open per device and rule."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from core.alert import OPEN_STATES, Alert, AlertState
from core.device import Device, DeviceStatus, Municipality
from core.reading import Reading
from rules.catalogue import effective_rule
from rules.change import AlertChange, make_alert
from rules.circuits import Affected, Circuits
from rules.context import LampContext, NoContext, Surroundings
from rules.derived_over_time import Tracker
from rules.judged_reading import JudgedReading
from rules.memory import DeviceMemory, Finding
from rules.prepared import Judge, Prepared, Shape
from rules.rule import Action, Rule
from rules.silence import overdue

__all__ = ["OLDEST_JUDGED", "AlertChange", "RuleEngine"]

OLDEST_JUDGED: Final = timedelta(days=1)
"""Readings observed longer ago are history being filled in: nobody needs an alert about them."""
_UNJUDGED: Final = (DeviceStatus.DISCOVERED, DeviceStatus.RETIRED)
_JUMP: Final = 10
"""A step so many times as long as the one before it is none of ours."""
_SHORTEST_JUMP: Final = timedelta(minutes=2)


class RuleEngine:
    """Keeps only what can be rebuilt: open alerts (from the state database) and what was heard of each device.

    Readings may be repeated, late or out of order: a reading older than the one a rule judged last is not judged.

    Args:
        rules: the shipped rules by device type.
        context: what light control knows of lamps; without it, readings alone decide.
    """

    def __init__(self, rules: Mapping[str, tuple[Rule, ...]], context: LampContext | None = None) -> None:
        self._shipped = rules
        self._devices: dict[str, Device] = {}
        self._prepared: dict[tuple[str, str], Prepared] = {}
        self._memories: dict[str, DeviceMemory] = {}
        self._trackers: frozenset[Tracker] = frozenset()
        self._circuits = Circuits()
        self._surroundings = Surroundings(context or NoContext())
        self._looked_at: datetime | None = None
        self._step: timedelta | None = None

    def ask(self, context: LampContext) -> None:
        """Take what light control knows of lamps from here from now on."""
        self._surroundings.context = context

    def configure(
        self,
        devices: Mapping[str, Device],
        municipalities: Iterable[Municipality],
        overrides: Mapping[str, Mapping[str, Mapping[str, object]]],
        now: datetime,
    ) -> list[AlertChange]:
        """Take over the registry; open alerts resolve whose device is gone or retired, or whose rule is or is disabled.

        A device not known before counts as heard `now`: neither a new device nor a restart of ours makes it silent.
        """
        self._devices = dict(devices)
        known = {municipality.municipality: municipality for municipality in municipalities}
        self._prepared = {}
        for name in {device.municipality for device in devices.values()} | set(known):
            threshold = known[name].filling_threshold if name in known else None
            own = overrides.get(name, {})
            for device_type, rules in self._shipped.items():
                self._prepared[name, device_type] = Prepared(
                    tuple(effective_rule(rule, own.get(rule.name, {}), filling_threshold=threshold) for rule in rules)
                )
        for device in devices.values():
            memory = self._memories.setdefault(device.device_id, DeviceMemory())
            if memory.heard_at is None:
                memory.heard_at = now
                memory.guess_interval(device.last_seen_at)
        changes = self._circuits.configure(
            devices, {key: prepared.groups for key, prepared in self._prepared.items()}, now
        )
        trackers = frozenset(tracker for prepared in self._prepared.values() for tracker in prepared.trackers)
        for device_id, memory in list(self._memories.items()):
            if memory.findings:
                changes += self._drop_findings(devices.get(device_id), memory, now)
            if trackers != self._trackers:
                memory.notes = {tracker: note for tracker, note in memory.notes.items() if tracker in trackers}
            if device_id not in devices:
                del self._memories[device_id]
        self._trackers = trackers
        return changes

    def add(self, device: Device) -> None:
        """Judge a device that has just become known; what `configure` knows of it beside comes with the next call."""
        self._devices[device.device_id] = device
        key = device.municipality, device.device_type
        if key not in self._prepared:
            self._prepared[key] = Prepared(
                tuple(effective_rule(rule, {}, filling_threshold=None) for rule in self._shipped[device.device_type])
            )

    def restore(self, alerts: Iterable[Alert]) -> None:
        """Take up the open alerts of an earlier run."""
        for alert in alerts:
            if alert.state not in OPEN_STATES:
                continue
            if alert.circuit is not None:
                self._circuits.restore(alert)
                continue
            memory = self._memories.setdefault(alert.device_id, DeviceMemory())
            memory.findings[alert.rule] = Finding(alert, alert.started_at)

    def forget(self, device_ids: Iterable[str]) -> None:
        """Know nothing of these devices, and change no alert: another ingest judges them, or did until now."""
        forgotten = frozenset(device_ids)
        for device_id in forgotten:
            self._memories.pop(device_id, None)
        self._circuits.forget(forgotten)

    def heard(self, device_id: str, at: datetime) -> None:
        """Something came from a device."""
        self._memories.setdefault(device_id, DeviceMemory()).hear(at)

    def judge(self, reading: Reading, now: datetime) -> list[AlertChange]:
        """What a reading changes; nothing for devices unknown, discovered or retired."""
        device = self._devices.get(reading.device_id)
        if device is None:
            return []
        memory = self._memories.get(reading.device_id)
        if memory is None:
            memory = self._memories[reading.device_id] = DeviceMemory()
        memory.hear(reading.received_at)
        prepared = self._prepared.get((device.municipality, device.device_type))
        if device.status in _UNJUDGED or prepared is None:
            return []
        changes: list[AlertChange] = []
        if memory.findings:
            for rule in prepared.silent:
                changes += _spoke(rule, memory, reading.received_at)
        if reading.observed_at >= now - OLDEST_JUDGED:
            values = reading.values
            if values.get("presence") is True:
                self._surroundings.detected(device, reading.observed_at)
            shape = prepared.shape(values)
            if shape.judges or shape.trackers:
                self._judge(
                    JudgedReading(values, device, reading.observed_at, memory, self._surroundings), shape, changes
                )
            if self._circuits.any_open:
                at = reading.received_at
                changes += self._circuits.well(device, memory.findings, at, self._affected(at))
        return changes

    def judge_silence(self, now: datetime) -> list[AlertChange]:
        """Alerts for devices that at `now` have been silent, or unresponsive, too long; to be called every few seconds.

        A step much longer than the one before it, or backwards, means that the clock was set or that we slept: that
        time counts for no device's silence.
        """
        self._leave_out_jump(now)
        changes: list[AlertChange] = []
        for device in self._devices.values():
            changes += self._judge_overdue(device, now)
        return changes

    def judge_following(self, device_id: str, follows: bool, at: datetime) -> list[AlertChange]:  # noqa: FBT001
        """Light control has given a lamp up, which answers nothing; or it follows again.

        Given up in maintenance, it has its alert when that is over, unless it follows by then.
        """
        device, memory = self._devices.get(device_id), self._memories.get(device_id)
        prepared = None if device is None else self._prepared.get((device.municipality, device.device_type))
        if device is None or memory is None or prepared is None:
            return []
        if not follows:
            memory.unresponsive_since = memory.unresponsive_since or at
            return self._judge_overdue(device, at)
        memory.unresponsive_since = None
        changes = [change for rule in prepared.unresponsive for change in _spoke(rule, memory, at)]
        if self._circuits.any_open:
            changes += self._circuits.well(device, memory.findings, at, self._affected(at))
        return changes

    def _judge_overdue(self, device: Device, now: datetime) -> list[AlertChange]:
        memory = self._memories.get(device.device_id)
        prepared = self._prepared.get((device.municipality, device.device_type))
        changes: list[AlertChange] = []
        if memory is None or prepared is None or device.status is not DeviceStatus.ACTIVE:
            return changes
        for rule, since in overdue(prepared, device, memory, now):
            explained, found = self._circuits.explains(rule.name, device, since, now, self._affected(now))
            changes += found
            if not explained:
                alert = make_alert(rule, device, value=None, started_at=since, fired_at=now)
                memory.findings[rule.name] = Finding(alert, since)
                changes.append(AlertChange(alert, rule.actions))
        return changes

    def _leave_out_jump(self, now: datetime) -> None:
        if self._looked_at is not None:
            step = now - self._looked_at
            usual = self._step or step
            if step < timedelta(0) or step > max(_SHORTEST_JUMP, _JUMP * usual):
                for memory in self._memories.values():
                    memory.clock_set(step - usual, self._looked_at + usual, now)
            else:
                self._step = step
        self._looked_at = now

    def _affected(self, now: datetime) -> Affected:
        return Affected(self._devices, self._memories, self._prepared, now)

    def _drop_findings(self, device: Device | None, memory: DeviceMemory, now: datetime) -> Iterable[AlertChange]:
        """Resolve what nobody will judge again; with every action undone: nobody needs the pickup it asked for."""
        prepared = None if device is None else self._prepared.get((device.municipality, device.device_type))
        gone = device is None or device.status in _UNJUDGED or prepared is None
        for name in [name for name in memory.findings if gone or (prepared and name not in prepared.names)]:
            finding = memory.findings.pop(name)
            if finding.told:
                yield AlertChange(finding.alert.in_state(AlertState.RESOLVED, resolved_at=now), tuple(Action))

    def _judge(self, seen: JudgedReading, shape: Shape, changes: list[AlertChange]) -> None:
        memory, at = seen.memory, seen.at
        late = memory.newest_at is not None and at < memory.newest_at
        newer: frozenset[str] = frozenset()
        if late:  # what these rules judged is more recent
            newer = newer.union(*(names for names, newest in memory.newest.items() if at < newest))
        else:
            memory.newest_at = at
        if not late or memory.newest.get(shape.names, at) <= at:
            memory.newest[shape.names] = at
        for tracker in shape.trackers:
            tracker.note(seen)
        findings = memory.findings
        for judge in shape.judges:
            if late and judge.name in newer:
                continue
            if judge.given is not None and not judge.given(seen, False):
                continue
            if judge.name in findings:
                self._go_on(judge, findings[judge.name], seen, changes)
            elif judge.met(seen, False) and seen.device.status is DeviceStatus.ACTIVE:  # in maintenance: muted
                self._begin(judge, seen, changes)

    def _begin(self, judge: Judge, seen: JudgedReading, changes: list[AlertChange]) -> None:
        alert = make_alert(judge.rule, seen.device, value=judge.read(seen), started_at=seen.at, fired_at=None)
        finding = seen.memory.findings[judge.name] = Finding(alert, seen.at, told=False)
        self._fire(judge, finding, seen, changes)

    def _go_on(self, judge: Judge, finding: Finding, seen: JudgedReading, changes: list[AlertChange]) -> None:
        at = seen.at
        met = self._still(judge, finding, seen) if at >= finding.last_at else None
        if met is None:
            return
        if met:
            finding.reports += at > finding.last_at
            finding.last_at = at
            finding.clear_since = None
            self._fire(judge, finding, seen, changes)
            return
        finding.clear_since = finding.clear_since or at
        is_kept = (at - finding.clear_since).total_seconds() < judge.keep_firing_s
        if is_kept and finding.alert.state is not AlertState.PENDING:
            return
        del seen.memory.findings[judge.name]
        if finding.told:
            resolved = finding.alert.in_state(AlertState.RESOLVED, resolved_at=finding.clear_since)
            changes.append(AlertChange(resolved, judge.rule.actions))

    @staticmethod
    def _still(judge: Judge, finding: Finding, seen: JudgedReading) -> bool | None:
        if judge.clear is not None and finding.alert.state is not AlertState.PENDING:
            cleared = judge.clear(seen, False)
            return None if cleared is None else not cleared
        return judge.met(seen, True)

    def _fire(self, judge: Judge, finding: Finding, seen: JudgedReading, changes: list[AlertChange]) -> None:
        """Fire a pending alert whose time has come, unless its circuit explains it; else tell that it is pending."""
        alert = finding.alert
        if alert.state is not AlertState.PENDING or seen.device.status is not DeviceStatus.ACTIVE:
            return
        if judge.fires((seen.at - alert.started_at).total_seconds(), finding.reports):
            explained, found = self._circuits.explains(
                judge.name, seen.device, alert.started_at, seen.at, self._affected(seen.at)
            )
            changes += found
            if not explained:
                finding.alert = alert.in_state(AlertState.FIRING, fired_at=seen.at)
                finding.told = True
                changes.append(AlertChange(finding.alert, judge.rule.actions))
                return
        if not finding.told and (judge.for_reports == 1 or finding.reports > 1):
            finding.told = True
            changes.append(AlertChange(alert, ()))


def _spoke(rule: Rule, memory: DeviceMemory, at: datetime) -> list[AlertChange]:
    finding = memory.findings.get(rule.name)
    if finding is None or at < finding.last_at:
        return []
    del memory.findings[rule.name]
    return [AlertChange(finding.alert.in_state(AlertState.RESOLVED, resolved_at=at), rule.actions)]
