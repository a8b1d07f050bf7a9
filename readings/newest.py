"""What `latest` answers, the same for every backend."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

from core.clock import from_epoch_us
from core.quantity import CATALOGUE
from core.reading import DeviceObservation
from readings.calls import restore

_RESTORE: Final = {name: restore(quantity) for name, quantity in CATALOGUE.items()}


ValuesOf = Callable[[Any], Iterable[tuple[str, int | None, Any]]]
"""Gives each quantity of a row once, in order, with its microseconds (None: there is no value) and value."""


def newest_of(rows: Iterable[Sequence[Any]], values_of: ValuesOf) -> list[DeviceObservation]:
    """What `latest` answers, from rows that begin with device id, device type, municipality.

    A device that moved has several; of the same instant the value of the last one in order counts. Rows should be plain
    tuples of values until they are looked at: hundreds of thousands of other objects keep Python's collector busy.
    """
    found: list[DeviceObservation] = []
    instants: dict[int, datetime] = {}  # a device says most of its values at one instant
    for _, of_device in itertools.groupby(sorted(rows, key=itemgetter(0, 1, 2)), key=itemgetter(0)):
        row, *others = of_device
        if others:
            found += _merged([row, *others], values_of)
            continue
        device_id, kind, municipality = row[:3]
        for name, observed_us, value in values_of(row):
            if observed_us is not None:
                at = instants.get(observed_us)
                if at is None:
                    at = instants[observed_us] = from_epoch_us(observed_us)
                found.append(DeviceObservation(device_id, kind, municipality, name, at, _RESTORE[name](value)))
    return found


def _merged(rows: Iterable[Sequence[Any]], values_of: ValuesOf) -> list[DeviceObservation]:
    newest: dict[str, tuple[int, DeviceObservation]] = {}
    for row in rows:
        for name, observed_us, value in values_of(row):
            if observed_us is not None and (name not in newest or newest[name][0] <= observed_us):
                at = from_epoch_us(observed_us)
                newest[name] = (
                    observed_us,
                    DeviceObservation(row[0], row[1], row[2], name, at, _RESTORE[name](value)),
                )
    return [newest[name][1] for name in sorted(newest)]
