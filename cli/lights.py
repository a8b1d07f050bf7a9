"""The commands `lights ...`: light control tried out before it drives a street."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.extras import require
from cli.options import read_day, read_text
from core.device import Device
from core.errors import InvalidInputError
from core.settings import load_settings

if TYPE_CHECKING:
    from simulators.night import NightReport
    from simulators.placement import Row
    from simulators.world import World

lights_app = typer.Typer(
    help="Light control: try it out.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
)
REGION = "marburg-biedenkopf"
KEPT_WATTS = 26.0
"""Taken for a lamp of a street file that says no `rated_power_w`."""


@lights_app.callback()
def lights() -> None:
    """Try light control out."""


@lights_app.command("replay")
def replay_night(
    *,
    street: Annotated[
        Path | None, typer.Option(help="CSV or GeoJSON of the lamps of one street, as for devices import.")
    ] = None,
    night: Annotated[str, typer.Option("--date", help="Local date on which the night begins.")] = "2026-12-21",
    profile: Annotated[
        str | None,
        typer.Option(help="A lighting profile that ships; default: standby and presence as the settings say."),
    ] = None,
    passages: Annotated[int, typer.Option(min=1, max=5_000, help="Walkers, cyclists and cars.")] = 200,
    lost: Annotated[float, typer.Option(min=0, max=50, help="Per cent of the sensors' messages that are lost.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the night's random numbers.")] = 0,
    plot: Annotated[Path | None, typer.Option(help="Write the picture of the night here (.png or .svg).")] = None,
) -> None:
    """Replay a night in a street: who had light ahead of them, and what it saved against always full light.

    Without --street: the 60 lamps of Beltershäuser Straße in Marburg.
    """
    from actions.lights.lighting_plan import default_profile
    from lights.catalogue import shipped_profiles
    from lights.street import street_rows
    from simulators.night import StreetNight
    from simulators.region import load_region
    from simulators.world import World

    if plot is not None:
        require("plot")
    settings = load_settings()
    world = World(load_region(REGION), seed)
    row = _pilot_street(world) if street is None else _street_of(street, world)
    (order,) = street_rows(row.lamps)
    dusk_s, dawn_s = _night(world, row.municipality, night)
    chosen = default_profile(settings) if profile is None else shipped_profiles().get(profile)
    if chosen is None:
        raise InvalidInputError(f"--profile: {profile!r} is none of {', '.join(sorted(shipped_profiles()))}")
    report = StreetNight(row, order, world, chosen, seed=seed, lost_share=lost / 100).run(dusk_s, dawn_s, passages)
    typer.echo(f"{row.street}, {len(row.lamps)} lamps, night of {night}: {(dawn_s - dusk_s) / 3600:.1f} h dark")
    _echo(report)
    if plot is not None:
        from cli.timeline import draw_night

        title = f"{row.street}, night of {night}: {passages} passages"
        draw_night(report, plot, title=title, zone=world.zone)
        typer.echo(f"picture: {plot}")


def _echo(report: "NightReport") -> None:
    from simulators.traffic import KINDS

    for kind in KINDS:
        watched = [each for each in report.passages if each.passage.kind == kind]
        lit = sum(each.dark == 0 for each in watched)
        typer.echo(f"{kind + 's:':10} {lit:4} of {len(watched):4} lit as promised")
    typer.echo(f"{'all:':10} {report.lit:4} of {len(report.passages):4} lit as promised")
    worst = max(report.passages, key=lambda each: (each.dark / max(1, each.looks), -each.least))
    speed = f"{worst.passage.speed_mps * 3.6:.0f} km/h"
    typer.echo(
        f"worst: a {worst.passage.kind} at {speed}, {worst.dark} of {worst.looks} looks ahead without the light,"
        f" darkest {worst.least:.0%}"
    )
    saved = 1 - report.energy_kwh / report.always_on_kwh
    typer.echo(
        f"energy: {report.energy_kwh:.2f} kWh, always at full light {report.always_on_kwh:.2f} kWh: {saved:.0%} saved"
    )
    typer.echo(f"{report.commands} commands, {report.lost} messages of sensors lost")


def _pilot_street(world: "World") -> "Row":
    from simulators.placement import place_lamps

    pilot = world.region.pilot_street
    return next(row for row in place_lamps(world.region, 60) if row.street == pilot.street)


def _street_of(path: Path, world: "World") -> "Row":
    from dataclasses import replace

    from devices.files import parse_devices
    from lights.street import street_rows
    from simulators.placement import Row

    try:
        devices = parse_devices(read_text(path), path.suffix)
    except InvalidInputError as error:
        raise InvalidInputError(f"{path}: {error}") from error
    lamps = {
        device.device_id: replace(
            device, attributes={"rated_power_w": KEPT_WATTS, "circuit": device.street or "", **device.attributes}
        )
        for device in devices
        if device.device_type == "streetlight"
    }
    rows = street_rows(lamps.values())
    if len(rows) != 1 or len(lamps) < 2:  # noqa: PLR2004 - somebody has to go from one to the next
        raise InvalidInputError(f"{path}: expected the lamps of one street without large gaps, found {len(rows)} rows")
    (order,) = rows
    known = {entry.municipality for entry in world.region.municipalities}
    first = lamps[order.lamps[0]]
    if first.municipality not in known:
        raise InvalidInputError(f"{path}: municipality {first.municipality} is not of the region {REGION}")
    spacing_m = order.along_m[-1] / (len(order.lamps) - 1)
    in_order: tuple[Device, ...] = tuple(lamps[lamp] for lamp in order.lamps)
    return Row(first.municipality, first.street or path.stem, max(spacing_m, 1.0), 100.0, in_order)


def _night(world: "World", municipality: str, night: str) -> tuple[float, float]:
    noon = datetime.combine(read_day("--date", night), time(12), UTC)
    (dusk_s, dawn_s) = world.nights(municipality, noon.timestamp(), (noon + timedelta(days=1)).timestamp())[0]
    return float(dusk_s), float(dawn_s)
