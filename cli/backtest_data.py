"""What a backtest replays: a recording of real bins, or a year of simulated ones, planned by municipality and kind."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import holidays
import numpy as np

from cli.options import read_text
from cli.recording import read_recording
from core.device import Device, DisposalSite, Municipality, Place, Vehicle
from core.errors import InvalidInputError
from core.travel import Position, Roads
from devices.files import parse_devices
from devices.registry import device_type
from pickups.backtest.deposits import Deposits, Flags, deposits_of, working_days
from pickups.backtest.replay import Area, Sensor
from pickups.routes.problem import Site, VehicleKind

SHIFT_START_S: Final = 6 * 3600
LEARN_DAYS: Final = 90
"""So long before a simulated year the sensors were already there."""
FIFTHS: Final = 0.2
SIMULATED_YEAR: Final = date(2026, 1, 1)
SENSOR_NOISE: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One area with its demand: what comes into its bins, when vehicles go out, how sensors see it."""

    area: Area
    deposits: Deposits
    works: Flags
    sensor: Sensor


def recorded(
    recording: Path,
    containers: Path,
    *,
    columns: Mapping[str, str],
    container_columns: Mapping[str, str],
    kind: str,
    zone: ZoneInfo,
    time_format: str | None,
    holidays_of: str,
    depot: Position | None,
    disposal: Position | None,
    volume_l: float,
    seed: int,
    roads: Roads,
) -> list[Replayed]:
    """The bins of a recording, those of one kind of waste (attribute `kind` of the containers) planned together.

    Levels that are all fifths are taken for readings of a sensor that says fifths. Without a depot the middle of all
    bins stands in for it, without a disposal site the depot.

    Raises:
        InvalidInputError: a file or option is wrong, or no bin has both readings and a position.
    """
    levels = _daily_levels(recording, columns, zone, time_format)
    known = _containers(containers, container_columns)
    found = [known[device_id] for device_id in levels if device_id in known and known[device_id].latitude is not None]
    if not found:
        raise InvalidInputError(f"no bin of {recording} has a position in {containers}")
    middle = (_mean(found, "latitude"), _mean(found, "longitude"))
    home = Place("depot", *(depot or middle))
    municipality = Municipality(
        municipality="recorded",
        name="",
        depot=home,
        disposal_sites=(DisposalSite("disposal", *(disposal or depot or middle)),),
    )
    step = FIFTHS if all(_is_fifth(level) for known in levels.values() for level in known.values()) else 0.0
    parts = []
    for name, bins in _by(found, lambda device: str(device.attributes.get(kind, ""))).items():
        bins.sort(key=lambda device: device.device_id)
        parts.append(
            _part(
                name,
                bins,
                towns=[municipality],
                deposits=deposits_of({device.device_id: levels[device.device_id] for device in bins}, seed=seed),
                holidays_of=holidays_of,
                sensor=Sensor(step=step),
                volume_l=volume_l,
                roads=roads,
            )
        )
    return parts


def simulated(
    *,
    bins: int,
    days: int,
    seed: int,
    region: str,
    most_municipalities: int,
    joint: bool,
    roads: Roads,
    progress: Callable[[int], None],
) -> list[Replayed]:
    """A year in a simulated region, planned by municipality and kind of waste; `joint`: kinds across municipalities.

    `progress` is told of each bin done.

    Raises:
        SettingsError: there is no such region.
    """
    from simulators.bin_days import daily_deposits
    from simulators.fleet import build_fleet
    from simulators.region import load_region

    source = load_region(region)
    fleet = build_fleet(source, lamps=0, bins=bins, seed=seed, topic_root="")
    towns = {town.municipality: town for town in fleet.municipalities[:most_municipalities]}
    devices = [bin_.device for bin_ in fleet.bins.values() if bin_.device.municipality in towns]
    first = SIMULATED_YEAR - timedelta(days=LEARN_DAYS)
    holidays_of = "-".join(filter(None, (source.holidays_country, source.holidays_subdivision)))
    parts = []
    groups = _by(
        devices,
        lambda device: f"{'county' if joint else device.municipality} {device.attributes.get('waste_kind', '')}",
    )
    for name, group in groups.items():
        shares = np.empty((days + LEARN_DAYS, len(group)))
        for place, device in enumerate(group):
            shares[:, place] = daily_deposits([fleet.bins[device.device_id]], first, len(shares))[:, 0]
            progress(1)
        deposits = Deposits(
            device_ids=tuple(device.device_id for device in group),
            first_day=first,
            shares=shares,
            seen=np.ones(shares.shape, dtype=np.bool_),
        )
        here = [towns[slug] for slug in dict.fromkeys(device.municipality for device in group)]
        sensor = Sensor(noise=SENSOR_NOISE)
        parts.append(
            _part(
                name,
                group,
                towns=here,
                deposits=deposits,
                holidays_of=holidays_of,
                sensor=sensor,
                volume_l=0.0,
                roads=roads,
            )
        )
    return parts


def _part(
    name: str,
    bins: Sequence[Device],
    *,
    towns: Sequence[Municipality],
    deposits: Deposits,
    holidays_of: str,
    sensor: Sensor,
    volume_l: float,
    roads: Roads,
) -> Replayed:
    """Bins with the depots, disposal sites and vehicles of their municipalities."""
    positions: list[Position] = [(device.latitude or 0.0, device.longitude or 0.0) for device in bins]
    kind = str(bins[0].attributes.get("waste_kind", ""))
    vehicles, sites = [], {}
    for town in towns:
        depot = town.depot or Place("", *positions[0])
        tip = _tip(town, depot, kind)
        start = len(positions)
        positions.append((depot.latitude, depot.longitude))
        if tip.name not in sites:
            sites[tip.name] = Site(name=tip.name, location=len(positions), unload_s=tip.unloading_s)
            positions.append((tip.latitude, tip.longitude))
        vehicles += [
            VehicleKind(
                name=f"{town.municipality} {vehicle.name}",
                count=vehicle.count,
                start=start,
                end=start,
                capacity_l=int(vehicle.capacity_l),
                earliest_s=SHIFT_START_S,
                latest_s=SHIFT_START_S + vehicle.shift_s,
                max_duration_s=vehicle.shift_s,
                cost_per_s=_metres_a_second(vehicle),
            )
            for vehicle in town.vehicles
            if not vehicle.waste_kinds or kind in vehicle.waste_kinds
        ]
    area = Area(
        name=name,
        volumes_l=np.array([float(device.attributes.get("volume_l") or volume_l) for device in bins]),
        travel=roads.matrix(positions),
        sites=tuple(sites.values()),
        vehicles=tuple(vehicles),
    )
    years = range(deposits.first_day.year, deposits.first_day.year + deposits.days // 365 + 2)
    works = working_days(deposits.first_day, deposits.days, _holidays(holidays_of, years))
    return Replayed(area=area, deposits=deposits, works=works, sensor=sensor)


def _metres_a_second(vehicle: Vehicle) -> int:
    """What a second of crew and vehicle costs, in metres driven: costs of a backtest are in metres."""
    return round(vehicle.cost_per_hour / 3600 / (vehicle.cost_per_km / 1000)) if vehicle.cost_per_km else 0


def _tip(town: Municipality, depot: Place, kind: str) -> DisposalSite:
    """The first disposal site of a municipality that takes a kind of waste; without one, the depot."""
    taking = (site for site in town.disposal_sites if not site.waste_kinds or kind in site.waste_kinds)
    return next(taking, DisposalSite(depot.name, depot.latitude, depot.longitude))


def _holidays(name: str, years: Iterable[int]) -> frozenset[date]:
    country, _, state = name.partition("-")
    if not country:
        return frozenset()
    try:
        return frozenset(holidays.country_holidays(country, subdiv=state or None, years=years))
    except NotImplementedError as error:
        raise InvalidInputError(f"--holidays: {name[:80]!r} is no country or state such as DE-HE: {error}") from error


def _daily_levels(
    recording: Path, columns: Mapping[str, str], zone: ZoneInfo, time_format: str | None
) -> dict[str, dict[date, float]]:
    """The last level of each bin and local day."""
    read = read_recording(
        recording,
        device_type("waste_bin"),
        columns,
        zone=zone,
        oldest=datetime(1970, 1, 1, tzinfo=UTC),
        newest=datetime.now(UTC),
        time_format=time_format,
    )
    levels: dict[str, dict[date, float]] = defaultdict(dict)
    for reading in read.readings:
        if "filling_level" in reading.values:
            levels[reading.device_id][reading.observed_at.astimezone(zone).date()] = float(
                reading.values["filling_level"]
            )
    if not levels:
        raise InvalidInputError(f"{recording} has no filling_level (--map filling_level=COLUMN)")
    return levels


def _containers(path: Path, columns: Mapping[str, str]) -> dict[str, Device]:
    defaults = {"device_type": "waste_bin", "municipality": "recorded"}
    try:
        devices = parse_devices(read_text(path), path.suffix, columns=columns, defaults=defaults)
    except InvalidInputError as error:
        raise InvalidInputError(f"{path}: {error}") from error
    return {device.device_id: device for device in devices}


def _mean(devices: Sequence[Device], name: str) -> float:
    return float(np.mean([getattr(device, name) for device in devices]))


def _is_fifth(level: float) -> bool:
    return abs(level / FIFTHS - round(level / FIFTHS)) < FIFTHS / 1000


def _by(devices: Iterable[Device], key: Callable[[Device], str]) -> dict[str, list[Device]]:
    groups: dict[str, list[Device]] = defaultdict(list)
    for device in devices:
        groups[key(device)].append(device)
    return groups
