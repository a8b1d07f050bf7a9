"""Draws what benchmarks/history.py measured: query times against months of history, as SVG.

.venv/bin/python benchmarks/history.py --bins 5000 --months 12 > result.txt
.venv/bin/python benchmarks/growth_curve.py result.txt docs/images/history.svg
"""

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 68, 250, 40, 44
LOWEST_MS, HIGHEST_MS = 0.1, 10_000.0
LINES = (
    ("latest_all_ms", "newest values of all devices", "#b07aa1"),
    ("month_totals_hourly_ms", "a month of hourly totals", "#e15759"),
    ("month_totals_daily_ms", "a month of daily totals", "#f28e2b"),
    ("latest_municipality_ms", "newest values, one municipality", "#59a14f"),
    ("week_raw_ms", "a device's week, all values", "#4e79a7"),
    ("week_hourly_ms", "a device's week, hourly", "#76b7b2"),
)


def main() -> None:
    """Read the last line, write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    figures = json.loads(options.result.read_text().splitlines()[-1])
    options.picture.write_text("\n".join(drawn(figures)) + "\n")


def drawn(figures: dict[str, object]) -> Iterator[str]:
    """The lines of the SVG."""
    sizes: Sequence[dict[str, float]] = figures["sizes"]  # type: ignore[assignment]
    months = [size["months"] for size in sizes]
    million = sizes[-1]["readings"] / 1e6
    fleet = f"{figures['bins']} bins and {figures['lamps']} lamps"
    title = f"{figures['backend']}, {fleet}, up to {million:.0f} million readings"
    font = 'font-family="sans-serif" font-size="12"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {font}>'
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    yield f'<text x="{LEFT}" y="22" font-size="14">Query times as history grows: {escape(title)}</text>'
    decades = range(round(math.log10(LOWEST_MS)), round(math.log10(HIGHEST_MS)) + 1)
    for ms in (10.0**exponent for exponent in decades):
        yield f'<path d="M{LEFT} {y(ms):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 6}" y="{y(ms) + 4:.1f}" text-anchor="end">{ms:g} ms</text>'
    for month in months:
        yield f'<path d="M{x(month, months):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>'
        yield f'<text x="{x(month, months):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{month}</text>'
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">months of history</text>'
    labels = sorted(LINES, key=lambda line: -sizes[-1][line[0]])
    label_y = TOP - 18.0
    for name, label, colour in labels:
        points = " ".join(f"{x(size['months'], months):.1f},{y(size[name]):.1f}" for size in sizes)
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for size in sizes:
            yield f'<circle cx="{x(size["months"], months):.1f}" cy="{y(size[name]):.1f}" r="3" fill="{colour}"/>'
        label_y = max(label_y + 18, y(sizes[-1][name]) + 4)
        yield f'<text x="{WIDTH - RIGHT + 12}" y="{label_y:.1f}" fill="{colour}">{label}: {sizes[-1][name]:g} ms</text>'
    yield "</svg>"


def x(month: float, months: Sequence[float]) -> float:
    """Months from none to the last, evenly."""
    return LEFT + (WIDTH - RIGHT - LEFT) * month / months[-1]


def y(ms: float) -> float:
    """By the logarithm."""
    share = math.log(max(ms, LOWEST_MS) / LOWEST_MS) / math.log(HIGHEST_MS / LOWEST_MS)
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share


if __name__ == "__main__":
    main()
