"""Adds up what lamps used, from the registry and the readings; for the API, and day by day for Grafana."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Final

from core.alert import Alert
from core.counter import CounterSpan
from core.device import Device, DeviceStatus
from core.errors import InvalidInputError
from core.reading import Aggregate
from core.settings import Settings
from lights.energy import HOUR, EnergyGroup, EnergyInterval, EnergySums, EnergyTotal, Used, bounds, lamp_energy
from lights.increase import Known, with_reach
from readings.influx.operations import EnergyDay, energy_lines
from readings.store import KeepsOperations, ReadingStore
from state.devices import DeviceFilter
from state.state import State

COUNTERS: Final = ("active_energy_kwh", "operating_hours_h", "switch_on_count")
DARKENING: Final = ("lamp_failure", "supply_loss")
"""Rules whose alerts say that a lamp is dark: its counter stands still, and that is no saving."""
DAY: Final = timedelta(days=1)
DAYS_SHOWN: Final = 3
"""So many local days are written for Grafana each time, today among them: late readings change yesterday's figures."""


def energy_report(
    state: State,
    readings: ReadingStore,
    of: Sequence[datetime],
    *,
    group_by: EnergyGroup,
    municipality: str | None = None,
    device_id: str | None = None,
    most: int | None = None,
) -> list[EnergyTotal]:
    """Energy of registered lamps between each bound and the next, by (start, municipality, group).

    Of a lamp that moved only what it said in the municipality where it is now counts.

    Raises:
        InvalidInputError: more than `most` lamps times intervals.
        StorageUnavailableError: a store does not answer.
    """
    wanted = DeviceFilter(municipality=municipality, device_type="streetlight")
    lamps = [
        device
        for device in state.devices.all(wanted)
        if device.status is not DeviceStatus.DISCOVERED and device_id in (None, device.device_id)
    ]
    if most is not None and len(lamps) * (len(of) - 1) > most:
        raise InvalidInputError(
            f"every: {len(lamps)} lamps in {len(of) - 1} intervals are more than {most} figures; "
            "ask for one municipality, a shorter span or longer intervals"
        )
    positions = {
        place.municipality: (place.latitude, place.longitude)
        for place in state.municipalities.all()
        if place.latitude is not None and place.longitude is not None
    }
    faulty = _out_of_order(state.alerts.during(DARKENING, of[0], of[-1], municipality), lamps, of[-1])
    sums = EnergySums(group_by, of, positions, faulty)
    lamps.sort(key=attrgetter("municipality", "device_id"))
    for place, of_place in groupby(lamps, key=attrgetter("municipality")):
        ids = None if device_id is None else [device_id]
        spans: dict[str, dict[str, list[CounterSpan]]] = {}
        for quantity in COUNTERS:
            for span in readings.counters(quantity, with_reach(of), municipality=place, device_ids=ids):
                spans.setdefault(span.device_id, {}).setdefault(quantity, []).append(span)
        for device in of_place:
            own = spans.pop(device.device_id, {})
            powered = None if "active_energy_kwh" in own else list(_powered(readings, device, of))
            sums.add(lamp_energy(device, own, of, powered))
    return sums.totals()


def _out_of_order(alerts: Sequence[Alert], lamps: Sequence[Device], until: datetime) -> dict[str, list[Known]]:
    """When which lamps (by id) had a fault that makes them dark, their own or their circuit's."""
    of_circuit: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for lamp in lamps:
        if (circuit := lamp.attributes.get("circuit")) is not None:
            of_circuit[lamp.municipality, str(circuit)].append(lamp.device_id)
    spans: defaultdict[str, list[Known]] = defaultdict(list)
    for alert in alerts:
        concerned = [alert.device_id] if alert.circuit is None else of_circuit[alert.municipality, alert.circuit]
        for device_id in concerned:
            spans[device_id].append((alert.started_at, alert.resolved_at or until))
    return spans


def show_energy(state: State, readings: ReadingStore, settings: Settings, now: datetime) -> None:
    """Write the last days' energy of each municipality where Grafana finds it; nothing where the store takes no lines.

    A job for every hour, in one process. Safe to repeat.

    Raises:
        StorageUnavailableError: a store does not answer.
        StorageError: the store did not take it.
    """
    if not isinstance(readings, KeepsOperations):
        return
    first = now.astimezone(settings.zone).date() - (DAYS_SHOWN - 1) * DAY
    start = datetime.combine(first, time(0), settings.zone).astimezone(UTC)
    of = bounds(start, now, EnergyInterval.DAY, settings.zone, most=DAYS_SHOWN)
    totals = energy_report(state, readings, of, group_by=EnergyGroup.MUNICIPALITY)
    readings.write_lines(
        energy_lines(
            EnergyDay(
                municipality=total.municipality,
                start=total.start,
                lamps=total.lamps,
                energy_kwh=total.energy_kwh,
                estimated_kwh=total.estimated_kwh,
                reference_kwh=total.reference_kwh,
                saving_kwh=total.saving_kwh,
                co2_saved_kg=total.co2_saved_kg(settings.co2_g_per_kwh),
                hours_unknown=total.hours_unknown,
            )
            for total in totals
        )
    )


def _powered(readings: ReadingStore, device: Device, of: Sequence[datetime]) -> Iterator[Used | None]:
    """Power times time, for a lamp without a meter: of the days (UTC) on which it told its power; all is estimated."""
    for start, end in pairwise(of):
        found = readings.series(
            device.device_id,
            ["active_power_w"],
            start,
            end,
            every=DAY,
            aggregate=Aggregate.TIME_WEIGHTED_MEAN,
        )
        known: list[Known] = []
        energy_kwh = 0.0
        for day in found:
            span = max(start, day.observed_at), min(end, day.observed_at + DAY)
            known.append(span)
            energy_kwh += float(day.value) / 1000 * ((span[1] - span[0]) / HOUR)
        yield Used(energy_kwh, energy_kwh, known) if known else None
