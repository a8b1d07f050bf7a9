"""Tries rules on readings that are stored: what alerts they would have raised. Changes nothing."""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, groupby
from typing import Final

from core.alert import Alert, AlertState
from core.device import Device, DeviceStatus
from core.errors import NotFoundError
from core.reading import Observation, Reading
from readings.store import ReadingStore
from rules.engine import RuleEngine
from rules.rule import Rule
from state.devices import DeviceFilter
from state.state import State

STEP: Final = timedelta(minutes=15)
"""How often silence is judged."""
_TOGETHER: Final = 200_000
"""Observations held in memory at once, over all devices."""
_FEWEST, _MOST = 50, 5_000
_TRIED: Final = (DeviceStatus.ACTIVE, DeviceStatus.MAINTENANCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Where a trial ends before its time: so many readings or alerts, or when `enough` says so."""

    readings: int = 20_000_000
    alerts: int = 10_000
    enough: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What rules would have raised: alerts that fired, in their last state, in the order in which they fired."""

    alerts: list[Alert]
    devices: int
    """Those that said something."""
    readings: int
    start: datetime
    end: datetime
    """Until when was judged."""
    complete: bool
    """False: a bound ended it at `end`."""


def try_rules(
    rules: Mapping[str, tuple[Rule, ...]],
    state: State,
    readings: ReadingStore,
    *,
    start: datetime,
    end: datetime,
    municipality: str | None = None,
    bounds: Bounds | None = None,
) -> Trial:
    """Judge what active devices said from `start` to `end` as ingest would have, by these rules alone.

    Municipalities' filling thresholds hold, their overrides do not: the rules are tried as they are given. Nobody is
    silent before the first reading of the span: a device without any is left out. What was received late counts as
    received when it was observed. What light control asked of lamps is not known, nor single presences older than their
    retention.

    Raises:
        NotFoundError: there is no such municipality.
        StorageError: a store failed.
    """
    bounds = bounds or Bounds()
    municipalities = state.municipalities.all()
    if municipality is not None and municipality not in {known.municipality for known in municipalities}:
        raise NotFoundError(f"no municipality {ascii(municipality)[:80]}")
    registered = [
        replace(device, status=DeviceStatus.ACTIVE, last_seen_at=None)
        for device in state.devices.all(DeviceFilter(municipality=municipality))
        if device.device_type in rules and device.status in _TRIED
    ]
    needed = [rule.needed() for of_type in rules.values() for rule in of_type]
    quantities = None if None in needed else frozenset().union(*(some for some in needed if some))
    said = _histories(registered, partial(readings.series, quantities=quantities, start=start, end=end))
    devices = {device.device_id: device for device, _, _ in said}
    engine = RuleEngine(rules)
    engine.configure(devices, municipalities, {}, start)
    for device, first, _ in said:
        engine.heard(device.device_id, first.observed_at)
    fired: dict[str, Alert] = {}
    judged, tick = 0, start + STEP
    for reading in heapq.merge(*(history for _, _, history in said), key=lambda reading: reading.observed_at):
        while tick <= reading.observed_at:
            _note(fired, engine, tick)
            tick += STEP
        if judged >= bounds.readings or len(fired) >= bounds.alerts or (judged % 1000 == 0 and bounds.enough()):
            end = reading.observed_at
            break
        judged += 1
        for change in engine.judge(reading, reading.received_at):
            _keep(fired, change.alert)
    else:
        while tick <= end:
            _note(fired, engine, tick)
            tick += STEP
        return Trial(
            alerts=list(fired.values()), devices=len(devices), readings=judged, start=start, end=end, complete=True
        )
    return Trial(
        alerts=list(fired.values()), devices=len(devices), readings=judged, start=start, end=end, complete=False
    )


def _note(fired: dict[str, Alert], engine: RuleEngine, now: datetime) -> None:
    for change in engine.judge_silence(now):
        _keep(fired, change.alert)


def _keep(fired: dict[str, Alert], alert: Alert) -> None:
    if alert.state is AlertState.FIRING or alert.alert_id in fired:
        fired[alert.alert_id] = alert


def _histories(
    registered: Sequence[Device], series: Callable[..., list[Observation]]
) -> list[tuple[Device, Reading, Iterator[Reading]]]:
    """Each device that said something, with its first reading and all of them; of each only a page is in memory."""
    page = max(_FEWEST, min(_MOST, _TOGETHER // max(1, len(registered))))
    said: list[tuple[Device, Reading, Iterator[Reading]]] = []
    for device in registered:
        history = _of_device(device, _observations(partial(series, device.device_id), page))
        first = next(history, None)
        if first is not None:
            said.append((device, first, chain([first], history)))
    return said


def _of_device(device: Device, observations: Iterator[Observation]) -> Iterator[Reading]:
    for at, together in groupby(observations, key=lambda observation: observation.observed_at):
        values = {observation.quantity: observation.value for observation in together}
        yield Reading(device.device_id, device.device_type, device.municipality, at, at, values)


def _observations(series: Callable[..., list[Observation]], page: int) -> Iterator[Observation]:
    after: tuple[datetime, str] | None = None
    while True:
        found = series(limit=page, after=after)
        yield from found
        if len(found) < page:
            return
        after = (found[-1].observed_at, found[-1].quantity)
