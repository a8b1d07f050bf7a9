"""A report's figures as a flat table: the columns of its CSV, in the words of the API."""

from datetime import date
from typing import Any, Final

from core.csv_text import Cell
from core.pickup import SkipReason
from pickups.report import TENTHS, Figures

DIGITS: Final = 3


def document(municipality: str | None, month: date | None, figures: Figures) -> dict[str, Any]:
    """A line of the report as JSON values: kilometres, hours, litres, levels 0-1; what is estimated says so."""
    return {
        "municipality": municipality,
        "month": month.strftime("%Y-%m") if month else None,
        "routes": len(figures.routes),
        "routes_unconfirmed": len(figures.unconfirmed),
        "distance_km": _rounded(figures.distance_km),
        "distance_unconfirmed_km": _rounded(figures.unconfirmed_km),
        "duration_h": _rounded(figures.hours),
        "fuel_l": _rounded(figures.fuel_l),
        "stops_done": figures.stops_done,
        "stops_open": figures.stops_open,
        "stops_skipped": figures.skipped.total(),
        "skip_reasons": {reason.value: figures.skipped[reason] for reason in SkipReason},
        "emptyings": figures.emptyings,
        "emptyings_unconfirmed": figures.emptyings_unconfirmed,
        "emptied_below_30_percent": figures.emptied_low,
        "level_at_emptying": None if figures.level_mean is None else _rounded(figures.level_mean),
        "levels_at_emptying": list(figures.levels),
        "overflow_bins": len(figures.overflow_bins),
        "overflow_days": figures.overflow_days,
        "overflow_hours": _rounded(figures.overflow_hours),
        "weekly_schedule": _weekly(figures) if figures.compared_days else None,
    }


def columns() -> list[str]:
    """The header of the CSV."""
    return list(row(document(None, None, Figures(compared_days=1))))


def row(line: dict[str, Any]) -> dict[str, Cell]:
    """A line of `document` without nesting; without a weekly schedule its cells are missing."""
    flat: dict[str, Cell] = {}
    for name, value in line.items():
        if name == "skip_reasons":
            flat |= {f"skipped_{reason}": count for reason, count in value.items()}
        elif name == "levels_at_emptying":
            flat |= {f"emptied_at_{10 * tenth}_percent": value[tenth] for tenth in range(TENTHS)}
        elif name == "weekly_schedule":
            flat |= {f"weekly_{key}": each for key, each in (value or {}).items()}
        else:
            flat[name] = value
    return flat


def _weekly(figures: Figures) -> dict[str, Any]:
    return {
        "estimated": True,
        "days": figures.compared_days,
        "rounds": _rounded(figures.weekly_rounds),
        "distance_km": _rounded(figures.weekly_km),
        "duration_h": _rounded(figures.weekly_hours),
        "fuel_l": _rounded(figures.weekly_fuel_l),
        "saved_km": _rounded(figures.saved_km or 0.0),
        "overflow_days": _rounded(figures.weekly_overflow_days),
        "overflow_days_avoided": _rounded(figures.overflow_days_avoided or 0.0),
    }


def _rounded(value: float) -> float:
    return round(value, DIGITS)
