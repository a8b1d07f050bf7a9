"""The lamps as light control sees them: a snapshot, renewed when the state database's revision grows."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from core.device import Device, DeviceStatus, Municipality
from lights.street import neighbours
from storage.devices import DeviceFilter
from storage.state import State

CONTROLLED: Final = (DeviceStatus.ACTIVE, DeviceStatus.MAINTENANCE)


class Lamps:
    """Lamps in service by id, who lights whom; read by several threads, replaced as a whole."""

    def __init__(self, state: State, *, lamp_neighbours: int) -> None:
        self._state = state
        self._lamp_neighbours = lamp_neighbours
        self.revision = -1
        self.devices: Mapping[str, Device] = {}
        self.municipalities: list[Municipality] = []
        self.neighbours: Mapping[str, tuple[str, ...]] = {}

    def reload(self) -> None:
        """Read everything anew if something changed.

        Raises:
            StorageError: the state database failed; the snapshot stays as it is.
        """
        revision = self._state.devices.revision()
        if revision == self.revision:
            return
        lamps = self._state.devices.all(DeviceFilter(device_type="streetlight"))
        self.municipalities = self._state.municipalities.all()
        controlled = [lamp for lamp in lamps if lamp.status in CONTROLLED]
        near = neighbours(controlled, self._lamp_neighbours)
        self.neighbours = {lamp.device_id: near.get(lamp.device_id, ()) for lamp in controlled}
        self.devices = {lamp.device_id: lamp for lamp in controlled}
        self.revision = revision

    def overridden(self, now: datetime) -> dict[str, datetime | None]:
        """Lamps that an operator holds, and until when (None: until told otherwise)."""
        held: dict[str, datetime | None] = {}
        for command in self._state.commands.active_overrides(now):
            until = None
            if command.hold_s is not None:
                until = datetime.fromtimestamp(command.issued_at.timestamp() + command.hold_s, tz=now.tzinfo)
            held[command.device_id] = until
        return held
