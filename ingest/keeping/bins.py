"""Notices from levels alone that bins were emptied."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from core.reading import DeviceObservation, Reading
from devices.waste_bin.level import REPORTS, settled_level
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
    """The last levels of each bin; late readings do not count, one far off is believed when it comes twice."""

    def __init__(self) -> None:
        self._recent: dict[str, deque[tuple[datetime, float]]] = {}
        self._settled: dict[str, float] = {}
        self._found: list[_Emptying] = []

    def take_up(self, latest: list[DeviceObservation]) -> None:
        """Go on from these levels, the newest in the store."""
        for observation in latest:
            if observation.quantity == "filling_level":
                level = float(observation.value)
                self._recent[observation.device_id] = deque([(observation.observed_at, level)], REPORTS)
                self._settled[observation.device_id] = level

    def forget(self, device_ids: Iterable[str]) -> None:
        """Know no level of these devices: another ingest sees them, or did until now."""
        for device_id in device_ids:
            self._recent.pop(device_id, None)
            self._settled.pop(device_id, None)

    def observe(self, reading: Reading) -> None:
        """Compare the level as of a reading with that before it."""
        level = reading.values.get("filling_level")
        if level is None:
            return
        recent = self._recent.setdefault(reading.device_id, deque(maxlen=REPORTS))
        if recent and reading.observed_at <= recent[-1][0]:
            return
        recent.append((reading.observed_at, float(level)))
        before, after = self._settled.get(reading.device_id), settled_level(recent)
        if before is not None and detect_emptying(before, after):
            # Confirmed by the second report that shows it, it was emptied before the first.
            at = next(at for at, each in recent if detect_emptying(before, each))
            self._found.append(_Emptying(reading.device_id, reading.municipality, at, before, after))
        self._settled[reading.device_id] = after

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
