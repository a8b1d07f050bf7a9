"""What Grafana needs besides readings, as InfluxDB line protocol: state of ingest, place of each device, energy.

Written only with the InfluxDB backend (`InfluxReadings.write_lines`); times are in microseconds, its precision.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from core.clock import to_epoch_us
from core.device import Device, DeviceStatus, Municipality

INGEST_MEASUREMENT: Final = "ingest"
DEVICE_MEASUREMENT: Final = "device"
ENERGY_MEASUREMENT: Final = "energy"

Field = bool | int | float | str


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """How one ingest is doing: counts since it started, and the state of its last ten seconds.

    `lag_s` is the time from receipt to durable of the slowest reading since the last report, None when there was none;
    `batch_readings` the readings of the largest batch since then.
    """

    session: str
    at: datetime
    received: int
    stored: int
    rejected: int
    lag_s: float | None
    batch_readings: int
    connected_devices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyDay:
    """Energy of a municipality's lamps on one local day, in kWh and kg of CO2; None: of no lamp is it known."""

    municipality: str
    start: datetime
    lamps: int
    energy_kwh: float | None
    estimated_kwh: float
    reference_kwh: float | None
    saving_kwh: float | None
    co2_saved_kg: float | None
    hours_unknown: float


def energy_lines(days: Iterable[EnergyDay]) -> list[str]:
    """One line per day, dated at its start: measurement `energy`, tag `municipality`. Write today's every hour."""
    return [
        _line(ENERGY_MEASUREMENT, {"municipality": day.municipality}, _fields(day, "municipality", "start"), day.start)
        for day in days
    ]


def ingest_lines(reports: Iterable[IngestReport]) -> list[str]:
    """One line per report: measurement `ingest`, tag `session`. Write one every 10 s."""
    lines = []
    for report in reports:
        fields = _fields(report, "session", "at")
        fields["lag_s"] = None if report.lag_s is None else float(report.lag_s)
        lines.append(_line(INGEST_MEASUREMENT, {"session": report.session}, fields, report.at))
    return lines


def device_lines(devices: Iterable[Device], municipalities: Sequence[Municipality], at: datetime) -> list[str]:
    """One line per device that is not retired: measurement `device`, as the registry knows it at that instant.

    Tags `device_id, device_type, municipality, street`; fields `name` (the id when it has none), `status`,
    `municipality_name`, `threshold` (level from which the municipality has a bin emptied, 0-1) and, if known,
    `latitude, longitude` in degrees. Dashboards take the newest line of the last day: write all when ingest starts,
    when the registry changes, and every hour.
    """
    known = {municipality.municipality: municipality for municipality in municipalities}
    lines = []
    for device in devices:
        if device.status is DeviceStatus.RETIRED:
            continue
        municipality = known.get(device.municipality) or Municipality(
            municipality=device.municipality, name=device.municipality
        )
        lines.append(
            _line(
                DEVICE_MEASUREMENT,
                {
                    "device_id": device.device_id,
                    "device_type": device.device_type,
                    "municipality": device.municipality,
                    "street": device.street or "",
                },
                {
                    "name": device.name or device.device_id,
                    "status": device.status.value,
                    "municipality_name": municipality.name,
                    "threshold": float(municipality.filling_threshold),
                    "latitude": None if device.latitude is None else float(device.latitude),
                    "longitude": None if device.longitude is None else float(device.longitude),
                },
                at,
            )
        )
    return lines


def _fields(said: IngestReport | EnergyDay, *others: str) -> dict[str, Field | None]:
    return {name: value for name, value in asdict(said).items() if name not in others}


def _line(measurement: str, tags: Mapping[str, str], fields: Mapping[str, Field | None], at: datetime) -> str:
    # https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/ ; an empty tag value is not allowed.
    written_tags = "".join(f",{key}={_tag(value)}" for key, value in sorted(tags.items()) if _tag(value))
    written_fields = ",".join(f"{key}={_field(value)}" for key, value in fields.items() if _writable(value))
    return f"{measurement}{written_tags} {written_fields} {to_epoch_us(at)}"


def _tag(value: str) -> str:
    # A line break would end the line; a backslash before one of these signs cannot be written so that it is read back.
    value = " ".join(value.replace("\\", "/").split())
    for sign in (",", "=", " "):
        value = value.replace(sign, "\\" + sign)
    return value


def _writable(value: Field | None) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def _field(value: Field | None) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return f"{value}i"
        case float():
            return repr(value)
        case _:
            text = str(value).replace("\\", "\\\\").replace('"', '\\"')
            return '"' + " ".join(text.splitlines()) + '"'
