"""The command `replay`: plays a recording into the platform, over MQTT or straight into the stores."""

import math
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from itertools import islice
from pathlib import Path
from typing import Annotated, Final
from uuid import uuid4

import typer

from cli.options import read_pairs, read_zone
from cli.progress import progress_bar
from cli.recording import Recorded, Recording, read_recording
from core.clock import LARGEST_LEAD, utc_now
from core.device import is_municipality
from core.errors import InvalidInputError
from core.settings import Settings, load_settings
from core.topics import Topics
from devices.base import DeviceType, encode_json
from devices.registry import device_type as find_device_type
from mqtt.client import MqttClient

CONNECT_TIMEOUT_S: Final = 10.0
SHOWN_PROBLEMS: Final = 10
BATCH: Final = 1000
FASTEST: Final = "max"


def replay(
    file: Annotated[Path, typer.Argument(help="CSV with header, or JSON lines.")],
    more: Annotated[list[str] | None, typer.Argument(metavar="[KEY=COLUMN]...", help="More of --map.")] = None,
    *,
    kind: Annotated[str, typer.Option("--type", help="Device type, such as waste_bin.")],
    municipality: Annotated[str, typer.Option("--municipality", "-m", help="Whose devices.")],
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", help="KEY=COLUMN: device_id, observed_at or a quantity, and the column that has it."),
    ] = None,
    speed: Annotated[str, typer.Option(help="How many times as fast as recorded, or max.")] = FASTEST,
    scale: Annotated[
        list[str] | None, typer.Option(help="QUANTITY=FACTOR: multiply, such as filling_level=0.01 for percent.")
    ] = None,
    time_format: Annotated[
        str | None, typer.Option(help="Of times, as strptime: %d-%m-%Y; default: found out.")
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="Of times without one; default: KREISPULS_TIMEZONE.")] = None,
    publish: Annotated[
        bool, typer.Option("--publish/--direct", help="Over MQTT as devices would, or straight into the stores.")
    ] = True,
) -> None:
    """Play a recorded CSV or JSON lines file into the platform, oldest first, at the times it names.

    Rows that cannot be used are counted and named. --publish goes through the broker, ingest, rules and alerts;
    --direct only keeps the readings and lists their devices.
    """
    settings = load_settings()
    now = utc_now()
    device_type = find_device_type(kind)
    if not is_municipality(municipality):
        raise InvalidInputError(f"--municipality: {municipality[:80]!r} is not 1-64 of a-z 0-9 -")
    factor = _speed(speed)
    recording = read_recording(
        file,
        device_type,
        read_pairs("--map", [*(columns or ()), *(more or ())]),
        zone=read_zone("--timezone", timezone) if timezone else settings.zone,
        oldest=now - timedelta(days=settings.retention_days),
        newest=now + LARGEST_LEAD,
        time_format=time_format,
        scales=_scales(scale or ()),
    )
    for note in recording.notes:
        typer.echo(note, err=True)
    if not recording.readings:
        _say_unusable(recording)
        raise InvalidInputError(f"no row of {file} can be used")
    paced = _paced(recording.readings, factor)
    from cli.replay_direct import store_readings

    played = (
        _published(settings, device_type, municipality, paced)
        if publish
        else store_readings(settings, device_type, municipality, _batches(paced, BATCH if factor is None else 1))
    )
    with progress_bar() as progress:
        task = progress.add_task("publishing" if publish else "storing", total=len(recording.readings))
        for done in played:
            progress.update(task, completed=done)
    _say_unusable(recording)
    devices = len({recorded.device_id for recorded in recording.readings})
    typer.echo(
        f"{recording.rows} rows: {len(recording.readings)} readings of {devices} devices"
        f" {'published' if publish else 'stored'}; {recording.repeated} rows repeat a device and time, the last"
        f" counts; {len(recording.unusable)} rows cannot be used"
    )


def _published(
    settings: Settings, device_type: DeviceType, municipality: str, readings: Iterable[Recorded]
) -> Iterator[int]:
    """Publish as the devices would; yields how many readings the broker has acknowledged."""
    topics = Topics(settings.mqtt_topic_root)
    messages = (
        (
            topics.event(municipality, device_type.name, recorded.device_id, "up"),
            encode_json(recorded.values, observed_at=recorded.observed_at),
        )
        for recorded in readings
    )
    client = MqttClient(settings.mqtt_url, f"kreispuls-replay-{uuid4().hex[:8]}", ca_file=settings.mqtt_ca_file)
    client.start()
    try:
        client.wait_connected(CONNECT_TIMEOUT_S)
        yield from client.publish_all(messages)
    finally:
        client.stop()


def _paced(readings: Iterable[Recorded], factor: float | None) -> Iterator[Recorded]:
    """The readings, each when it is due: recorded seconds divided by `factor` after the first; None: at once."""
    begun, first_at = time.monotonic(), None
    for recorded in readings:
        first_at = first_at or recorded.observed_at
        if factor is not None:
            wait_s = (recorded.observed_at - first_at).total_seconds() / factor - (time.monotonic() - begun)
            if wait_s > 0:
                time.sleep(wait_s)
        yield recorded


def _batches(readings: Iterable[Recorded], size: int) -> Iterator[list[Recorded]]:
    iterator = iter(readings)
    while batch := list(islice(iterator, size)):
        yield batch


def _speed(text: str) -> float | None:
    """How many times as fast as recorded; None: as fast as can be."""
    if text.lower() == FASTEST:
        return None
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 0 < factor < math.inf:
        raise InvalidInputError(f"--speed: expected a number above 0 or max, got {text[:80]!r}")
    return factor


def _scales(texts: Iterable[str]) -> dict[str, Decimal]:
    scales = {}
    for key, text in read_pairs("--scale", texts).items():
        try:
            scales[key] = Decimal(text)
        except InvalidOperation:
            scales[key] = Decimal("NaN")
        if not scales[key].is_finite():
            raise InvalidInputError(f"--scale {key}: {text[:80]!r} is no number")
    return scales


def _say_unusable(recording: Recording) -> None:
    for line, reason in recording.unusable[:SHOWN_PROBLEMS]:
        typer.echo(f"line {line}: {reason}", err=True)
    if len(recording.unusable) > SHOWN_PROBLEMS:
        typer.echo(f"and {len(recording.unusable) - SHOWN_PROBLEMS} more lines that cannot be used", err=True)
