"""What a bin's level (0-1) can tell, given how its sensor reads."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

MAX_NOISE: Final = 0.15
"""A larger fall is no noise: something was taken out, so a rate across it means nothing; smaller ones cancel against
noise that rises. Whether a bin was emptied is another question: `pickups.filling.emptying` asks for twice as much."""
FULL: Final = 0.98
"""A bin that reads this cannot show that more is thrown in: such times are not counted as slow filling."""
JUMP: Final = 0.15
"""A level so far from the one before is believed when it comes twice: bags before the sensor, lost echoes (chosen)."""
BELIEVED_AFTER: Final = timedelta(hours=2)
"""After so long a bin may well have another level, and the next report would come late."""
REPORTS: Final = 3
"""Reports that settle a level: the newest, the one before, and one to compare both with."""


def settled_level(recent: Sequence[tuple[datetime, float]]) -> float:
    """The level (0-1) as of the newest of a bin's reports, which come ascending; at least one.

    One far from the level just before counts only when the next confirms it: an echo that went astray. Until then, and
    of a bin with fewer than three reports, the newest is taken at its word where there is nothing to doubt it by.
    """
    at, level = recent[-1]
    if len(recent) < REPORTS or abs(level - recent[-2][1]) <= JUMP or at - recent[-2][0] >= BELIEVED_AFTER:
        return level
    return sorted(recent[-number][1] for number in range(1, REPORTS + 1))[1]
