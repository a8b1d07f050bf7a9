"""What lamps used and what dimming saved: differences of counters, gaps stated; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from core.counter import CounterSpan
from core.device import Device
from core.errors import InvalidInputError
from lights.increase import Increase, Known, increases
from lights.sun import dark_hours

HOUR: Final = timedelta(hours=1)
LARGEST_POWER_W: Final = 1000.0
"""No street lamp takes more; for lamps whose rated power is not known."""
POWER_MARGIN: Final = 1.5
"""So many times its rated power a lamp takes at most: aged modules under constant light output, the meter's error."""
RESOLUTION_KWH: Final = 1.0
"""The coarsest counters count whole kilowatt hours."""


class EnergyGroup(StrEnum):
    """What energy is added up over."""

    DEVICE = "device"
    STREET = "street"
    CIRCUIT = "circuit"
    MUNICIPALITY = "municipality"


class EnergyInterval(StrEnum):
    """Calendar intervals of local time, as ISO 8601 durations."""

    DAY = "P1D"
    MONTH = "P1M"


@dataclass(frozen=True, slots=True)
class Used:
    """Energy of a lamp in one interval, in kWh, and when it is known; of it `estimated_kwh` is not measured."""

    energy_kwh: float
    estimated_kwh: float
    known: Sequence[Known]


@dataclass(frozen=True, slots=True)
class LampEnergy:
    """One lamp in one interval; None: unknown."""

    device: Device
    used: Used | None
    operating_hours_h: float | None
    switch_on_count: int | None
    resets: int
    hours: int


@dataclass(slots=True, kw_only=True)
class EnergyTotal:
    """Energy of a group of lamps in one interval; None: of no lamp is it known. See docs/energy.md for each figure."""

    group: str
    municipality: str
    start: datetime
    end: datetime
    lamps: int = 0
    energy_kwh: float | None = None
    estimated_kwh: float = 0.0
    reference_kwh: float | None = None
    """The lamps of `lamps_compared` at full light from sunset to sunrise, as long as their energy is known."""
    saving_kwh: float | None = None
    lamps_compared: int = 0
    lamps_unknown: int = 0
    hours_unknown: float = 0.0
    """Lamp hours of which no energy is known."""
    hours_without_data: float = 0.0
    """Lamp hours without a reading; counters may bridge them."""
    hours_out_of_order: float = 0.0
    """Lamp hours with a fault that makes the lamp dark: they save nothing, and are not compared."""
    operating_hours_h: float | None = None
    lamps_counting_hours: int = 0
    switch_on_count: int | None = None
    lamps_counting_switchings: int = 0
    counter_resets: int = 0

    @property
    def saving_share(self) -> float | None:
        """Saving by reference; None without one."""
        return self.saving_kwh / self.reference_kwh if self.reference_kwh and self.saving_kwh is not None else None

    def co2_kg(self, g_per_kwh: float) -> float | None:
        """Of the energy used, by the grid's grams of CO2 per kilowatt hour."""
        return None if self.energy_kwh is None else self.energy_kwh * g_per_kwh / 1000

    def co2_saved_kg(self, g_per_kwh: float) -> float | None:
        """Of the energy saved."""
        return None if self.saving_kwh is None else self.saving_kwh * g_per_kwh / 1000


def bounds(start: datetime, end: datetime, every: EnergyInterval, zone: ZoneInfo, *, most: int) -> list[datetime]:
    """`start`, the local midnights (of each day, or of the first of each month) between, and `end`; aware UTC.

    Raises:
        InvalidInputError: the span is empty, or has more than `most` intervals.
    """
    if start >= end:
        raise InvalidInputError("start: must be before end")
    found = [start.astimezone(UTC)]
    day = start.astimezone(zone).date()
    while True:
        day = day + timedelta(days=1) if every is EnergyInterval.DAY else _next_month(day)
        midnight = datetime.combine(day, time(0), zone).astimezone(UTC)
        if midnight >= end:
            return [*found, end.astimezone(UTC)]
        if len(found) >= most:
            raise InvalidInputError(f"every: more than {most} intervals of {every} between start and end")
        found.append(midnight)


def used(device: Device, increase: Increase) -> Used | None:
    """What the energy counter says; None where it says nothing, or more than the lamp can have taken.

    A counter that jumps belongs to a lamp that was exchanged, or lost its memory and found it again.
    """
    if increase.known is None:
        return None
    energy_kwh = increase.measured + increase.estimated
    hours = (increase.known[1] - increase.known[0]) / HOUR
    rated_w = rated_power_w(device)
    largest_w = LARGEST_POWER_W if rated_w is None else rated_w * POWER_MARGIN
    if energy_kwh > largest_w / 1000 * hours + RESOLUTION_KWH:
        return None
    return Used(energy_kwh, increase.estimated, [increase.known])


def rated_power_w(device: Device) -> float | None:
    """Active power at full light, as the registry has it."""
    rated = device.attributes.get("rated_power_w")
    return float(rated) if isinstance(rated, int | float) and not isinstance(rated, bool) and rated > 0 else None


def lamp_energy(
    device: Device,
    counters: Mapping[str, Sequence[CounterSpan]],
    of: Sequence[datetime],
    powered: Sequence[Used | None] | None = None,
) -> list[LampEnergy]:
    """One lamp in each interval of the bounds `of`.

    Args:
        device: its attribute `rated_power_w` says what it can take.
        counters: spans by quantity, as `increases` takes them.
        of: ascending bounds.
        powered: what its power says per interval, where its energy counter says nothing.
    """
    energy = increases(counters.get("active_energy_kwh", ()), of)
    hours = increases(counters.get("operating_hours_h", ()), of)
    switchings = increases(counters.get("switch_on_count", ()), of, split=False)
    lamp: list[LampEnergy] = []
    for place in range(len(of) - 1):
        of_power = powered[place] if powered else None
        lamp.append(
            LampEnergy(
                device,
                used(device, energy[place]) or of_power,
                hours[place].measured + hours[place].estimated if hours[place].known else None,
                round(switchings[place].measured) if switchings[place].known else None,
                energy[place].resets,
                max(energy[place].hours, hours[place].hours, round(_hours(of_power.known)) if of_power else 0),
            )
        )
    return lamp


@dataclass(slots=True)
class EnergySums:
    """Adds up lamps by group and interval.

    `positions` are those of municipalities, for lamps that have none; `out_of_order`: when which lamps (by id) had a
    fault that makes them dark, in order and apart from each other.
    """

    group_by: EnergyGroup
    of: Sequence[datetime]
    positions: Mapping[str, tuple[float, float]]
    out_of_order: Mapping[str, Sequence[Known]] = field(default_factory=dict)
    _totals: dict[tuple[int, str, str], EnergyTotal] = field(default_factory=dict)

    def add(self, lamp: Sequence[LampEnergy]) -> None:
        """All intervals of one lamp, as `lamp_energy` gives them."""
        for interval, of_lamp in enumerate(lamp):
            device, start, end = of_lamp.device, self.of[interval], self.of[interval + 1]
            key = (interval, device.municipality, group_of(device, self.group_by))
            total = self._totals.get(key)
            if total is None:
                total = self._totals[key] = EnergyTotal(group=key[2], municipality=key[1], start=start, end=end)
            _add(total, of_lamp, self._reference_kwh(of_lamp))
            faulty = self.out_of_order.get(device.device_id, ())
            total.hours_out_of_order += (end - start) / HOUR - _hours(_without([(start, end)], faulty))

    def totals(self) -> list[EnergyTotal]:
        """By start, municipality and group."""
        return [self._totals[key] for key in sorted(self._totals)]

    def _reference_kwh(self, lamp: LampEnergy) -> float | None:
        """Full light as long as it is dark, the lamp's energy is known and it is in order; None: it never is."""
        device, rated_w = lamp.device, rated_power_w(lamp.device)
        if device.latitude is not None and device.longitude is not None:
            position = device.latitude, device.longitude
        elif device.municipality in self.positions:
            position = self.positions[device.municipality]
        else:
            return None
        if lamp.used is None or rated_w is None:
            return None
        compared = _without(lamp.used.known, self.out_of_order.get(device.device_id, ()))
        if not compared and lamp.used.known:
            return None
        return rated_w / 1000 * sum(dark_hours(*position, *known) for known in compared)


def group_of(device: Device, group_by: EnergyGroup) -> str:
    """The name of a lamp's group; empty for one without street or circuit."""
    match group_by:
        case EnergyGroup.DEVICE:
            return device.device_id
        case EnergyGroup.STREET:
            return device.street or ""
        case EnergyGroup.CIRCUIT:
            circuit = device.attributes.get("circuit")
            return "" if circuit is None else str(circuit)
        case EnergyGroup.MUNICIPALITY:
            return device.municipality


def _add(total: EnergyTotal, lamp: LampEnergy, reference_kwh: float | None) -> None:
    length_h = (total.end - total.start) / HOUR
    total.lamps += 1
    total.counter_resets += lamp.resets
    total.hours_without_data += max(0.0, length_h - lamp.hours)
    if lamp.operating_hours_h is not None:
        total.operating_hours_h = (total.operating_hours_h or 0.0) + lamp.operating_hours_h
        total.lamps_counting_hours += 1
    if lamp.switch_on_count is not None:
        total.switch_on_count = (total.switch_on_count or 0) + lamp.switch_on_count
        total.lamps_counting_switchings += 1
    if lamp.used is None:
        total.lamps_unknown += 1
        total.hours_unknown += length_h
        return
    total.hours_unknown += max(0.0, length_h - _hours(lamp.used.known))
    total.energy_kwh = (total.energy_kwh or 0.0) + lamp.used.energy_kwh
    total.estimated_kwh += lamp.used.estimated_kwh
    if reference_kwh is not None:
        total.lamps_compared += 1
        total.reference_kwh = (total.reference_kwh or 0.0) + reference_kwh
        total.saving_kwh = (total.saving_kwh or 0.0) + reference_kwh - lamp.used.energy_kwh


def _without(known: Sequence[Known], gone: Sequence[Known]) -> list[Known]:
    """What is left of spans without others."""
    left = list(known)
    for gone_from, gone_to in gone:
        left = [
            part
            for start, end in left
            for part in ((start, min(end, gone_from)), (max(start, gone_to), end))
            if part[0] < part[1]
        ]
    return left


def _hours(known: Iterable[Known]) -> float:
    return sum((end - start) / HOUR for start, end in known)


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
