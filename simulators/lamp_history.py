"""The past of one streetlight as columns: what the live model does step by step, for weeks at once."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from core.quantity import Fault, Value
from core.reading import Reading
from simulators.faults import FaultKind
from simulators.randomness import generator
from simulators.streetlight import (
    FULL_LEVEL,
    NIGHT_REPORT_S,
    OWN_HEAT_C,
    RELEASE_S,
    REPEAT_S,
    REPORTS_BY_DAY,
    STANDBY_LEVEL,
    Lamp,
    power_factor,
    power_state,
    power_w,
)
from simulators.uplink import instant
from simulators.world import Instants, World

HOLD_S: Final = 60.0
"""In the past the platform raised lamps for so long after each presence (default of the settings)."""
LATENCY: Final = timedelta(milliseconds=180)

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LampPast:
    """Who passed a lamp in a span, and when it or a neighbour saw somebody so that it was raised; ascending seconds."""

    start_s: float
    end_s: float
    detections_s: Instants
    near_s: Instants


@dataclass(frozen=True, slots=True)
class _Course:
    """The lamp's state piece by piece: `edges_s` of n + 1 instants, n levels, meters at the edges."""

    edges_s: Instants
    level: Instants
    light: Instants
    hours_h: Instants
    energy_kwh: Instants
    switch_on_count: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Reports:
    """When the lamp reports, whether it is dark then, and whether the slow quantities are in it."""

    at_s: Instants
    dark: Flags
    full: Flags


def write_past(lamp: Lamp, world: World, past: LampPast, seed: int) -> list[Reading]:
    """The readings of a lamp in a span, ascending; its counters go on to the span's end.

    In the dark the lamp was raised to full light after each presence near it, as the platform does.
    """
    offset_s = lamp.switch_offset_s
    nights = world.nights(lamp.device.municipality, past.start_s - offset_s, past.end_s - offset_s) + offset_s
    course = _course(lamp, nights, past)
    numbers = np.arange(
        math.ceil((past.start_s - lamp.phase_s) / NIGHT_REPORT_S),
        math.ceil((past.end_s - lamp.phase_s) / NIGHT_REPORT_S),
        dtype=np.float64,
    )
    at_s: Instants = lamp.phase_s + numbers * NIGHT_REPORT_S
    dark = _inside(at_s, nights)
    sent = dark | (numbers % REPORTS_BY_DAY == 0)
    injection = lamp.uplink.injection
    if injection is not None and injection.kind is FaultKind.SILENCE:
        sent &= at_s < injection.since_s
    reports = _Reports(at_s[sent], dark[sent], (numbers % REPORTS_BY_DAY == 0)[sent])
    values = _values(lamp, world, past, course, reports, rng=generator(seed, "lamp-past", lamp.device.device_id))
    lamp.hours_h = float(course.hours_h[-1])
    lamp.energy_kwh = float(course.energy_kwh[-1])
    lamp.switch_on_count = int(course.switch_on_count[-1])
    lamp.presence_count += len(past.detections_s)
    return _readings(lamp, reports.at_s, values)


def write_presence(lamp: Lamp, past: LampPast, since_s: float) -> list[Reading]:
    """The sensor's words from an instant to the span's end; `lamp.presence_count` is that of the span's end."""
    seen_s = past.detections_s[past.detections_s >= since_s]
    counts = lamp.presence_count - len(seen_s) + 1 + np.arange(len(seen_s))
    told = np.diff(seen_s, prepend=-np.inf) >= REPEAT_S
    left = np.diff(seen_s, append=np.inf) > RELEASE_S
    left &= seen_s + RELEASE_S < past.end_s
    words: list[tuple[float, dict[str, Value]]] = [
        (float(at_s), {"presence": True, "presence_count": int(count)})
        for at_s, count in zip(seen_s[told], counts[told], strict=True)
    ]
    words += [
        (float(at_s), {"presence": False, "presence_count": int(count)})
        for at_s, count in zip(seen_s[left] + RELEASE_S, counts[left], strict=True)
    ]
    words.sort(key=lambda word: word[0])
    injection = lamp.uplink.injection
    if injection is not None and injection.kind is FaultKind.SILENCE:
        words = [word for word in words if word[0] < injection.since_s]
    return _readings(lamp, np.array([at_s for at_s, _ in words]), [values for _, values in words])


def _course(lamp: Lamp, nights: Instants, past: LampPast) -> _Course:
    raised = _merged(past.near_s, HOLD_S)
    injection = lamp.uplink.injection
    since_s = np.inf if injection is None else injection.since_s
    inner = np.concatenate([nights.ravel(), raised.ravel(), [since_s]])
    inner = inner[(inner > past.start_s) & (inner < past.end_s)]
    edges_s = np.unique(np.concatenate([[past.start_s], inner, [past.end_s]]))
    middle_s = (edges_s[:-1] + edges_s[1:]) / 2
    dark = _inside(middle_s, nights)
    level = np.where(dark, np.where(_inside(middle_s, raised), FULL_LEVEL, STANDBY_LEVEL), 0.0)
    light = level
    if injection is not None and injection.kind is FaultKind.DAY_BURNER:
        light = level = np.where(~dark & (middle_s >= since_s), FULL_LEVEL, level)
    if injection is not None and injection.kind is FaultKind.BURNT_OUT:
        light = np.where(middle_s >= since_s, 0.0, level)
    spans_h = np.diff(edges_s) / 3600
    hours_h = lamp.hours_h + _summed((light > 0) * spans_h)
    energy_kwh = lamp.energy_kwh + _summed(power_w(light, hours_h[:-1], lamp.rated_w) * spans_h / 1000)
    switched_on = (level > 0) & (np.concatenate([level[:1], level[:-1]]) == 0)
    return _Course(edges_s, level, light, hours_h, energy_kwh, lamp.switch_on_count + np.cumsum(switched_on))


def _values(
    lamp: Lamp, world: World, past: LampPast, course: _Course, reports: _Reports, *, rng: np.random.Generator
) -> list[dict[str, Value]]:
    at_s, dark, full = reports.at_s, reports.dark, reports.full
    if not len(at_s):
        return []
    piece = np.clip(np.searchsorted(course.edges_s, at_s, side="right") - 1, 0, len(course.level) - 1)
    level, light = course.level[piece], course.light[piece]
    hours_h = np.interp(at_s, course.edges_s, course.hours_h)
    power = power_w(light, course.hours_h[piece], lamp.rated_w)
    factor = power_factor(light)
    voltage = lamp.supply_v + rng.normal(0, 0.8, len(at_s))
    temperature = world.outdoor_c(at_s) + OWN_HEAT_C * power / lamp.rated_w + rng.normal(0, 0.3, len(at_s))
    injection = lamp.uplink.injection
    faults = np.full(len(at_s), "", dtype=object)
    if injection is not None and injection.kind is FaultKind.BURNT_OUT:
        faults[(at_s >= injection.since_s) & (level > 0)] = Fault.LAMP_FAILURE.value
    if injection is not None and injection.kind is FaultKind.DAY_BURNER:
        faults[(at_s >= injection.since_s) & ~dark] = Fault.DAY_BURNER.value
    states = {share: power_state(share).value for share in np.unique(level).tolist()}
    columns: dict[str, Sequence[Value]] = {
        "presence_count": (lamp.presence_count + np.searchsorted(past.detections_s, at_s, side="right")).tolist(),
        "dim_level": level.tolist(),
        "power_state": [states[share] for share in level.tolist()],
        "active_power_w": np.round(power, 2).tolist(),
        "voltage_v": np.round(voltage, 1).tolist(),
        "power_factor": np.round(factor, 2).tolist(),
        "active_energy_kwh": np.round(np.interp(at_s, course.edges_s, course.energy_kwh), 4).tolist(),
        "temperature_c": np.round(temperature, 1).tolist(),
        "faults": faults.tolist(),
    }
    slow: dict[str, Sequence[Value]] = {
        "current_a": np.round(power / (voltage * factor), 3)[full].tolist(),
        "operating_hours_h": np.round(hours_h, 2)[full].tolist(),
        "switch_on_count": course.switch_on_count[piece][full].tolist(),
        "rssi_dbm": np.round(rng.normal(-87, 4, int(full.sum()))).tolist(),
    }
    values: list[dict[str, Value]] = [
        dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
    ]
    for index, row in zip(np.flatnonzero(full).tolist(), zip(*slow.values(), strict=True), strict=True):
        values[index].update(zip(slow, row, strict=True))
    return values


def _readings(lamp: Lamp, at_s: Instants, values: Sequence[Mapping[str, Value]]) -> list[Reading]:
    device = lamp.device
    injection = lamp.uplink.injection
    readings = []
    for instant_s, measured in zip(at_s.tolist(), values, strict=True):
        observed_at = received_at = instant(instant_s)
        if injection is not None:
            observed_at = instant(injection.clock_s(instant_s))
            measured = _spoiled(lamp, measured, instant_s)  # noqa: PLW2901 - the fault lies between
        readings.append(
            Reading(
                device.device_id, device.device_type, device.municipality, observed_at, received_at + LATENCY, measured
            )
        )
    return readings


def _spoiled(lamp: Lamp, measured: Mapping[str, Value], at_s: float) -> Mapping[str, Value]:
    injection = lamp.uplink.injection
    if injection is None:
        return measured
    values = injection.alter(measured, at_s)
    drift = injection.drift(lamp.device.device_type, at_s)
    if drift and "temperature_c" in values:
        values["temperature_c"] = round(float(values["temperature_c"]) + drift, 1)
    return values


def _merged(at_s: Instants, hold_s: float) -> Instants:
    """The spans of `hold_s` after each instant, those that touch joined: rows of start and end."""
    if not len(at_s):
        return np.empty((0, 2))
    begins = np.diff(at_s, prepend=-np.inf) > hold_s
    ends = np.diff(at_s, append=np.inf) > hold_s
    return np.column_stack([at_s[begins], at_s[ends] + hold_s])


def _inside(at_s: Instants, spans: Instants) -> Flags:
    """Whether instants lie in one of the ascending, disjoint spans."""
    inside: Flags = np.searchsorted(spans.ravel(), at_s, side="right") % 2 == 1
    return inside


def _summed(parts: Instants) -> Instants:
    return np.concatenate([[0.0], np.cumsum(parts)])
