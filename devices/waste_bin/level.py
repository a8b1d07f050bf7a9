"""What a bin's level (0-1) can tell, given how its sensor reads."""

from typing import Final

MAX_NOISE: Final = 0.15
"""A larger fall is no noise: something was taken out, so a rate across it means nothing; smaller ones cancel against
noise that rises. Whether a bin was emptied is another question: `pickups.filling.emptying` asks for twice as much."""
FULL: Final = 0.98
"""A bin that reads this cannot show that more is thrown in: such times are not counted as slow filling."""
