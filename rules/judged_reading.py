"""One reading as a rule sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.device import Device
from core.quantity import Value
from rules.context import Surroundings
from rules.memory import DeviceMemory


@dataclass(slots=True)
class JudgedReading:
    """A reading with its device and all that is known around it; `at` is when it was observed."""

    values: Mapping[str, Value]
    device: Device
    at: datetime
    memory: DeviceMemory
    surroundings: Surroundings
    power: Any = None
    """What `rules.power` has found out about this reading."""
    _wanted: float | None = None
    _asked: bool = False

    def number(self, quantity: str) -> float | None:
        """A quantity that the catalogue says is a number; None: it is not in the reading."""
        return self.values.get(quantity)  # type: ignore[return-value]

    def attribute(self, name: str) -> float | None:
        """A positive number among the device's attributes."""
        value = self.device.attributes.get(name)
        return float(value) if type(value) in (int, float) and value > 0 else None  # type: ignore[operator,arg-type]

    def wanted_level(self) -> float | None:
        """What light control asks of the lamp, asked once; None: not known."""
        if not self._asked:
            self._asked = True
            self._wanted = self.surroundings.context.wanted_level(self.device.device_id, self.at)
        return self._wanted
