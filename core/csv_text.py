"""CSV that a spreadsheet shows and does not execute."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""Cells that begin so are formulas to a spreadsheet (OWASP, CSV Injection)."""

Cell = str | int | float | bool | None


def write_csv(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table as CSV (RFC 4180, lines end in CR LF); text that would be a formula is guarded with an apostrophe.

    Numbers are written as they are, booleans as true and false, None as nothing.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([_cell(name) for name in header])
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return out.getvalue()


def unguard(text: str) -> str:
    """The text that `write_csv` guarded; any other is given back as it is."""
    return text[1:] if text.startswith("'") and text[1:].startswith((*_FORMULA, "'")) else text


def _cell(cell: Cell) -> str | int | float:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, str):
        # A text that begins like a guarded one is guarded too: so `unguard` gives back what was written.
        return f"'{cell}" if cell.startswith(_FORMULA) or unguard(cell) != cell else cell
    return cell
