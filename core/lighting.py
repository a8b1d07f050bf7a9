"""Nouns of the lighting plan: groups of lamps and nights with full light."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from core.device import Device

LIGHTING_NAME_PATTERN: Final = r"[a-z][a-z0-9_-]{0,63}"
"""Names of lighting profiles and event nights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LightGroup:
    """Lamps of a municipality that belong together: those named, and those of a street, a circuit, or of both at once.

    `lighting_profile` names the profile that they follow where a lamp's own attribute names none.
    """

    light_group_id: str
    municipality: str
    name: str
    lighting_profile: str | None = None
    device_ids: frozenset[str] = frozenset()
    street: str | None = None
    circuit: str | None = None

    def includes(self, lamp: Device) -> bool:
        """Whether a lamp belongs to the group."""
        if lamp.municipality != self.municipality:
            return False
        if lamp.device_id in self.device_ids:
            return True
        if self.street is None and self.circuit is None:
            return False
        circuit = lamp.attributes.get("circuit")
        return (self.street is None or lamp.street == self.street) and (
            self.circuit is None or (circuit is not None and str(circuit) == self.circuit)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EventNights:
    """Nights of an event, with full light: those that begin on `first` to `last`, both included (local dates)."""

    municipality: str
    name: str
    first: date
    last: date
