"""`kreispuls roads`: look at what the road engine does."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.options import read_position
from core.errors import InvalidInputError, RoadsError
from core.settings import load_settings
from core.travel import Position, TravelMatrix, TruckProfile

roads_app = typer.Typer(help="Ways by road as the planner sees them.", no_args_is_help=True)


@roads_app.callback()
def _roads() -> None:
    """Ways by road as the planner sees them."""


@roads_app.command()
def route(
    positions: Annotated[list[str], typer.Argument(metavar="LAT,LON...", help="Two positions or more, in order.")],
    *,
    geojson: Annotated[
        Path | None, typer.Option(help="Write the lines of the legs to this file; - : print them.")
    ] = None,
    weight: Annotated[float | None, typer.Option(min=0, max=100, help="Gross weight in tonnes.")] = None,
    height: Annotated[float | None, typer.Option(min=0, max=10, help="Height in metres.")] = None,
    width: Annotated[float | None, typer.Option(min=0, max=10, help="Width in metres.")] = None,
) -> None:
    """Distance and time of each leg, from which source."""
    from roads import open_roads

    places = [read_position("LAT,LON", text) for text in positions]
    if len(places) < 2:  # noqa: PLR2004  a leg
        raise InvalidInputError("a route needs two positions or more")
    truck = TruckProfile(weight_t=weight, height_m=height, width_m=width)
    engine = open_roads(load_settings())
    matrix = engine.matrix(places, truck)
    if matrix.unreachable:
        raise RoadsError("; ".join(f"{positions[index]}: {why}" for index, why in matrix.unreachable.items()))
    if geojson is None:
        _print(positions, matrix)
        return
    text = json.dumps(_geojson(engine.legs(places, truck), matrix), ensure_ascii=False) + "\n"
    if str(geojson) == "-":
        typer.echo(text, nl=False)
        return
    try:
        geojson.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidInputError(f"{geojson} cannot be written: {error.strerror or error}") from error
    _print(positions, matrix)


def _print(positions: list[str], matrix: TravelMatrix) -> None:
    rows = range(len(positions) - 1)
    for row in rows:
        metres, seconds = int(matrix.distances_m[row, row + 1]), int(matrix.durations_s[row, row + 1])
        typer.echo(f"{positions[row]} -> {positions[row + 1]}  {metres / 1000:8.2f} km  {seconds / 60:6.1f} min")
    metres, seconds = (
        sum(int(each[row, row + 1]) for row in rows) for each in (matrix.distances_m, matrix.durations_s)
    )
    typer.echo(f"{metres / 1000:.2f} km, {seconds / 60:.1f} min, {matrix.source}")


def _geojson(legs: list[list[Position]], matrix: TravelMatrix) -> dict[str, object]:
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {
                    "leg": leg,
                    "distance_m": int(matrix.distances_m[leg, leg + 1]),
                    "duration_s": int(matrix.durations_s[leg, leg + 1]),
                    "source": matrix.source,
                },
                "geometry": {
                    "type": "LineString",
                    "coordinates": [[round(longitude, 7), round(latitude, 7)] for latitude, longitude in line],
                },
            }
            for leg, line in enumerate(legs)
        ],
    }
