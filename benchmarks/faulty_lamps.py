"""Lamps for `benchmarks/faults.py`: what they report in a month, some with a fault, all with the oddities of practice.

An oddity is nothing that anybody should drive out for. Each is here because it raises false alarms in systems that
compare single values with fixed limits.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from core.device import Device
from core.quantity import Value
from core.reading import Reading
from core.topics import Topics
from simulators.faults import FaultKind, Injection
from simulators.lamp_history import LampPast, write_past
from simulators.placement import Row
from simulators.randomness import generator
from simulators.streetlight import Lamp, power_factor, power_w
from simulators.traffic import LONGEST_PASSAGE_H, Traffic
from simulators.uplink import Uplink
from simulators.world import HOUR_S, Instants, World

ZONE: Final = ZoneInfo("Europe/Berlin")
NEIGHBOURS: Final = 2
EVENING_ENDS, MORNING_BEGINS = 22, 5
NIGHT_LEVEL: Final = 0.5


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time."""

    start: datetime
    end: datetime

    def draw(self, rng: np.random.Generator, length: timedelta, first: float = 0.0, last: float = 1.0) -> "Span":
        """A stretch of some length that begins between two shares of this one."""
        begin = self.start + (self.end - self.start) * float(rng.uniform(first, last))
        return Span(begin, begin + length)

    def __contains__(self, at: datetime) -> bool:
        return self.start <= at < self.end


class Street:
    """When lamps of a row see somebody."""

    def __init__(self, row: Row, world: World, seed: int, span: Span) -> None:
        start_s, end_s = span.start.timestamp(), span.end.timestamp()
        first = int(start_s // HOUR_S) - LONGEST_PASSAGE_H
        passages = Traffic(row, world, seed).passages(first, int(end_s // HOUR_S) + 1 - first)
        seen = [passages.at_lamp(place) for place in range(len(row.lamps))]
        self._seen = [at_s[(at_s >= start_s) & (at_s <= end_s)] for at_s in seen]
        self._span = span

    def past(self, place: int) -> LampPast:
        """What the lamp at a place of the row saw, and when it was raised."""
        near: Instants = np.sort(np.concatenate(self._seen[max(0, place - NEIGHBOURS) : place + NEIGHBOURS + 1]))
        return LampPast(self._span.start.timestamp(), self._span.end.timestamp(), self._seen[place], near)


class Overrides:
    """Light control as the rules ask it: it knows of operators' overrides only."""

    def __init__(self, held: Mapping[str, Span]) -> None:
        self._held = held

    def wanted_level(self, device_id: str, at: datetime) -> float | None:
        """Full light in an override, else not known."""
        return 1.0 if self.overridden(device_id, at) else None

    def overridden(self, device_id: str, at: datetime) -> bool:
        """Whether somebody tests the lamp."""
        return device_id in self._held and at in self._held[device_id]

    def commanded_switchings(self, device_id: str, since: datetime, until: datetime) -> int:
        """One for the begin of an override."""
        held = self._held.get(device_id)
        return int(held is not None and since < held.start <= until)


def report(
    device: Device, injection: Injection | None, past: LampPast, world: World, *, seed: int, test: Span | None
) -> list[Reading]:
    """What a lamp says in the span; it never names a fault of its own: the platform has to find all from values."""
    topics = Topics("kreispuls/v1")
    healthy = injection if injection is not None and injection.kind in _IN_LAMP else None
    readings = write_past(Lamp(device, world, Uplink(device, topics, healthy), seed), world, past, seed)
    rng = generator(seed, "odd", device.device_id)
    rated_w = float(device.attributes["rated_power_w"] or 0)
    scheduled = bool(generator(seed, "scheduled", str(device.attributes["circuit"])).random() < 0.5)  # noqa: PLR2004
    span = Span(datetime.fromtimestamp(past.start_s, UTC), datetime.fromtimestamp(past.end_s, UTC))
    if not scheduled:
        readings = sorted([*readings, *_confirmed(readings, past, rated_w)], key=lambda reading: reading.received_at)
    said: list[Reading] = []
    for reading in _odd(readings, span, rng, rated_w, test):
        values = dict(reading.values)
        if "faults" in values:
            values["faults"] = ""
        if scheduled and 0 < float(values.get("dim_level", 0)) < 1:
            values |= _showing(values, _by_clock(reading.observed_at), rated_w, healthy)
        if injection is not None and healthy is None:
            at_s = reading.received_at.timestamp()
            if injection.has(FaultKind.SILENCE, at_s):
                continue
            values = injection.alter(values, at_s)
        said.append(replace(reading, values=values))
    return said


_IN_LAMP: Final = (FaultKind.DAY_BURNER, FaultKind.BURNT_OUT)
"""Faults that the lamp's own model knows."""


def _by_clock(at: datetime) -> float:
    hour = at.astimezone(ZONE).hour
    return NIGHT_LEVEL if hour >= EVENING_ENDS or hour < MORNING_BEGINS else 1.0


def _confirmed(readings: Sequence[Reading], past: LampPast, rated_w: float) -> Iterator[Reading]:
    """Reports by which a lamp shows that it was raised; of each hour only one, to keep the month small."""
    reported_s = np.array([reading.received_at.timestamp() for reading in readings])
    hours: set[int] = set()
    for at_s in past.near_s.tolist():
        before = int(np.searchsorted(reported_s, at_s)) - 1
        if int(at_s // HOUR_S) in hours or before < 0 or not float(readings[before].values["dim_level"]):
            continue
        hours.add(int(at_s // HOUR_S))
        reading = readings[before]
        is_dark = float(reading.values["active_power_w"]) < 1
        values = {**reading.values, **({"dim_level": 1.0} if is_dark else _showing(reading.values, 1.0, rated_w))}
        yield _said(reading, at_s + 1 - reported_s[before], values)


def _showing(
    values: Mapping[str, Value], level: float, rated_w: float, injection: Injection | None = None
) -> dict[str, Value]:
    """The values that change with the level; a burnt-out lamp's power stays."""
    if injection is not None and injection.kind is FaultKind.BURNT_OUT and float(values["active_power_w"]) < 1.0:
        return {"dim_level": level}
    power = power_w(level, 20_000.0, rated_w)
    return {
        "dim_level": level,
        "power_state": "on" if level else "off",
        "active_power_w": round(power, 2),
        "power_factor": round(power_factor(level), 2),
    }


class _Oddities:
    """What is odd about one healthy lamp in the span, drawn once."""

    def __init__(self, span: Span, rng: np.random.Generator, rated_w: float, test: Span | None) -> None:
        self._rated_w = rated_w
        self._rng = rng
        self._test = test
        self._metered = float(rng.uniform(0.92, 1.08))  # the registry's rated power is right to 8 %
        self.away = span.draw(rng, timedelta(hours=float(rng.uniform(0.5, 2.0))))  # radio
        self._new_controller = span.draw(rng, timedelta(0)).start if rng.random() < 0.1 else span.end  # noqa: PLR2004
        self.late = timedelta(minutes=20 if rng.random() < 0.02 else 0)  # noqa: PLR2004 - a slow clock
        self._busy_by_day = rng.random() < 0.3  # noqa: PLR2004
        self._storms = [span.draw(rng, timedelta(minutes=45)) for _ in range(2)]  # dark enough for the photocell

    def by_day(self, at: datetime) -> tuple[dict[str, Value], bool]:
        """What a lamp that should be off shows, where that is odd; and whether it is so because somebody passes."""
        if self._busy_by_day and self._rng.random() < 0.05:  # noqa: PLR2004
            return _showing({}, 1.0, self._rated_w), True
        if any(at in storm for storm in self._storms):
            return _showing({}, 0.2, self._rated_w), False
        return {}, False

    def altered(self, reading: Reading, values: dict[str, Value]) -> dict[str, Value]:
        """Measured values as the meter, a sag of the grid, an operator's test or a new controller show them."""
        at = reading.observed_at
        if self._test is not None and at in self._test:
            values |= _showing(values, 1.0, self._rated_w)
        noise = self._metered * float(self._rng.normal(1, 0.01))
        values["active_power_w"] = round(float(values["active_power_w"]) * noise, 2)
        if self._rng.random() < 0.003:  # noqa: PLR2004
            values["voltage_v"] = round(float(self._rng.uniform(180, 197)), 1)
        if at >= self._new_controller:
            for name in _COUNTERS.intersection(values):
                values[name] = type(values[name])(0)
        return values


_COUNTERS: Final = frozenset({"switch_on_count", "presence_count", "active_energy_kwh", "operating_hours_h"})


def _odd(
    readings: Sequence[Reading], span: Span, rng: np.random.Generator, rated_w: float, test: Span | None
) -> Iterator[Reading]:
    odd = _Oddities(span, rng, rated_w, test)
    for reading in readings:
        if rng.random() < 0.01 or reading.observed_at in odd.away:  # noqa: PLR2004 - lost on the way
            continue
        values = dict(reading.values)
        if float(values["dim_level"]) == 0:
            shown, passing = odd.by_day(reading.observed_at)
            values |= shown
            if passing:
                word = _said(reading, -20, {"presence": True, "presence_count": int(values["presence_count"])})
                yield replace(word, observed_at=word.observed_at - odd.late)
        whole = _said(reading, 0, odd.altered(reading, values))
        whole = replace(whole, observed_at=whole.observed_at - odd.late)
        yield whole
        if rng.random() < 0.01:  # noqa: PLR2004 - sent twice
            yield whole


def _said(reading: Reading, after_s: float, values: Mapping[str, Value]) -> Reading:
    after = timedelta(seconds=after_s)
    return replace(
        reading, observed_at=reading.observed_at + after, received_at=reading.received_at + after, values=values
    )
