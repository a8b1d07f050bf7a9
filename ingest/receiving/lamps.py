"""The lamps as light control sees them, from what the keeping process tells of the registry."""

from collections.abc import Sequence

from ingest.pipe import LampsChanged
from lights.assignment import LightingPlan
from lights.lamp import Lamp, controlled_lamps


class Lamps:
    """Lamps in service with their schedules. One that has not changed under the same plan stays the same object."""

    def __init__(self) -> None:
        self._lamps: dict[str, Lamp] = {}
        self._plan: LightingPlan | None = None

    def take(self, news: LampsChanged) -> Sequence[Lamp]:
        """Take over what changed; gives all lamps there are now."""
        devices = {device.device_id: device for device in news.lamps}
        for lamp_id in news.gone:
            self._lamps.pop(lamp_id, None)
        if news.plan is not None:
            self._plan = news.plan
            devices = {lamp_id: lamp.device for lamp_id, lamp in self._lamps.items()} | devices
        if self._plan is not None:
            for lamp in controlled_lamps(devices.values(), self._plan):
                self._lamps[lamp.device.device_id] = lamp
        return list(self._lamps.values())
