"""The lamps as light control sees them: a snapshot, renewed when the state database's revision grows."""

from collections.abc import Sequence
from typing import Final

from actions.lighting_plan import read_lighting_plan
from core.device import DeviceStatus, Municipality
from core.settings import Settings
from lights.lamp import Lamp, controlled_lamps
from storage.devices import DeviceFilter
from storage.state import State

CONTROLLED: Final = (DeviceStatus.ACTIVE, DeviceStatus.MAINTENANCE)


class Lamps:
    """Lamps in service with their schedules; read by several threads, replaced as a whole."""

    def __init__(self, state: State, settings: Settings) -> None:
        self._state = state
        self._settings = settings
        self.revision = -1
        self.controlled: Sequence[Lamp] = ()
        self.municipalities: Sequence[Municipality] = ()

    def reload(self) -> None:
        """Read everything anew if something changed.

        Raises:
            StorageError: the state database failed; the snapshot stays as it is.
        """
        revision = self._state.devices.revision()
        if revision == self.revision:
            return
        lamps = self._state.devices.all(DeviceFilter(device_type="streetlight"))
        municipalities = self._state.municipalities.all()
        plan = read_lighting_plan(self._state, self._settings)
        self.controlled = controlled_lamps((lamp for lamp in lamps if lamp.status in CONTROLLED), plan)
        self.municipalities = municipalities
        self.revision = revision
