"""When a device counts as silent, and what is overdue of it."""

from collections.abc import Iterator
from datetime import datetime

from core.device import Device
from rules.memory import DeviceMemory
from rules.prepared import Prepared
from rules.rule import Rule


def silence(rule: Rule, device: Device, memory: DeviceMemory, now: datetime) -> float:
    """How long a device has been silent, as a share of what the rule allows: from 1 on it is too long.

    Allowed are `silent_reports` of the interval that the attribute `report_interval_s` gives; without it, of the one
    learned, but at least `silent_s`.
    """
    if memory.heard_at is None:
        return 0.0
    reports = rule.parameters["silent_reports"]
    given_s = device.attributes.get("report_interval_s")
    if type(given_s) in (int, float) and given_s > 0:  # type: ignore[operator]
        allowed_s = reports * given_s  # type: ignore[operator]
    else:
        allowed_s = max(rule.parameters["silent_s"], reports * memory.interval_s)
    return float((now - memory.heard_at).total_seconds() / allowed_s) if allowed_s else 0.0


def silent_as_neighbour(rule: Rule, device: Device, memory: DeviceMemory, now: datetime) -> bool:
    """Whether a device is as silent as it must be if its supply went when that of one went that is now silent too long.

    Of two devices that fail together one may have reported just before, the other an interval earlier: it has missed
    at most one report less.
    """
    reports = rule.parameters["silent_reports"]
    return silence(rule, device, memory, now) >= max(0.5, (reports - 1) / reports)


def overdue(prepared: Prepared, device: Device, memory: DeviceMemory, now: datetime) -> Iterator[tuple[Rule, datetime]]:
    """The rules without an alert yet by which the device has been silent or unresponsive too long, and since when."""
    if memory.heard_at is not None:
        for rule in prepared.silent:
            if rule.name not in memory.findings and silence(rule, device, memory, now) >= 1.0:
                yield rule, memory.heard_at
    since = memory.unresponsive_since
    if since is not None:
        for rule in prepared.unresponsive:
            is_long = (now - since).total_seconds() >= rule.parameters["unresponsive_s"]
            if is_long and rule.name not in memory.findings:
                yield rule, since
