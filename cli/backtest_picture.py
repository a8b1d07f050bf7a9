"""The picture of a backtest: kilometres against overflows, and how full bins were when they were emptied."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cli.backtest_runs import FAMILIES, Row
from core.errors import InvalidInputError

COLOURS: Final = dict(zip(FAMILIES, ("#4e79a7", "#f28e2b", "#9c755f", "#59a14f"), strict=True))


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write the picture; the form is that of the suffix.

    Raises:
        InvalidInputError: the file cannot be written, or its suffix is of no picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4), layout="constrained")
    frontier, levels = figure.subplots(1, 2)
    for family, colour in COLOURS.items():
        own = [row for row in rows if row.family == family]
        if not own:
            continue
        own.sort(key=lambda row: row.outcome.service_level)
        service = [100 * row.outcome.service_level for row in own]
        km = [row.outcome.distance_m / 1000 for row in own]
        frontier.plot(service, km, "o-", color=colour, label=family)
        for row, x, y in zip(own, service, km, strict=True):
            parameter = row.policy.partition(":")[2]
            frontier.annotate(parameter, (x, y), xytext=(4, 4), textcoords="offset points", fontsize=7, color=colour)
        middle = own[len(own) // 2]
        levels.hist(
            middle.outcome.levels_at_emptying,
            bins=[tenth / 10 for tenth in range(11)],
            density=True,
            histtype="step",
            linewidth=1.6,
            color=colour,
            label=middle.policy,
        )
    frontier.set_xlabel("service level: days of bins without overflow, %")
    frontier.set_ylabel("kilometres")
    frontier.set_ylim(bottom=0)
    frontier.set_title("Kilometres for a service level: right and low is better")
    frontier.legend()
    levels.set_xlabel("level at emptying")
    levels.set_ylabel("density of stops")
    levels.set_title("How full bins were when they were emptied")
    levels.legend(loc="upper left")
    try:
        figure.savefig(path, dpi=80)
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"the picture {path} cannot be written: {error}") from error
