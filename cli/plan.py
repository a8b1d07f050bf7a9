"""The command `plan`: a pickup plan, or the solution of a CVRPLIB file, on standard output."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.options import read_day
from core.errors import InvalidInputError, PlanningError
from core.logs import configure_logging
from core.notification import Language
from core.settings import load_settings

MAX_VRP_BYTES: Final = 64 << 20


class PlanFormat(StrEnum):
    """How a plan is written."""

    GEOJSON = "geojson"
    GPX = "gpx"
    CSV = "csv"
    JSON = "json"
    PDF = "pdf"


def plan(
    *,
    municipality: Annotated[str | None, typer.Option("--municipality", "-m", help="Whose bins.")] = None,
    day: Annotated[str | None, typer.Option("--date", help="Local day, such as 2026-05-06; default: today.")] = None,
    form: Annotated[PlanFormat, typer.Option("--format", help="How the plan is written.")] = PlanFormat.GEOJSON,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write here instead of standard output.")
    ] = None,
    lang: Annotated[Language, typer.Option(help="Of the sheet for drivers (--format pdf).")] = Language.GERMAN,
    together: Annotated[
        list[str] | None, typer.Option("--with", help="A neighbour planned together with it; may be repeated.")
    ] = None,
    vrp: Annotated[Path | None, typer.Option(help="Solve this CVRPLIB .vrp file instead; prints a .sol.")] = None,
    time_limit: Annotated[float, typer.Option(min=0.1, max=86_400, help="Longest search, in seconds.")] = 10.0,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the search's random numbers.")] = 0,
) -> None:
    """Plan the pickups of a municipality for a day and print the plan; it is kept as the plan in force of that day.

    --format pdf gives sheets for drivers: map, list, and a code a stop that opens navigation.
    """
    if form is PlanFormat.PDF and output is None and sys.stdout.isatty():
        raise InvalidInputError("--format pdf is nothing for a terminal: name a file with --output")
    if vrp is not None:
        if municipality is not None or day is not None or together:
            raise InvalidInputError("--vrp solves a file: --municipality, --with and --date do not go with it")
        _write(_solved(vrp, time_limit, seed).encode(), output)
    elif municipality is None:
        raise InvalidInputError("--municipality is missing (or --vrp FILE)")
    else:
        everyone = [municipality, *(together or ())]
        _write(_planned(everyone, day, form, lang, time_limit_s=time_limit, seed=seed), output)


def _write(content: bytes, output: Path | None) -> None:
    if output is None:
        typer.echo(content, nl=False)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise InvalidInputError(f"--output: {output} cannot be written: {error.strerror or error}") from error


def _solved(path: Path, time_limit_s: float, seed: int) -> str:
    from pickups.routes.vrp_file import format_sol, solve_vrp

    try:
        if path.stat().st_size > MAX_VRP_BYTES:
            raise InvalidInputError(f"{path} is larger than {MAX_VRP_BYTES >> 20} MiB")
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        return format_sol(*solve_vrp(text, time_limit_s=time_limit_s, seed=seed))
    except InvalidInputError as error:
        raise InvalidInputError(f"{path}: {error}") from error


def _planned(
    municipalities: list[str], day: str | None, form: PlanFormat, lang: Language, *, time_limit_s: float, seed: int
) -> bytes:
    from actions.pickups.plan import plan_day
    from actions.pickups.sheet import pickup_sheet
    from core.clock import utc_now
    from core.pickup import PlanState
    from pickups.sheet.exports import plan_csv, plan_document, plan_geojson, plan_gpx
    from readings.open import open_readings
    from state.state import open_state

    settings = load_settings()
    configure_logging(settings.log_level)
    local_day = read_day("--date", day) if day else utc_now().astimezone(settings.zone).date()
    with closing(open_state(settings.state_url)) as state:
        with closing(open_readings(settings)) as readings, _progress_bar() as progress:
            made = plan_day(
                state,
                readings,
                municipalities,
                local_day,
                settings=settings,
                clock=utc_now,
                time_limit_s=time_limit_s,
                seed=seed,
                progress=progress,
            )
        if made.state is not PlanState.DONE:
            raise PlanningError(made.error or "the plan was not made")
        if made.notice:
            typer.echo(made.notice, err=True)
        match form:
            case PlanFormat.PDF:
                return pickup_sheet(state, made, settings, language=lang)
            case PlanFormat.GEOJSON:
                text = json.dumps(plan_geojson(made), ensure_ascii=False, indent=2) + "\n"
            case PlanFormat.JSON:
                text = json.dumps(plan_document(made), ensure_ascii=False, indent=2) + "\n"
            case PlanFormat.GPX:
                text = plan_gpx(made).rstrip("\n") + "\n"
            case PlanFormat.CSV:
                text = plan_csv(made)
        return text.encode()


@contextmanager
def _progress_bar() -> Iterator[Callable[[float], None]]:
    """Shows how far planning is on standard error, if that is a terminal; gives what is to be told the share done."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Planning", total=1.0)
        yield lambda share: bar.update(task, completed=share)
