"""How far positions and lines may be from streets, for every engine."""

from typing import Final

REACH_M: Final = 300.0
"""How far a position may be from a street."""
LINE_TOLERANCE_M: Final = 2.0
"""How far a line may be from the street that it follows."""
