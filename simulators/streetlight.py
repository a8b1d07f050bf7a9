"""A simulated streetlight: its own schedule, commands, presence sensor, meter and wear; pure, time is an argument."""

import math
from datetime import datetime
from enum import IntEnum
from itertools import pairwise
from typing import Final, TypeVar

import numpy as np

from core.command import CommandState, SetLight, SetProfile
from core.device import Device
from core.quantity import Fault, PowerState, Value
from simulators.faults import FaultKind
from simulators.randomness import generator
from simulators.uplink import Outgoing, Uplink
from simulators.world import Instants, SimulatedClock, World

STANDBY_LEVEL: Final = 0.2
"""What a lamp shows from dusk to dawn by itself (Warstein, Delft: 20 % standby)."""
FULL_LEVEL: Final = 1.0
OWN_FADE_S: Final = 2.0
LONGEST_FADE_S: Final = 90.5
"""The longest DALI fade time."""
NIGHT_REPORT_S: Final = 900.0
REPORTS_BY_DAY: Final = 4
"""By day only every fourth report is sent."""
_GRID_TOLERANCE: Final = 1e-3
CONFIRM_S: Final = 1.0
"""The new level is shown so long after a command at the latest."""
FIRST_REPORT_S: Final = 10.0
RELEASE_S: Final = 10.0
"""The sensor says that nobody is there when it has seen nobody for so long."""
REPEAT_S: Final = 2.0
"""Detections closer together are counted, but told once."""

CONTROLLER_W: Final = 0.6
"""Controller and sensor, day and night (an LED luminaire with node takes 0.3 to 1 W in standby)."""
_DRIVER_SHARE: Final = 0.05
_WEAR_PER_H: Final = 0.1 / 100_000
"""Constant light output: the driver makes up for 10 % loss of flux at 100,000 h (L90)."""
OWN_HEAT_C: Final = 18.0
_YEARLY_H: Final = 4100.0
"""Hours of darkness a German streetlight burns in a year (usual planning figure, about 4000 to 4200)."""

Number = TypeVar("Number", float, Instants)


def power_w(level: Number, hours: Number, rated_w: float) -> Number:
    """Active power at a level (0-1): linear in it while lit, with a driver's share, growing with operating hours."""
    lit = level > 0
    return CONTROLLER_W + lit * rated_w * (_DRIVER_SHARE + (1 - _DRIVER_SHARE) * level) * (1 + _WEAR_PER_H * hours)


def power_factor(level: Number) -> Number:
    """Power factor at a level: 0.97 at full light, falling as LED drivers' does when dimmed (shape assumed)."""
    lit = level > 0
    return 0.35 + lit * (0.62 - 0.45 * (1 - level) ** 2)


def power_state(level: float) -> PowerState:
    """`low` up to the standby level, `on` above."""
    if level <= 0:
        return PowerState.OFF
    return PowerState.LOW if level <= STANDBY_LEVEL else PowerState.ON


class _Task(IntEnum):
    """What a lamp has to do at an instant; at the same instant in this order."""

    SWITCH = 0
    HOLD_END = 1
    RELEASE = 2
    CONFIRM = 3
    SETTLED = 4
    REPORT = 5


class Lamp:
    """One streetlight. Call in order of time: `start`, then `due`, `command` and `detected`; instants in seconds.

    `energy_kwh`, `hours_h`, `switch_on_count` and `presence_count` never fall; set them before `start` to continue.
    """

    def __init__(self, device: Device, world: World, uplink: Uplink, seed: int) -> None:
        self.device = device
        self._world = world
        self.uplink = uplink
        rng = generator(seed, "lamp", device.device_id)
        circuit = generator(seed, "circuit", str(device.attributes["circuit"]))
        self.rated_w = float(device.attributes["rated_power_w"] or 0)
        self.switch_offset_s = float(circuit.uniform(-90, 90))
        """How much later than the sun says the circuit's photocell switches."""
        self.supply_v = 230.0 + float(circuit.normal(0, 1.5))
        self.phase_s = round(float(rng.uniform(0, NIGHT_REPORT_S)), 3)
        """It reports at multiples of 15 minutes since 1970 and so many seconds."""
        age_years = float(rng.uniform(0.3, 9))
        self.hours_h = age_years * _YEARLY_H
        self.energy_kwh = self.hours_h * power_w(0.3, 0.0, self.rated_w) / 1000
        self.switch_on_count = int(age_years * 400)
        self.presence_count = int(age_years * rng.uniform(8_000, 30_000))
        self._noise = generator(seed, "lamp-noise", device.device_id)
        self._agenda: dict[_Task, float] = {}
        self._clock = SimulatedClock(0.0, 1.0)
        self._at_s = 0.0
        self._ramp = (0.0, 0.0, 0.0, 0.0)  # from (instant, level) to (instant, level)
        self._held = False
        self._told_presence_s = -math.inf
        self._profile: list[tuple[float, float]] = []
        """From when (seconds) which level, until `_profile_until_s`."""
        self._profile_until_s = -math.inf

    def start(self, clock: SimulatedClock) -> None:
        """Begin to live at the clock's anchor, showing what the lamp's own schedule says."""
        at_s = clock.anchor_s
        self._clock = clock
        self._at_s = at_s
        level = self.scheduled_level(at_s)
        self._ramp = (at_s, level, at_s, level)
        self._agenda = {
            _Task.REPORT: at_s + float(self._noise.uniform(0, FIRST_REPORT_S)),
            _Task.SWITCH: self._next_switch_s(at_s),
        }

    @property
    def next_s(self) -> float:
        """When `due` has something to do."""
        return min(self._agenda.values(), default=math.inf)

    def due_messages(self, now_s: float) -> list[Outgoing]:
        """Do everything that is due and give what the lamp says about it, dated when it was due."""
        said: list[Outgoing] = []
        while self._agenda:
            task = min(self._agenda, key=lambda task: (self._agenda[task], task))
            at_s = self._agenda[task]
            if at_s > now_s:
                break
            del self._agenda[task]
            said += self._do(task, at_s)
        return said

    def command(self, set_light: SetLight, now: datetime) -> list[Outgoing]:
        """Obey `set_light` at any time of day: fade, hold, then back to the own schedule; the answer is `event/ack`."""
        at_s = now.timestamp()
        if self.uplink.has(FaultKind.SILENCE, at_s):
            return []
        if set_light.expires_at < now:
            return self.uplink.ack(set_light.command_id, CommandState.REJECTED, at_s, "expired")
        fade_s = min(max(0.0, set_light.fade_s), LONGEST_FADE_S)
        self._fade_to(set_light.dim_level, fade_s, at_s)
        self._held = True
        self._agenda[_Task.CONFIRM] = min(
            self._agenda.get(_Task.CONFIRM, math.inf), at_s + min(fade_s, CONFIRM_S)
        )  # an earlier one stands: repeated commands must not put it off for ever
        self._agenda[_Task.SETTLED] = at_s + fade_s
        self._agenda.pop(_Task.HOLD_END, None)
        if set_light.hold_s is not None and math.isfinite(set_light.hold_s):
            self._agenda[_Task.HOLD_END] = at_s + max(0.0, set_light.hold_s)
        return self.uplink.ack(set_light.command_id, CommandState.DONE, at_s)

    def follow(self, profile: SetProfile, now: datetime) -> list[Outgoing]:
        """Take `set_profile` in place of the own schedule, for as long as it is valid; the answer is `event/ack`."""
        at_s = now.timestamp()
        if self.uplink.has(FaultKind.SILENCE, at_s):
            return []
        if profile.expires_at < now:
            return self.uplink.ack(profile.command_id, CommandState.REJECTED, at_s, "expired")
        self._profile = [(at.timestamp(), level) for at, level in profile.settings]
        self._profile_until_s = profile.valid_until.timestamp()
        self._agenda[_Task.SWITCH] = at_s
        return self.uplink.ack(profile.command_id, CommandState.DONE, at_s)

    def detected(self, at_s: float) -> list[Outgoing]:
        """Somebody passes the lamp."""
        self.presence_count += 1
        self._agenda[_Task.RELEASE] = at_s + RELEASE_S / self._clock.speed
        if at_s - self._told_presence_s < REPEAT_S / self._clock.speed:
            return []
        self._told_presence_s = at_s
        return self.uplink.up({"presence": True, "presence_count": self.presence_count}, at_s)

    def level(self, at_s: float) -> float:
        """The share of full light that the lamp is driven at, at an instant not before the last change of mind."""
        from_s, from_level, to_s, to_level = self._ramp
        if at_s >= to_s:
            return to_level
        if at_s <= from_s:
            return from_level
        return from_level + (to_level - from_level) * (at_s - from_s) / (to_s - from_s)

    def scheduled_level(self, at_s: float) -> float:
        """What the profile says that the lamp follows, else its own schedule; a day burner's says full light by day."""
        if at_s < self._profile_until_s and self._profile[0][0] <= at_s:
            return next(level for since_s, level in reversed(self._profile) if since_s <= at_s)
        if self._is_dark(at_s):
            return STANDBY_LEVEL
        return FULL_LEVEL if self.uplink.has(FaultKind.DAY_BURNER, at_s) else 0.0

    def values(self, at_s: float) -> dict[str, Value]:
        """What the lamp measures."""
        self._advance(at_s)
        level = self.level(at_s)
        light = self._light(level, at_s)
        power = power_w(light, self.hours_h, self.rated_w)
        factor = power_factor(light)
        voltage = self.supply_v + float(self._noise.normal(0, 0.8))
        outdoor_c = float(self._world.outdoor_c(np.array([at_s]))[0])
        temperature = outdoor_c + OWN_HEAT_C * power / self.rated_w + float(self._noise.normal(0, 0.3))
        return {
            "presence_count": self.presence_count,
            "dim_level": round(level, 3),
            "power_state": power_state(level).value,
            "active_power_w": round(power, 2),
            "voltage_v": round(voltage, 1),
            "power_factor": round(factor, 2),
            "active_energy_kwh": round(self.energy_kwh, 4),
            "temperature_c": round(temperature + self.uplink.drift(at_s), 1),
            "faults": self._faults(level, at_s),
            "current_a": round(power / (voltage * factor), 3),
            "operating_hours_h": round(self.hours_h, 2),
            "switch_on_count": self.switch_on_count,
            "rssi_dbm": round(-87 + float(self._noise.normal(0, 4))),
        }

    def _do(self, task: _Task, at_s: float) -> list[Outgoing]:
        match task:
            case _Task.REPORT:
                self._agenda[task] = self._next_report_s(at_s)
                return self.uplink.up(self.values(at_s), at_s)
            case _Task.CONFIRM:
                if self._agenda.get(_Task.SETTLED) == at_s:
                    del self._agenda[_Task.SETTLED]
                return self.uplink.up(self.values(at_s), at_s)
            case _Task.SETTLED:
                return self.uplink.up(self.values(at_s), at_s)
            case _Task.RELEASE:
                return self.uplink.up({"presence": False, "presence_count": self.presence_count}, at_s)
            case _Task.HOLD_END:
                self._held = False
            case _Task.SWITCH:
                self._agenda[task] = self._next_switch_s(at_s)
        self._advance(at_s)
        if not self._held and self.level(at_s) != self.scheduled_level(at_s):
            self._fade_to(self.scheduled_level(at_s), OWN_FADE_S, at_s)
            self._agenda[_Task.SETTLED] = at_s + OWN_FADE_S
        return []

    def _next_report_s(self, at_s: float) -> float:
        """The next instant of the lamp's grid at which it reports: all of them in the dark, by day every fourth."""
        number = math.floor((self._clock.simulated(at_s) - self.phase_s) / NIGHT_REPORT_S + _GRID_TOLERANCE)
        for ahead in range(number + 1, number + REPORTS_BY_DAY + 1):
            next_s = self._clock.real(self.phase_s + ahead * NIGHT_REPORT_S)
            if ahead % REPORTS_BY_DAY == 0 or self._is_dark(next_s):
                break
        return next_s

    def _next_switch_s(self, at_s: float) -> float:
        offset_s = self.switch_offset_s
        next_s = self._world.next_switch_s(self.device.municipality, at_s - offset_s) + offset_s
        steps = [*(since_s for since_s, _ in self._profile), self._profile_until_s]
        next_s = min([next_s, *(step_s for step_s in steps if step_s > at_s)])
        injection = self.uplink.injection
        if injection is not None and at_s < injection.since_s < next_s:
            return injection.since_s  # a lamp's fault may change what it shows
        return next_s

    def _is_dark(self, at_s: float) -> bool:
        return self._world.is_dark(self.device.municipality, at_s - self.switch_offset_s)

    def _fade_to(self, level: float, fade_s: float, at_s: float) -> None:
        self._advance(at_s)
        before = self.level(at_s)
        if before <= 0 < level:
            self.switch_on_count += 1
        self._ramp = (at_s, before, at_s + fade_s, level)

    def _advance(self, at_s: float) -> None:
        """Bring meter and hours to an instant: power is linear in the level, so its mean is that at the mean level."""
        ramp_end_s = self._ramp[2]
        edges = [self._at_s, *([ramp_end_s] if self._at_s < ramp_end_s < at_s else []), at_s]
        for from_s, to_s in pairwise(edges):
            if to_s <= from_s:
                continue
            mean = (self.level(from_s) + self.level(to_s)) / 2
            light = self._light(mean, from_s)
            self.energy_kwh += power_w(light, self.hours_h, self.rated_w) * (to_s - from_s) / 3_600_000
            self.hours_h += (light > 0) * (to_s - from_s) / 3600
        self._at_s = max(self._at_s, at_s)

    def _light(self, level: float, at_s: float) -> float:
        return 0.0 if self.uplink.has(FaultKind.BURNT_OUT, at_s) else level

    def _faults(self, level: float, at_s: float) -> str:
        if level > 0 and self.uplink.has(FaultKind.BURNT_OUT, at_s):
            return Fault.LAMP_FAILURE.value
        if level > 0 and not self._held and self.uplink.has(FaultKind.DAY_BURNER, at_s) and not self._is_dark(at_s):
            return Fault.DAY_BURNER.value
        return ""
