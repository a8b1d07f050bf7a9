"""Writes the weeks before a simulation begins, from the same models, so that live continues from them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import chain
from typing import Final

import numpy as np

from core.device import Device
from core.quantity import Value
from core.reading import DeviceObservation, Reading
from devices.waste_bin.codec import filling_level
from readings.store import ReadingStore
from simulators.faults import FaultKind
from simulators.fleet import Fleet
from simulators.lamp_history import LATENCY, LampPast, write_past, write_presence
from simulators.randomness import generator
from simulators.traffic import LONGEST_PASSAGE_H, Traffic
from simulators.uplink import instant
from simulators.waste_bin import Bin
from simulators.world import HOUR_S, Instants, SimulatedClock

BATCH: Final = 5000
PRESENCE: Final = timedelta(hours=48)
"""Single presences are written for the pilot street and so long before the end; counts always."""
NEIGHBOURS: Final = 2
ROUND_AT: Final = time(7)
ROUND_STOP: Final = timedelta(minutes=8)
MISSED_ROUND_SHARE: Final = 0.12
_WORKDAYS: Final = 5


@dataclass(frozen=True, slots=True)
class Emptying:
    """A bin emptied in the past; levels 0-1."""

    device_id: str
    municipality: str
    at: datetime
    level_before: float
    level_after: float


@dataclass(frozen=True, slots=True)
class History:
    """What was written: number of readings, the newest instant of each device, and the emptyings."""

    readings: int
    last_seen: Mapping[str, datetime]
    emptyings: Sequence[Emptying]


def write_history(
    fleet: Fleet, store: ReadingStore, *, start: datetime, end: datetime, progress: Callable[[float], None]
) -> History:
    """Write what the fleet would have said from `start` to `end`; the fleet then goes on from `end`.

    `progress` is told the share done, 0 to 1. Bins were emptied in weekly rounds, some of which did not take place.

    Raises:
        StorageError: the store refused; the same call with a new fleet makes it right.
    """
    for injection in fleet.injections.values():
        injection.since_s = max(start.timestamp(), end.timestamp() - injection.lead_s)
    batch: list[Reading] = []
    last_seen: dict[str, datetime] = {}
    emptyings: list[Emptying] = []
    written = 0
    pasts = chain(_lamps(fleet, start, end), _bins(fleet, start, end, emptyings))
    for done, readings in enumerate(pasts, start=1):
        batch += readings
        if readings:
            last_seen[readings[-1].device_id] = max(reading.received_at for reading in readings)
        while len(batch) >= BATCH:
            store.write(batch[:BATCH])
            written += BATCH
            del batch[:BATCH]
        progress(done / len(fleet.devices))
    if batch:
        store.write(batch)
    return History(written + len(batch), last_seen, emptyings)


def resume(fleet: Fleet, latest: Sequence[DeviceObservation]) -> None:
    """Let a new fleet go on from what a store has: counters, levels and batteries of its devices."""
    by_device: dict[str, dict[str, Value]] = {}
    for observation in latest:
        by_device.setdefault(observation.device_id, {})[observation.quantity] = observation.value
    for device_id, lamp in fleet.lamps.items():
        values = by_device.get(device_id, {})
        lamp.energy_kwh = _greater(lamp.energy_kwh, values.get("active_energy_kwh"))
        lamp.hours_h = _greater(lamp.hours_h, values.get("operating_hours_h"))
        lamp.switch_on_count = int(_greater(lamp.switch_on_count, values.get("switch_on_count")))
        lamp.presence_count = int(_greater(lamp.presence_count, values.get("presence_count")))
    for device_id, bin_ in fleet.bins.items():
        values = by_device.get(device_id, {})
        bin_.level = float(values.get("filling_level", bin_.level))
        bin_.battery_level = float(values.get("battery_level", bin_.battery_level))


def _greater(own: float, kept: Value | None) -> float:
    return own if kept is None else max(own, float(kept))


def _lamps(fleet: Fleet, start: datetime, end: datetime) -> Iterator[list[Reading]]:
    pilot = fleet.region.pilot_street
    for traffic in fleet.traffic:
        row = traffic.row
        detections = _detections(traffic, start.timestamp(), end.timestamp())
        for place, device in enumerate(row.lamps):
            near = np.sort(np.concatenate(detections[max(0, place - NEIGHBOURS) : place + NEIGHBOURS + 1]))
            past = LampPast(start.timestamp(), end.timestamp(), detections[place], near)
            lamp = fleet.lamps[device.device_id]
            readings = write_past(lamp, fleet.world, past, fleet.seed)
            if (row.municipality, row.street) == (pilot.municipality, pilot.street):
                readings += write_presence(lamp, past, (end - PRESENCE).timestamp())
            yield readings


def _detections(traffic: Traffic, start_s: float, end_s: float) -> list[Instants]:
    first = int(start_s // HOUR_S) - LONGEST_PASSAGE_H
    passages = traffic.passages(first, int(end_s // HOUR_S) + 1 - first)
    seen = (passages.at_lamp(place) for place in range(len(traffic.row.lamps)))
    return [at_s[(at_s >= start_s) & (at_s <= end_s)] for at_s in seen]


def _bins(fleet: Fleet, start: datetime, end: datetime, emptyings: list[Emptying]) -> Iterator[list[Reading]]:
    for order, bin_ in enumerate(fleet.bins.values()):
        yield _past_of(bin_, start, end, _rounds(fleet, bin_.device, order, start, end), emptyings)


def _rounds(fleet: Fleet, device: Device, order: int, start: datetime, end: datetime) -> list[datetime]:
    """When the weekly round came to a bin: a workday per municipality, in the morning, holidays left out."""
    zone = fleet.region.zone
    slugs = [entry.municipality for entry in fleet.region.municipalities]
    weekday = slugs.index(device.municipality) % _WORKDAYS
    rounds = []
    day = start.astimezone(zone).date()
    while day <= end.astimezone(zone).date():
        missed = generator(fleet.seed, "round", device.municipality, day.isoformat()).random() < MISSED_ROUND_SHARE
        came_at = datetime.combine(day, ROUND_AT, zone).astimezone(UTC) + ROUND_STOP * (order % 20)
        if day.weekday() == weekday and not missed and start <= came_at < end:
            rounds.append(came_at)
        day += timedelta(days=1)
    return rounds


def _past_of(
    bin_: Bin, start: datetime, end: datetime, rounds: Sequence[datetime], emptyings: list[Emptying]
) -> list[Reading]:
    bin_.start(SimulatedClock(start.timestamp(), 1.0))
    readings: list[Reading] = []
    waiting = list(rounds)
    while True:
        if waiting and waiting[0].timestamp() <= bin_.next_s:
            at = waiting.pop(0)
            before, after = bin_.empty(at.timestamp())
            emptyings.append(Emptying(bin_.device.device_id, bin_.device.municipality, at, before, after))
            continue
        at_s = bin_.next_s
        if at_s >= end.timestamp():
            return readings
        bin_.report_done()
        readings += _bin_readings(bin_, at_s)


def _bin_readings(bin_: Bin, at_s: float) -> list[Reading]:
    """What the platform kept of a report: the level too where the sensor says the distance."""
    device = bin_.device
    injection = bin_.uplink.injection
    values = bin_.values(at_s)
    observed_at = received_at = instant(at_s)
    if injection is not None:
        if injection.has(FaultKind.SILENCE, at_s):
            return []
        values = injection.alter(values, at_s)
        observed_at = instant(injection.clock_s(at_s))
    if "distance_m" in values:
        attributes = device.attributes
        values["filling_level"] = filling_level(
            float(values["distance_m"]), attributes["height_m"], attributes["sensor_offset_m"]
        )
    return [
        Reading(device.device_id, device.device_type, device.municipality, observed_at, received_at + LATENCY, values)
    ]
