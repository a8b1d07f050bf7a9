"""The picture of a replayed night: position along the street over time, level as brightness."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from core.errors import InvalidInputError
from simulators.night import NightReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS: Final = {"walker": "#e15759", "cyclist": "#4e79a7", "car": "#59a14f"}
CLOSE_S: Final = 20 * 60.0
"""Length of the part that is shown closely."""


def draw_night(report: NightReport, path: Path, *, title: str, zone: ZoneInfo) -> None:
    """Write the picture; the form is that of the suffix.

    Raises:
        InvalidInputError: the file cannot be written, or its suffix is of no picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7.5), layout="constrained")
    whole, closely = figure.subplots(2, 1)
    end_s = report.start_s + report.column_s * report.levels.shape[1]
    _draw(whole, report, (report.start_s, end_s), zone)
    whole.set_title(title)
    begin_s = _busiest_s(report)
    _draw(closely, report, (begin_s, begin_s + CLOSE_S), zone)
    for watched in report.passages:
        passage = watched.passage
        positions = [report.along_m[lamp] for lamp in passage.lamps]
        times = [_local(at_s, zone) for at_s in passage.at_s]
        closely.plot(times, positions, color=COLOURS[passage.kind], linewidth=1.2)
    for kind, colour in COLOURS.items():
        closely.plot([], [], color=colour, label=kind)
    closely.legend(loc="upper right")
    closely.set_title("20 minutes of it, and who passed: light goes ahead of everybody")
    try:
        figure.savefig(path, dpi=100)
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"the picture {path} cannot be written: {error}") from error


def _draw(axes: "Axes", report: NightReport, span_s: tuple[float, float], zone: ZoneInfo) -> None:
    from matplotlib.dates import DateFormatter, date2num

    begin, end = (date2num(_local(at_s, zone)) for at_s in span_s)
    first, last = (round((at_s - report.start_s) / report.column_s) for at_s in span_s)
    axes.imshow(
        report.levels[:, first:last],
        extent=(begin, end, 0.0, report.along_m[-1]),
        aspect="auto",
        origin="lower",
        cmap="inferno",
        vmin=0,
        vmax=1,
        interpolation="nearest",
    )
    axes.set_xlim(begin, end)
    axes.set_ylim(0.0, report.along_m[-1])
    axes.xaxis_date(str(zone))
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M", tz=zone))
    axes.set_ylabel("metres along the street")
    axes.figure.colorbar(axes.images[0], ax=axes, label="share of full light")


def _busiest_s(report: NightReport) -> float:
    """A part with walkers, cyclists and cars who meet, if there is one: where the most of all kinds begin."""
    begins = [(watched.passage.at_s[0], watched.passage.kind) for watched in report.passages]
    last_s = report.start_s + report.column_s * len(report.levels.T) - CLOSE_S

    def mixed(begin_s: float) -> tuple[int, int]:
        kinds = [kind for at_s, kind in begins if begin_s <= at_s < begin_s + CLOSE_S]
        return len(set(kinds)), -abs(len(kinds) - 8)  # so many that each can be told apart

    return min(max((at_s - 30 for at_s, _ in begins), key=mixed), last_s)


def _local(at_s: float, zone: ZoneInfo) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at_s)).astimezone(zone)
