"""The command `pickups report`: the office's figures as a table, CSV or JSON on standard output."""

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from cli.options import read_day
from core.logs import configure_logging
from core.settings import load_settings

_PIPED_WIDTH: Final = 160


class ReportFormat(StrEnum):
    """How a report is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def report(
    *,
    municipality: Annotated[str | None, typer.Option("--municipality", "-m", help="Only this one.")] = None,
    start: Annotated[str | None, typer.Option(help="First local day; default: that of the month of --end.")] = None,
    end: Annotated[str | None, typer.Option(help="Last local day, itself included; default: today.")] = None,
    form: Annotated[ReportFormat, typer.Option("--format", help="How it is written.")] = ReportFormat.TABLE,
) -> None:
    """Report by municipality and month: routes, kilometres, hours, litres, levels at emptying, overflows.

    Beside them what a fixed weekly schedule would have taken (estimated: its round is what the planner finds for all
    bins; finding one takes up to ten seconds a municipality, once).
    """
    from core.clock import utc_now

    settings = load_settings()
    configure_logging(settings.log_level)
    today = utc_now().astimezone(settings.zone).date()
    last = read_day("--end", end) if end else today
    first = read_day("--start", start) if start else min(last, today).replace(day=1)
    lines = _lines(municipality, first, last)
    if form is ReportFormat.JSON:
        typer.echo(json.dumps(lines, ensure_ascii=False, indent=2))
    elif form is ReportFormat.CSV:
        from core.csv_text import write_csv
        from pickups.report_table import columns, row

        names = columns()
        typer.echo(write_csv(names, [[row(line).get(name) for name in names] for line in lines]), nl=False)
    else:
        _print_table(lines)


def _lines(municipality: str | None, first: date, last: date) -> list[dict[str, Any]]:
    from rich.console import Console

    from actions.pickups.report import pickup_report
    from actions.pickups.weekly_round import kept_round, knows_better
    from core.clock import utc_now
    from core.device import Device, Municipality
    from pickups.report_table import document
    from readings.open import open_readings
    from roads import open_roads
    from state.pickup_history import WeeklyRound
    from state.state import State, open_state

    settings = load_settings()
    console = Console(stderr=True)

    def round_of(state: State, place: Municipality, bins: Sequence[Device]) -> WeeklyRound:
        kept = kept_round(state, place, bins)
        if kept is None or knows_better(settings, kept):
            from actions.pickups.find_weekly_round import find_round

            with console.status(f"weekly round of {place.name or place.municipality}"):
                kept = find_round(state, open_roads(settings), place, bins)
        return kept

    with closing(open_state(settings.state_url)) as state, closing(open_readings(settings)) as readings:
        found = pickup_report(
            state, readings, municipality, first, last, zone=settings.zone, now=utc_now(), round_of=round_of
        )
    return [document(line.municipality, line.month, line.figures) for line in found]


def _print_table(lines: Sequence[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Pickups")
    for name in ("municipality", "month"):
        table.add_column(name, no_wrap=True)
    for name in ("routes", "km", "hours", "litres", "done", "skipped", "level", "below 30 %", "full days"):
        table.add_column(name, justify="right")
    table.add_column("saved km*", justify="right")
    table.add_column("full days avoided*", justify="right")
    for line in lines:
        weekly = line["weekly_schedule"]
        level = line["level_at_emptying"]
        table.add_row(
            line["municipality"] or "all",
            line["month"] or "total",
            str(line["routes"]),
            f"{line['distance_km']:.1f}",
            f"{line['duration_h']:.1f}",
            f"{line['fuel_l']:.1f}",
            str(line["stops_done"]),
            str(line["stops_skipped"]),
            "" if level is None else f"{level:.0%}",
            str(line["emptied_below_30_percent"]),
            str(line["overflow_days"]),
            f"{weekly['saved_km']:.1f}" if weekly else "",
            f"{weekly['overflow_days_avoided']:.1f}" if weekly else "",
            style="bold" if line["month"] is None else None,
        )
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPED_WIDTH)
    console.print(table)
    console.print("* than a fixed weekly round over all bins on the same days, estimated", highlight=False)
