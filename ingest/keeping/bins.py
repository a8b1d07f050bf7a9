"""Notices from levels alone that bins were emptied."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from core.reading import DeviceObservation, Reading
from pickups.filling.emptying import detect_emptying
from state.state import State


@dataclass(frozen=True, slots=True)
class _Emptying:
    device_id: str
    municipality: str
    at: datetime
    before: float
    after: float


class BinLevels:
    """The last level of each bin; late readings do not count."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[datetime, float]] = {}
        self._found: list[_Emptying] = []

    def take_up(self, latest: list[DeviceObservation]) -> None:
        """Go on from these levels, the newest in the store."""
        for observation in latest:
            if observation.quantity == "filling_level":
                self._last[observation.device_id] = (observation.observed_at, float(observation.value))

    def forget(self, device_ids: Iterable[str]) -> None:
        """Know no level of these devices: another ingest sees them, or did until now."""
        for device_id in device_ids:
            self._last.pop(device_id, None)

    def observe(self, reading: Reading) -> None:
        """Compare a reading's level with the one before."""
        level = reading.values.get("filling_level")
        if level is None:
            return
        before = self._last.get(reading.device_id)
        if before is not None and reading.observed_at <= before[0]:
            return
        after = float(level)
        if before is not None and detect_emptying(before[1], after):
            self._found.append(
                _Emptying(reading.device_id, reading.municipality, reading.observed_at, before[1], after)
            )
        self._last[reading.device_id] = (reading.observed_at, after)

    def write_emptyings(self, state: State) -> None:
        """Keep what was found and close the pickup requests of those bins.

        Raises:
            StorageError: call again; nothing found is forgotten before it is kept.
        """
        while self._found:
            found = self._found[0]
            state.emptyings.record(found.device_id, found.municipality, found.at, found.before, found.after)
            state.pickups.close_request(found.device_id, found.at)
            self._found.pop(0)
