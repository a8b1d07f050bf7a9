"""What a rule may ask about a lamp that the lamp's own reading does not say."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from core.device import Device

PRESENCE_EXPLAINS: Final = timedelta(minutes=10)
"""Light so long after a presence in the street needs no other reason: hold times are 30 s to 10 min."""


class LampContext(Protocol):
    """What light control knows. Every method is asked while a reading is judged: it answers from memory, at once."""

    def wanted_level(self, device_id: str, at: datetime) -> float | None:
        """The level (0-1) that a command, hold or schedule asks of the lamp at an instant; None: not known."""

    def overridden(self, device_id: str, at: datetime) -> bool:
        """Whether an operator's override holds the lamp at an instant."""

    def commanded_switchings(self, device_id: str, since: datetime, until: datetime) -> int:
        """How many times our commands switched the lamp on or off, `since < t <= until`."""


class NoContext:
    """Nothing is known beyond the readings."""

    def wanted_level(self, device_id: str, at: datetime) -> float | None:  # noqa: ARG002 - the protocol's
        """Not known."""
        return None

    def overridden(self, device_id: str, at: datetime) -> bool:  # noqa: ARG002
        """No override is known of."""
        return False

    def commanded_switchings(self, device_id: str, since: datetime, until: datetime) -> int:  # noqa: ARG002
        """No command is known of."""
        return 0


@dataclass(slots=True)
class _Street:
    count: int = 0
    last_at: datetime | None = None


@dataclass(slots=True)
class Surroundings:
    """Presence by street, as the readings tell it, and what light control knows."""

    context: LampContext = field(default_factory=NoContext)
    _streets: dict[tuple[str, str], _Street] = field(default_factory=dict)

    def detected(self, device: Device, at: datetime) -> None:
        """Somebody is at a lamp."""
        street = self._streets.setdefault(_key(device), _Street())
        street.count += 1
        if street.last_at is None or at > street.last_at:
            street.last_at = at

    def presences(self, device: Device) -> int:
        """How many presences there were in the device's street (its own, if it has none) since the start."""
        street = self._streets.get(_key(device))
        return street.count if street else 0

    def presence_near(self, device: Device, at: datetime) -> bool:
        """Whether somebody was in the device's street shortly before an instant."""
        street = self._streets.get(_key(device))
        return street is not None and street.last_at is not None and abs(at - street.last_at) <= PRESENCE_EXPLAINS


def _key(device: Device) -> tuple[str, str]:
    return device.municipality, device.street or f"device {device.device_id}"
