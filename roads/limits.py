"""Limits that hold for every engine."""

from typing import Final

REACH_M: Final = 300.0
"""How far a position may be from a street."""
LINE_TOLERANCE_M: Final = 2.0
"""How far a line may be from the street that it follows."""
HEAVY_OVER_T: Final = 3.5
"""Gross weight above which a vehicle is a heavy goods vehicle (OpenStreetMap wiki, Key:hgv; StVO section 3)."""
