"""What the receiving process has been told of lamps: only what changes goes over the pipe."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from actions.lights.lighting_plan import read_lighting_plan
from core.command import Command
from core.device import Device, DeviceStatus
from core.settings import Settings
from ingest.pipe import LampsChanged, Overrides
from lights.assignment import LightingPlan
from state.state import State

CONTROLLED: Final = (DeviceStatus.ACTIVE, DeviceStatus.MAINTENANCE)


class LampsTold:
    """Tells of the lamps in service whose light is ours, of their lighting plan and of operators' overrides.

    Args:
        tell: says something to the receiving process.
    """

    def __init__(self, state: State, settings: Settings, tell: Callable[[LampsChanged | Overrides], None]) -> None:
        self._state = state
        self._settings = settings
        self._tell = tell
        self._lamps: dict[str, tuple[object, ...]] = {}
        self._plan: LightingPlan | None = None
        self._overrides: list[Command] = []

    def tell_lamps(self, devices: Iterable[Device], now: datetime) -> None:
        """Tell what has changed of our lamps; of those that have become ours also what they still hold.

        Raises:
            StorageError: the state database failed; nothing was told.
        """
        ours = {
            device.device_id: device
            for device in devices
            if device.device_type == "streetlight" and device.status in CONTROLLED
        }
        lamps = {name: _of_light(device) for name, device in ours.items()}
        plan = read_lighting_plan(self._state, self._settings)
        changed = [device for name, device in ours.items() if self._lamps.get(name) != lamps[name]]
        gone = self._lamps.keys() - lamps.keys()
        if self._plan is not None and plan == self._plan and not changed and not gone:
            return
        new = lamps.keys() - self._lamps.keys()
        held = [command for command in self._state.commands.held(now) if command.device_id in new] if new else []
        self._tell(LampsChanged(changed, gone, None if plan == self._plan else plan, held))
        self._lamps, self._plan = lamps, plan
        self._overrides = [command for command in self._overrides if command.device_id not in new]

    def tell_overrides(self, overrides: list[Command]) -> None:
        """Tell which overrides are in force, after the lamps; it is known how often the same was told."""
        ours = [command for command in overrides if command.device_id in self._lamps]
        if ours != self._overrides:
            self._tell(Overrides(ours))
            self._overrides = ours


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
