"""The registry as ingest sees it: a snapshot of devices, renewed when the state database's revision grows."""

import threading
from collections.abc import Mapping

from core.device import Device, DeviceStatus, Municipality
from state.devices import DeviceFilter
from state.state import State


class Registry:
    """Devices by id, municipalities, thresholds; read by several threads, replaced as a whole."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.revision = -1
        self._lock = threading.Lock()
        self.devices: dict[str, Device] = {}
        self.municipalities: list[Municipality] = []
        self.overrides: Mapping[str, Mapping[str, Mapping[str, object]]] = {}
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
        with self._lock:
            self.revision = revision
            self.devices = devices
            self.municipalities = municipalities
            self.overrides = overrides
            self.discovered = sum(device.status is DeviceStatus.DISCOVERED for device in devices.values())
        return True

    def add_newcomer(self, device: Device) -> None:
        """Know a device at once that will be in the state database with the batch in hand."""
        with self._lock:
            is_new = device.device_id not in self.devices
            self.devices[device.device_id] = device
            self.discovered += is_new and device.status is DeviceStatus.DISCOVERED
