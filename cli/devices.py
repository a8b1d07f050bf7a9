"""The commands `devices import` and `devices export`."""

import json
import sys
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.options import MOST_MIB, read_pairs, read_text
from core.errors import InvalidInputError
from core.settings import load_settings
from devices.files import format_devices_csv, format_devices_geojson, parse_devices

devices_app = typer.Typer(help="The registry of devices as files.", no_args_is_help=True)


class DeviceFormat(StrEnum):
    """How devices are written."""

    CSV = "csv"
    GEOJSON = "geojson"


@devices_app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV or GeoJSON; - is standard input.")],
    *,
    columns: Annotated[
        list[str] | None, typer.Option("--map", help="FIELD=COLUMN: a field is in a column of another name.")
    ] = None,
    defaults: Annotated[
        list[str] | None, typer.Option("--set", help="FIELD=VALUE: a field of all rows that do not say.")
    ] = None,
    form: Annotated[DeviceFormat | None, typer.Option("--format", help="Default: by the file's suffix.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file; change nothing.")] = False,
) -> None:
    """Register the devices of a file, or replace them: all or none; every bad row is named.

    Fields are device_id, device_type, municipality, name, latitude, longitude, street and status; other columns
    become attributes.
    """
    many = parse_devices(
        _text(file),
        form.value if form else file.suffix or DeviceFormat.CSV.value,
        columns=read_pairs("--map", columns or ()),
        defaults=read_pairs("--set", defaults or ()),
    )
    if dry_run:
        typer.echo(f"{len(many)} devices can be imported")
        return
    from actions.register_devices import odd_among, register_devices
    from state.state import open_state

    with closing(open_state(load_settings().state_url)) as state:
        register_devices(state, many)
        odd = odd_among(state, many)
    for device_id, reason in odd.items():
        typer.echo(f"{device_id}: {reason}", err=True)
    typer.echo(f"{len(many)} devices imported")


@devices_app.command("export")
def export(
    *,
    form: Annotated[DeviceFormat, typer.Option("--format", help="How devices are written.")] = DeviceFormat.CSV,
    municipality: Annotated[str | None, typer.Option(help="Only its devices.")] = None,
    device_type: Annotated[str | None, typer.Option(help="Only devices of this type.")] = None,
) -> None:
    """Print the registered devices; `devices import` reads what this writes."""
    from state.devices import DeviceFilter
    from state.state import open_state

    with closing(open_state(load_settings().state_url)) as state:
        many = state.devices.all(DeviceFilter(municipality=municipality, device_type=device_type))
    if form is DeviceFormat.CSV:
        typer.echo(format_devices_csv(many), nl=False)
    else:
        typer.echo(json.dumps(format_devices_geojson(many), ensure_ascii=False))


def _text(file: Path) -> str:
    if str(file) != "-":
        return read_text(file)
    try:
        return sys.stdin.buffer.read(MOST_MIB << 20).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"standard input is not UTF-8: byte {error.start}") from error
