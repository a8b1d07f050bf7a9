"""The outlook of one bin: how full it will be quarter day by quarter day, when it is full, when it was emptied."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from actions.pickups.levels import LearnedPlaces, newest_levels, straight_lines
from core.device import Device
from core.errors import InvalidInputError
from core.pickup import Emptying, Forecast
from pickups.due import DEVICE_TYPE, Level
from pickups.filling.forecast import predict
from pickups.filling.observed_levels import CELLS, observed_levels
from pickups.filling.place import place_id
from pickups.filling.place_model import STEP
from readings.store import ReadingStore
from state.state import State

EMPTYINGS_SHOWN: Final = 10
_LEVELS: Final = np.arange(CELLS) / (CELLS - 1)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known and expected of a bin; `forecasts` every six hours, if it is not emptied before.

    `observed_levels` are the mean levels that its sensor will show at the same instants, with the chance that somebody
    empties it as was the habit; empty where nothing was learned of that.
    """

    place_id: str
    newest: Level | None
    forecasts: tuple[Forecast, ...]
    observed_levels: tuple[float, ...]
    emptyings: tuple[Emptying, ...]


def bin_outlook(
    state: State, readings: ReadingStore, device: Device, *, now: datetime, days: int, zone: ZoneInfo
) -> Outlook:
    """The outlook of a bin for some days from now on.

    Raises:
        InvalidInputError: the device is no bin.
        StorageError: a store does not answer.
    """
    if device.device_type != DEVICE_TYPE:
        raise InvalidInputError(f"device {device.device_id} is a {device.device_type}: only bins fill")
    place = place_id(device)
    levels = newest_levels(readings, [device], device.municipality, now)
    emptied = tuple(state.emptyings.of_place(place, [device.device_id], limit=EMPTYINGS_SHOWN))
    level = levels.get(device.device_id)
    if level is None:
        return Outlook(place, None, (), (), emptied)
    instants = [now + STEP * (number + 1) for number in range(days * (timedelta(days=1) // STEP))]
    learned = LearnedPlaces(state, {device.municipality}, now)
    model = learned.model(device)
    if model is None:
        lines = straight_lines(readings, device.device_id, level, now, instants)
        return Outlook(place, level, tuple(lines), (), emptied)
    start = learned.newest_level(device.device_id, model, level)
    expected = tuple(predict([model], [start], at, zone=zone)[0] for at in instants)
    shown = observed_levels([model], [start], instants, zone=zone)[:, 0] @ _LEVELS
    return Outlook(place, level, expected, tuple(np.round(shown, 4).tolist()), emptied)
