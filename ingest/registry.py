"""The registry as ingest sees it: a snapshot of devices, renewed when the state database's revision grows."""

import logging
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from core.device import Device, DeviceStatus, Municipality
from lights.street import neighbours
from storage.devices import DeviceFilter
from storage.state import State

logger = logging.getLogger(__name__)

CONTROLLED: Final = (DeviceStatus.ACTIVE, DeviceStatus.MAINTENANCE)


class Registry:
    """Devices by id, who lights whom, thresholds; read by several threads, replaced as a whole."""

    def __init__(self, state: State, *, lamp_neighbours: int) -> None:
        self._state = state
        self._lamp_neighbours = lamp_neighbours
        self.revision = -1
        self._lock = threading.Lock()
        self.devices: dict[str, Device] = {}
        self.municipalities: list[Municipality] = []
        self.overrides: Mapping[str, Mapping[str, Mapping[str, object]]] = {}
        self.neighbours: Mapping[str, tuple[str, ...]] = {}
        self.discovered = 0

    def reload(self) -> bool:
        """Read everything anew if something changed; whether it did.

        Raises:
            StorageError: the state database failed; the snapshot stays as it is.
        """
        revision = self._state.devices.revision()
        if revision == self.revision:
            return False
        devices = {device.device_id: device for device in self._state.devices.all(DeviceFilter())}
        municipalities = self._state.municipalities.all()
        overrides = self._state.rule_overrides.all()
        lamps = [
            device for device in devices.values() if device.device_type == "streetlight" and device.status in CONTROLLED
        ]
        near = neighbours(lamps, self._lamp_neighbours)
        alone = {lamp.device_id: () for lamp in lamps if lamp.device_id not in near}
        with self._lock:
            self.revision = revision
            self.devices = devices
            self.municipalities = municipalities
            self.overrides = overrides
            self.neighbours = {**alone, **near}
            self.discovered = sum(device.status is DeviceStatus.DISCOVERED for device in devices.values())
        return True

    def add_newcomer(self, device: Device) -> None:
        """Know a device at once that will be in the state database with the batch in hand."""
        with self._lock:
            self.devices[device.device_id] = device
            self.discovered += device.status is DeviceStatus.DISCOVERED

    def overridden_lamps(self, now: datetime) -> dict[str, datetime | None]:
        """Lamps that an operator holds, and until when (None: until told otherwise)."""
        held: dict[str, datetime | None] = {}
        for command in self._state.commands.active_overrides(now):
            until = None
            if command.hold_s is not None:
                until = datetime.fromtimestamp(command.issued_at.timestamp() + command.hold_s, tz=now.tzinfo)
            held[command.device_id] = until
        return held
