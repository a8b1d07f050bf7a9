"""Bins for `benchmarks/bin_faults.py`: what they report in a month, and what was true of them, known from the model.

All have the oddities of practice: lost and repeated reports, radio gaps, a slow clock, a bag that leans before the
sensor, an echo that is lost, levels in steps of 1 or 2 %, sun on the lid, slanted places, knocks, bins tipped over the
lorry. None of them is anything that somebody should drive out for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from faulty_lamps import ZONE, Span

from core.device import DEFAULT_FILLING_THRESHOLD, Device
from core.quantity import Value
from core.reading import Reading
from core.topics import Topics
from devices.waste_bin.codec import filling_level
from simulators.faults import FaultKind, Injection
from simulators.randomness import generator
from simulators.uplink import Uplink, instant
from simulators.waste_bin import Bin
from simulators.world import SimulatedClock, World

SURGE: Final = "surge"
"""A feast: for sixteen hours so much of the height comes each hour."""
NOT_COLLECTED: Final = "not_collected"
"""From then on nobody empties the bin."""
_SURGE_PER_H: Final = 0.07
_SURGE_S: Final = 16 * 3600.0
_NOT_SEEN_S: Final = 6 * 3600.0
"""What overflows sooner after it began cannot be seen coming by hourly reports and a rate over half a day."""
_ROUND_HOUR: Final = 7
_EMPTIED_FROM: Final = 0.6
_LOWEST_BATTERY: Final = 0.35
LATENCY: Final = timedelta(seconds=1)


@dataclass(slots=True)
class BinMonth:
    """What a bin said, and by report (epoch seconds) how full it was, what came since the last, when it was emptied."""

    said: list[Reading] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    level: list[float] = field(default_factory=list)
    inflow: list[float] = field(default_factory=list)
    battery: list[float] = field(default_factory=list)
    emptied_s: list[float] = field(default_factory=list)


def live(device: Device, fault: str | None, since_s: float, world: World, *, span: Span, seed: int) -> BinMonth:
    """A bin's month; the fault is the name of a `FaultKind`, `SURGE` or `NOT_COLLECTED`."""
    injection = Injection(FaultKind(fault), 0.0, since_s) if fault in set(FaultKind) else None
    bin_ = Bin(device, world, Uplink(device, Topics("kreispuls/v1"), None), seed)
    bin_.battery_level = max(bin_.battery_level, _LOWEST_BATTERY)
    bin_.start(SimulatedClock(span.start.timestamp(), 1.0))
    rng = generator(seed, "odd-bin", device.device_id)
    odd = _Oddities(device, span, rng)
    month = BinMonth()
    rounds = _rounds(span)
    round_s = next(rounds)
    before = bin_.level
    while bin_.next_s < span.end.timestamp():
        at_s = bin_.next_s
        if round_s <= at_s:
            is_due = bin_.level >= _EMPTIED_FROM and rng.random() < 0.95  # noqa: PLR2004 - some are forgotten
            if is_due and not (fault == NOT_COLLECTED and round_s >= since_s):
                before = bin_.empty(round_s)[1]
                month.emptied_s.append(round_s)
            round_s = next(rounds)
            continue
        bin_.report_done()
        if fault == SURGE and since_s <= at_s < since_s + _SURGE_S:
            bin_.level = min(1.0, bin_.level + _SURGE_PER_H)
        values = bin_.values(at_s)
        month.at_s.append(at_s)
        month.level.append(bin_.level)
        month.inflow.append(bin_.level - before)
        before = bin_.level
        tipped = bool(month.emptied_s) and at_s - month.emptied_s[-1] < 60  # noqa: PLR2004 - the sensor woke up
        values = odd.altered(values, at_s, tipped=tipped)
        if injection is not None:
            if injection.has(FaultKind.SILENCE, at_s):
                month.battery.append(1.0)
                continue
            values = injection.alter(values, at_s)
        month.battery.append(float(values["battery_level"]))
        month.said += odd.sent(Reading(device.device_id, device.device_type, device.municipality,
                                       instant(at_s), instant(at_s) + LATENCY, values))  # fmt: skip
    if injection is not None and injection.kind is FaultKind.FIRE and odd.has_detector:
        month.said.append(_alarm(month, since_s))
    return month


def _alarm(month: BinMonth, since_s: float) -> Reading:
    """A fire detector wakes the sensor: it does not wait for the hour."""
    last = max((one for one in month.said if one.observed_at <= instant(since_s)), key=lambda one: one.observed_at)
    at = instant(since_s + 30)
    return replace(last, observed_at=at, received_at=at + LATENCY, values={**last.values, "fire_detected": True})


def _rounds(span: Span) -> Iterator[float]:
    """Every workday morning, Saturday too."""
    day = span.start.astimezone(ZONE).date()
    while True:
        at = datetime(day.year, day.month, day.day, _ROUND_HOUR, tzinfo=ZONE)
        if day.weekday() < 6 and at.astimezone(UTC) >= span.start:  # noqa: PLR2004
            yield at.timestamp()
        day += timedelta(days=1)


class _Oddities:
    """What is odd about one healthy bin, drawn once."""

    def __init__(self, device: Device, span: Span, rng: np.random.Generator) -> None:
        self._rng = rng
        self._attributes = device.attributes
        self._decimals = 2 if rng.random() < 0.2 else 3  # noqa: PLR2004
        self._in_steps = rng.random() < 0.1  # noqa: PLR2004 - of 2 %
        self._dark = rng.random() < 0.3  # noqa: PLR2004
        self._slant_deg = float(rng.uniform(15, 25) if rng.random() < 0.05 else rng.uniform(0, 6))  # noqa: PLR2004
        self.has_detector = bool(rng.random() < 0.5)  # noqa: PLR2004
        self._away = [span.draw(rng, timedelta(hours=float(rng.uniform(0.5, 3.0)))) for _ in range(2)]
        self._late = timedelta(minutes=20 if rng.random() < 0.02 else 0)  # noqa: PLR2004

    def altered(self, values: dict[str, Value], at_s: float, *, tipped: bool) -> dict[str, Value]:
        """The values as the sensor in its place has them, and the level made of a distance as ingest makes it."""
        rng = self._rng
        if "distance_m" in values:
            height, offset = self._attributes["height_m"], self._attributes["sensor_offset_m"]
            values["filling_level"] = filling_level(float(values["distance_m"]), height, offset)
        level = float(values["filling_level"])
        odd = rng.random()
        if odd < 0.003:  # noqa: PLR2004 - a bag leans before the sensor
            level = float(rng.uniform(0.9, 1.0))
        elif odd < 0.005:  # noqa: PLR2004 - no echo
            level = 0.0
        if self._in_steps:
            level = round(level * 50) / 50
        values["filling_level"] = round(level, self._decimals)
        hour = datetime.fromtimestamp(at_s, ZONE).hour
        if self._dark and 12 <= hour < 18:  # noqa: PLR2004
            values["temperature_c"] = round(float(values["temperature_c"]) + float(rng.uniform(5, 28)), 1)
        tilt_deg = self._slant_deg + float(rng.normal(0, 1))
        if tipped and rng.random() < 0.5 or rng.random() < 0.002:  # noqa: PLR2004, RUF021
            tilt_deg = float(rng.uniform(45, 130))
        values["tilt_deg"] = round(tilt_deg, 1)
        values["battery_level"] = round(min(1.0, float(values["battery_level"]) + float(rng.normal(0, 0.005))), 3)
        if self.has_detector:
            values["fire_detected"] = False
        return values

    def sent(self, reading: Reading) -> Iterator[Reading]:
        """The reading as it gets through: not, once or twice."""
        if self._rng.random() < 0.02 or any(reading.observed_at in gap for gap in self._away):  # noqa: PLR2004
            return
        reading = replace(reading, observed_at=reading.observed_at - self._late)
        yield reading
        if self._rng.random() < 0.01:  # noqa: PLR2004
            yield reading


@dataclass(frozen=True, slots=True)
class Truth:
    """Something that is so from an instant to another (epoch seconds): one of these rules should say so.

    `must`: it has to be found; else an alert is right and its absence too. Hours count from `event_s`.
    """

    name: str
    rules: frozenset[str]
    from_s: float
    until_s: float
    event_s: float
    must: bool


def truths(month: BinMonth, fault: str | None, since_s: float) -> Iterator[Truth]:
    """All that was true of a bin in its month."""
    at_s, level = np.array(month.at_s), np.array(month.level)
    blind_s = since_s if fault in (FaultKind.SILENCE, FaultKind.STUCK_VALUE) else np.inf
    full = DEFAULT_FILLING_THRESHOLD
    for first, last in _windows(level >= full - 0.05):
        event_s = _first(at_s, level >= full, first, last)
        clear = level[first : last + 1] >= full + 0.02
        until_s = at_s[last] + 3600
        seen = until_s < blind_s
        yield Truth("full", frozenset({"bin_full"}), at_s[first], until_s, event_s, bool(clear.sum() > 3 and seen))  # noqa: PLR2004
        late_s = event_s + 48 * 3600
        if until_s > at_s[first] + 48 * 3600:
            must = bool(until_s > late_s + 4 * 3600 and seen)
            yield Truth(
                "collection late", frozenset({"collection_late"}), at_s[first] + 48 * 3600, until_s, late_s, must
            )
    came = np.cumsum(month.inflow)
    in_a_day = np.interp(at_s + 86_400, at_s, came) - came + level
    for first, last in _windows(in_a_day >= 0.95):  # noqa: PLR2004
        yield Truth("", frozenset({"overflow_soon"}), at_s[first], at_s[last], at_s[first], must=False)
    if fault == SURGE:
        over_s = _first(at_s, level >= 0.995, int(np.searchsorted(at_s, since_s)), len(at_s) - 1)  # noqa: PLR2004
        ends_s = since_s + _SURGE_S + 3600
        must = since_s + _NOT_SEEN_S <= over_s < ends_s
        yield Truth("overflow soon", frozenset({"overflow_soon"}), since_s, min(over_s, ends_s), since_s, must)
    for rules, name in _OF_FAULT.get(fault or "", ()):
        event_s = since_s
        if fault == FaultKind.WEAK_BATTERY:
            event_s = _first(at_s, np.array(month.battery) <= 0.2, 0, len(at_s) - 1)  # noqa: PLR2004
        yield Truth(name, rules, event_s, np.inf, event_s, must=event_s < at_s[-1] - 6 * 3600 and bool(name))


_OF_FAULT: Final[dict[str, tuple[tuple[frozenset[str], str], ...]]] = {
    FaultKind.FIRE: ((frozenset({"fire_detected", "high_temperature"}), "fire"),),
    FaultKind.OVERTURNED: ((frozenset({"out_of_position"}), "lies on its side"),),
    FaultKind.STUCK_VALUE: (
        (frozenset({"sensor_stuck"}), "sensor stuck"),
        (frozenset({"bin_full", "collection_late", "overflow_soon"}), ""),  # what it is stuck at
    ),
    FaultKind.WEAK_BATTERY: ((frozenset({"battery_low"}), "battery low"),),
    FaultKind.SILENCE: ((frozenset({"communication_failure"}), "silent"),),
}
"""What a fault explains; without a name it is only right."""


def _windows(holds: np.ndarray) -> Iterator[tuple[int, int]]:
    """First and last index of every run in which it holds."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], holds.astype(int), [0]))))
    for first, after in edges.reshape(-1, 2):
        yield int(first), int(after) - 1


def _first(at_s: np.ndarray, holds: np.ndarray, first: int, last: int) -> float:
    found = np.flatnonzero(holds[first : last + 1])
    return float(at_s[first + found[0]]) if len(found) else np.inf
