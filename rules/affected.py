"""Whether a device shows just now what the rule of a circuit looks for."""

from collections.abc import Mapping
from datetime import datetime

from core.alert import AlertState
from core.device import Device
from rules.memory import DeviceMemory
from rules.prepared import Prepared
from rules.rule import Group
from rules.silence import silent_as_neighbour


class Affected:
    """Asks of a device: pending, nearly silent or given up, and not alerted about before."""

    def __init__(
        self,
        devices: Mapping[str, Device],
        memories: Mapping[str, DeviceMemory],
        prepared: Mapping[tuple[str, str], Prepared],
        now: datetime,
    ) -> None:
        self._devices, self._memories, self._prepared, self._now = devices, memories, prepared, now

    def __call__(self, device_id: str, group: Group) -> bool:
        """Whether it does, for the rules that the group's alert explains."""
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
