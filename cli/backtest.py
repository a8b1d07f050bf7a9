"""The command `pickups backtest`: the same days under several policies, and what each costs."""

import csv
import json
import math
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.extras import require
from cli.options import read_day, read_pairs, read_position, read_zone
from core.errors import InvalidInputError
from core.settings import load_settings

if TYPE_CHECKING:
    from cli.backtest_data import Replayed
    from cli.backtest_runs import Row
    from core.travel import Roads

DEFAULT_POLICIES: Final = (
    "fixed:0.9", "fixed:0.95", "fixed:0.98", "fixed:0.99",
    "threshold:0.5", "threshold:0.75", "threshold:0.9",
    "fullest:0.2",
    "ours:3", "ours:5", "ours:10", "ours:20", "ours:40", "ours:100",
)  # fmt: skip


def backtest(
    recording: Annotated[Path | None, typer.Argument(help="CSV or JSON lines of levels; none with --simulate.")] = None,
    *,
    containers: Annotated[Path | None, typer.Option(help="CSV or GeoJSON of the recorded bins.")] = None,
    columns: Annotated[list[str] | None, typer.Option("--map", help="KEY=COLUMN of the recording.")] = None,
    container_columns: Annotated[
        list[str] | None, typer.Option("--container-map", help="FIELD=COLUMN of the containers.")
    ] = None,
    kind: Annotated[str, typer.Option(help="Attribute with the kind of waste; kinds drive apart.")] = "waste_kind",
    time_format: Annotated[str | None, typer.Option(help="Of times, as strptime; default: found out.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Of days; default: KREISPULS_TIMEZONE.")] = None,
    holidays: Annotated[str, typer.Option(help="Country or state whose holidays are kept.")] = "DE-HE",
    depot: Annotated[str | None, typer.Option(help="LAT,LON; default: the middle of the bins.")] = None,
    disposal: Annotated[str | None, typer.Option(help="LAT,LON; default: the depot.")] = None,
    volume: Annotated[float, typer.Option(min=1, max=100_000, help="Litres of bins that do not say.")] = 240.0,
    start: Annotated[str | None, typer.Option("--from", help="First day that counts; default: half-way.")] = None,
    end: Annotated[str | None, typer.Option("--until", help="Day after the last; default: all.")] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="A simulated county instead.")] = False,
    bins: Annotated[int, typer.Option(min=1, max=5_000, help="Simulated.")] = 300,
    days: Annotated[int, typer.Option(min=1, max=3_660, help="Simulated, after 90 to learn from.")] = 365,
    municipalities: Annotated[int, typer.Option(min=1, max=1_000, help="Simulated: the first so many.")] = 22,
    joint: Annotated[bool, typer.Option("--joint", help="Simulated: plan all municipalities together.")] = False,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of everything that is drawn.")] = 0,
    policy: Annotated[
        list[str] | None,
        typer.Option(help="fixed:SERVICE, threshold:LEVEL, fullest:SHARE or ours:RHO_KM[:SOON_KM[:LOOK_AHEAD]]."),
    ] = None,
    time_limit: Annotated[float, typer.Option(min=0.01, max=600, help="Longest search a day, seconds.")] = 0.5,
    processes: Annotated[int | None, typer.Option(min=1, max=64, help="Default: one a core.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write the table here.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write the picture here (.png or .svg).")] = None,
) -> None:
    """Replay a recording or a simulated year under policies: kilometres, stops, levels at emptying, overflows.

    fixed: rounds on fixed weekdays, each bin as rarely as keeps SERVICE on the days before. threshold: all bins at
    LEVEL or above. fullest: that SHARE of the bins. ours: chosen and routed together, an overflow being worth RHO_KM.
    Policies know only what sensors had said by the morning. Ways by road as for plans: KREISPULS_OSM_PBF, else lines.
    """
    if plot is not None:
        require("plot")
    from cli.backtest_runs import read_policy, run
    from roads import open_roads

    settings = load_settings()
    roads = open_roads(settings)
    chosen = [read_policy(text) for text in policy or DEFAULT_POLICIES]
    first = read_day("--from", start) if start else None
    until = read_day("--until", end) if end else None
    if simulate == (recording is not None):
        raise InvalidInputError("name either a recording or --simulate")
    if recording is None:
        from cli.backtest_data import SIMULATED_YEAR

        parts = _simulated(bins, days, seed, municipalities, joint=joint, roads=roads)
        first = first or SIMULATED_YEAR
    else:
        if containers is None:
            raise InvalidInputError("--containers FILE is missing: where the recorded bins are")
        from cli.backtest_data import recorded

        parts = recorded(
            recording,
            containers,
            columns=read_pairs("--map", columns or ()),
            container_columns=read_pairs("--container-map", container_columns or ()),
            kind=kind,
            zone=read_zone("--timezone", timezone) if timezone else settings.zone,
            time_format=time_format,
            holidays_of=holidays,
            depot=read_position("--depot", depot) if depot else None,
            disposal=read_position("--disposal", disposal) if disposal else None,
            volume_l=volume,
            seed=seed,
            roads=roads,
        )
        first = first or _half_way(parts)
    parts = _cut(parts, first, until)
    rows = run(parts, chosen, first, time_limit_s=time_limit, seed=seed, processes=processes)
    _show(rows, parts, first)
    _write(rows, json_file, csv_file, plot)


def _simulated(
    bins: int, days: int, seed: int, municipalities: int, *, joint: bool, roads: "Roads"
) -> "list[Replayed]":
    from cli.backtest_data import simulated
    from cli.progress import progress_bar

    with progress_bar(gone_when_done=True) as progress:
        task = progress.add_task("simulating", total=bins)
        return simulated(
            bins=bins,
            days=days,
            seed=seed,
            region="marburg-biedenkopf",
            most_municipalities=municipalities,
            joint=joint,
            roads=roads,
            progress=lambda done: progress.advance(task, done),
        )


def _half_way(parts: "list[Replayed]") -> date:
    first = min(part.deposits.first_day for part in parts)
    last = max(part.deposits.first_day + timedelta(days=part.deposits.days) for part in parts)
    return first + (last - first) // 2


def _cut(parts: "list[Replayed]", first: date, until: date | None) -> "list[Replayed]":
    """Without the days from `until` on; areas that end before the first day are left out."""
    from dataclasses import replace

    kept = []
    for part in parts:
        deposits = part.deposits
        days = min(deposits.days, max(0, deposits.index(until))) if until else deposits.days
        if deposits.index(first) >= days or deposits.index(first) < 0:
            continue
        deposits = replace(deposits, shares=deposits.shares[:days], seen=deposits.seen[:days])
        kept.append(replace(part, deposits=deposits, works=part.works[:days]))
    if not kept:
        raise InvalidInputError(f"--from {first}: no bin is known on that day and later")
    return kept


def _show(rows: "list[Row]", parts: "list[Replayed]", first: date) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from cli.backtest_runs import savings

    bins = sum(len(part.area.volumes_l) for part in parts)
    title = (
        f"{bins} bins in {len(parts)} areas, {rows[0].outcome.days} days from {first}, {parts[0].area.travel.source}"
    )
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), collapse_padding=True)
    for name in ("policy", "km", "hours", "tours", "stops", "level", "overflows", "service", "beside"):
        is_name = name == "policy"
        table.add_column(name, justify="left" if is_name else "right", no_wrap=is_name)
    for row in rows:
        outcome = row.outcome
        level = "-" if math.isnan(outcome.mean_level) else f"{outcome.mean_level:.0%}"
        table.add_row(
            row.policy, f"{outcome.distance_m / 1000:,.0f}", f"{outcome.duration_s / 3600:,.0f}", f"{outcome.tours:,}",
            f"{outcome.stops:,}", level, f"{outcome.overflow_days:,}", f"{outcome.service_level:.2%}",
            f"{outcome.overflow_share:.2%}",
        )  # fmt: skip
    console = Console()
    console.print(table)
    console.print("level: mean at emptying; overflows: days of bins on which not all fitted in")
    console.print("service: share of days of bins without; beside: share of waste that did not fit")
    for saving in savings(rows):
        console.print(saving.sentence)


def _write(rows: "list[Row]", json_file: Path | None, csv_file: Path | None, plot: Path | None) -> None:
    from cli.backtest_runs import savings

    table = [row.figures() for row in rows]
    try:
        if json_file is not None:
            found = {"policies": table, "savings": [asdict(saving) for saving in savings(rows)]}
            json_file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        if csv_file is not None:
            with csv_file.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, table[0])
                writer.writeheader()
                writer.writerows(table)
    except OSError as error:
        raise InvalidInputError(f"{error.filename} cannot be written: {error.strerror or error}") from error
    if plot is not None:
        from cli.backtest_picture import draw

        draw(rows, plot)
        typer.echo(f"picture: {plot}")
