"""A simulated waste bin: filled by people, read by a sensor on a battery; pure, time is an argument."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from core.device import Device
from core.quantity import Value
from simulators.faults import FaultKind
from simulators.randomness import generator
from simulators.uplink import Outgoing, Uplink
from simulators.world import DAY_S, HOUR_S, Instants, LocalHour, SimulatedClock, World

REPORT_S: Final = HOUR_S
JITTER_S: Final = 150.0
FIRST_REPORT_S: Final = 10.0
AFTER_EMPTYING_S: Final = 5.0
"""Being tipped wakes the sensor: it reports so long afterwards."""
BATTERY_YEARS: Final = 6.0
"""Life of the battery with hourly reports (data sheets of ultrasonic level sensors promise 5 to 10 years)."""
_LOWEST_BATTERY: Final = 0.02
_NOISE_M: Final = 0.01
_NOISE_LEVEL: Final = 0.01
_PARTY_SHARE: Final = 0.02
_PARTY_FACTOR: Final = 3.5
_HOURS_A_DAY: Final = 24


@dataclass(frozen=True, slots=True)
class Filling:
    """How a kind of place fills its bins: litres a mean day, litres a time, hours and weekdays relative to their mean.

    `summer`: how much more than the yearly mean comes in July (and less in January). Shapes are assumed.
    """

    daily_l: float
    deposit_l: float
    from_hour: int
    to_hour: int
    weekdays: tuple[float, float, float, float, float, float, float]
    day_off: float
    summer: float

    def rate(self, at: LocalHour) -> float:
        """Litres expected in an hour."""
        busy = self.to_hour - self.from_hour
        share = 0.9 / busy if self.from_hour <= at.hour < self.to_hour else 0.1 / (_HOURS_A_DAY - busy)
        weekend = 5
        of_day = self.day_off if at.day_off and at.weekday < weekend else self.weekdays[at.weekday]
        season = 1 + self.summer * math.cos(2 * math.pi * (at.date.timetuple().tm_yday - 196) / 365.25)
        return self.daily_l * share * of_day * season


FILLINGS: Final[Mapping[str, Filling]] = {
    "park": Filling(9.0, 0.9, 10, 21, (0.7, 0.7, 0.8, 0.8, 1.1, 1.5, 1.6), 1.7, 0.5),
    "bus_stop": Filling(6.0, 0.4, 6, 20, (1.2, 1.2, 1.2, 1.2, 1.3, 0.7, 0.4), 0.4, 0.05),
    "market": Filling(17.0, 1.2, 9, 20, (0.8, 0.8, 1.2, 0.9, 1.2, 1.7, 0.6), 0.6, 0.15),
    "playground": Filling(5.5, 0.8, 13, 19, (0.8, 0.8, 0.9, 0.8, 1.1, 1.4, 1.4), 1.3, 0.55),
    "school": Filling(19.0, 0.9, 7, 16, (1.4, 1.4, 1.4, 1.4, 1.3, 0.1, 0.1), 0.1, -0.05),
    "residential": Filling(140.0, 9.0, 8, 20, (1.2, 0.9, 0.9, 0.9, 1.0, 1.8, 0.4), 0.4, 0.0),
}


class Bin:
    """One waste bin. Call in order of time: `start`, then `due` and `empty`; instants in seconds.

    `level` is the share of the height that is filled; set it before `start` to continue.
    """

    def __init__(self, device: Device, world: World, uplink: Uplink, seed: int) -> None:
        attributes = device.attributes
        rng = generator(seed, "bin", device.device_id)
        self.device = device
        self.uplink = uplink
        self._world = world
        self._seed = seed
        self._filling = FILLINGS[str(attributes["place_type"])]
        self._volume_l = float(attributes["volume_l"] or 0)
        self._height_m = float(attributes["height_m"] or 0)
        self._offset_m = float(attributes["sensor_offset_m"] or 0)
        self._by_distance = attributes["sensor"] == "distance_m"
        self._busyness = float(rng.lognormal(0.0, 0.45))
        self._phase_s = float(rng.uniform(0, REPORT_S))
        self.level = float(rng.uniform(0.0, 0.7))
        self.battery_level = float(np.clip(rng.beta(4, 1.6), 0.1, 1.0))
        self._noise = generator(seed, "bin-noise", device.device_id)
        self._clock = SimulatedClock(0.0, 1.0)
        self._simulated_s = 0.0
        self._day = -1
        self._increments: Instants = np.zeros(_HOURS_A_DAY)
        self._report = 0
        self.next_s = math.inf
        """When `due` has something to do."""

    def start(self, clock: SimulatedClock) -> None:
        """Begin to live at the clock's anchor."""
        self._clock = clock
        self._simulated_s = clock.anchor_s
        self._report = math.floor((clock.anchor_s - self._phase_s) / REPORT_S)
        self.next_s = clock.anchor_s + float(self._noise.uniform(0, FIRST_REPORT_S))

    def due_messages(self, now_s: float) -> list[Outgoing]:
        """The reports that are due, dated when they were due."""
        said: list[Outgoing] = []
        while self.next_s <= now_s:
            at_s = self.next_s
            self.report_done()
            said += self.uplink.up(self.values(at_s), at_s)
        return said

    def report_done(self) -> None:
        """Go on to the next of the hourly reports, which keep about two minutes of jitter."""
        at_s = self.next_s
        while self.next_s <= at_s:
            self._report += 1
            jitter_s = float(self._noise.uniform(-JITTER_S, JITTER_S))
            self.next_s = self._clock.real(self._phase_s + self._report * REPORT_S + jitter_s)

    def empty(self, at_s: float) -> tuple[float, float]:
        """Somebody empties the bin: the level before and after; the sensor reports soon."""
        self._advance(at_s)
        before = self.level
        self.level = min(before, float(self._noise.uniform(0.0, 0.02)))
        self.next_s = min(self.next_s, at_s + AFTER_EMPTYING_S / self._clock.speed)
        return before, self.level

    def values(self, at_s: float) -> dict[str, Value]:
        """What the sensor measures: the distance to the contents or the level, as its kind does."""
        self._advance(at_s)
        level = min(1.0, self.level + self.uplink.drift(at_s))
        values: dict[str, Value] = {}
        if self._by_distance:
            distance_m = self._offset_m + self._height_m * (1 - level) + float(self._noise.normal(0, _NOISE_M))
            values["distance_m"] = round(max(distance_m, 0.01), 3)
        else:
            values["filling_level"] = round(min(1.0, max(0.0, level + float(self._noise.normal(0, _NOISE_LEVEL)))), 3)
        outdoor_c = float(self._world.outdoor_c(np.array([at_s]))[0])
        values["temperature_c"] = round(outdoor_c + float(self._noise.normal(0, 0.4)), 1)
        values["battery_level"] = round(self.battery_level, 4)
        values["battery_v"] = round(3.0 + 0.65 * self.battery_level, 2)
        values["rssi_dbm"] = round(-101 + float(self._noise.normal(0, 5)))
        return values

    def has(self, kind: FaultKind, at_s: float) -> bool:
        """Whether the bin shows this fault at an instant."""
        return self.uplink.has(kind, at_s)

    def _advance(self, at_s: float) -> None:
        """Let people fill it up to an instant, hour by hour; what no longer fits is put beside it."""
        until_s = self._clock.simulated(at_s)
        while self._simulated_s < until_s:
            hour = math.floor(self._simulated_s / HOUR_S)
            step_s = min(until_s, (hour + 1) * HOUR_S) - self._simulated_s
            self.level = min(1.0, self.level + self._increment(hour) * step_s / HOUR_S)
            worn = step_s / (BATTERY_YEARS * 365.25 * DAY_S)
            self.battery_level = max(min(self.battery_level, _LOWEST_BATTERY), self.battery_level - worn)
            self._simulated_s += step_s

    def _increment(self, hour: int) -> float:
        """Share of the height that an hour brings."""
        day, hour_of_day = divmod(hour, _HOURS_A_DAY)
        if day != self._day:
            self._day = day
            self._increments = self.deposits(day)
        return float(self._increments[hour_of_day])

    def deposits(self, day: int) -> Instants:
        """Shares of the height that the hours of a UTC day (counted since 1970-01-01) bring.

        Each day is drawn by itself, so history and live agree, whoever empties the bin and when.
        """
        rng = generator(self._seed, "filling", self.device.device_id, day)
        party = _PARTY_FACTOR if rng.random() < _PARTY_SHARE else 1.0
        filling = self._filling
        hours = [self._world.local_hour(day * _HOURS_A_DAY + number) for number in range(_HOURS_A_DAY)]
        feasts = [self._world.feast_factor(self.device.municipality, at.date) for at in hours]
        expected_l = [
            filling.rate(at) * feast * party * self._busyness for at, feast in zip(hours, feasts, strict=True)
        ]
        deposits = rng.poisson(np.array(expected_l) / filling.deposit_l)
        shares: Instants = rng.gamma(np.maximum(deposits, 1e-9), filling.deposit_l) / self._volume_l
        return shares
