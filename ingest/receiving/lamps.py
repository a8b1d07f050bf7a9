"""The lamps as light control sees them: a snapshot, renewed when the state database's revision grows."""

from collections.abc import Mapping, Sequence
from typing import Final

from actions.lights.lighting_plan import read_lighting_plan
from core.device import Device, DeviceStatus, Municipality
from core.settings import Settings
from lights.assignment import LightingPlan
from lights.lamp import Lamp, controlled_lamps
from state.devices import DeviceFilter
from state.state import State

CONTROLLED: Final = (DeviceStatus.ACTIVE, DeviceStatus.MAINTENANCE)


class Lamps:
    """Lamps in service with their schedules; read by several threads, replaced as a whole."""

    def __init__(self, state: State, settings: Settings) -> None:
        self._state = state
        self._settings = settings
        self.revision = -1
        self.controlled: Sequence[Lamp] = ()
        self.municipalities: Sequence[Municipality] = ()
        self._plan: LightingPlan | None = None

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
        known: dict[str, Lamp] = {}
        if self._plan is not None and plan == self._plan:
            plan = self._plan
            known = {lamp.device.device_id: lamp for lamp in self.controlled}
        self.controlled = _renewed(known, [lamp for lamp in lamps if lamp.status in CONTROLLED], plan)
        self._plan = plan
        self.municipalities = municipalities
        self.revision = revision


def _renewed(known: Mapping[str, Lamp], devices: Sequence[Device], plan: LightingPlan) -> list[Lamp]:
    """The lamps of these devices; one that has not changed under the same plan stays the same object."""
    lamps = {
        device.device_id: lamp
        for device in devices
        if (lamp := known.get(device.device_id)) is not None and _of_light(lamp.device) == _of_light(device)
    }
    changed = controlled_lamps((device for device in devices if device.device_id not in lamps), plan)
    lamps |= {lamp.device.device_id: lamp for lamp in changed}
    return [lamps[device.device_id] for device in devices]


def _of_light(device: Device) -> tuple[object, ...]:
    """What light control uses of a device; when it was last seen is not part of it."""
    return (
        device.municipality,
        device.street,
        device.latitude,
        device.longitude,
        device.status,
        device.attributes,
    )
