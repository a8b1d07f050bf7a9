"""The law of how much is thrown in: nothing, or gamma distributed, by mean, variance and probability of nothing.

B. Jørgensen, *The Theory of Dispersion Models* (1997), chapter 4: the compound Poisson-gamma law, of whose sum over a
span mean and variance grow with its length, while the probability of nothing falls exponentially. Here a gamma law with
the same mean, variance and probability of nothing stands for it, whose distribution function is known.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammainc, gammaincinv

from pickups.filling.place_model import Floats

_TINY: Final = 1e-9
_LEAST_SPREAD: Final = 1.05
"""The probability of nothing is held so far from what the variance allows that a little spread remains."""


@dataclass(frozen=True, slots=True)
class Inflow:
    """What comes in within a span, one or many at once: P(nothing), and shape and scale of the rest."""

    nothing: Floats
    shape: Floats
    scale: Floats

    def at_most(self, amount: ArrayLike) -> Floats:
        """Probability of at most this amount (share of the bin)."""
        amount = np.asarray(amount, dtype=np.float64)
        some = gammainc(self.shape, np.maximum(amount, 0.0) / self.scale)
        return np.where(amount < 0, 0.0, self.nothing + (1 - self.nothing) * some)

    def quantile(self, probability: ArrayLike) -> Floats:
        """The amount that is not exceeded with this probability."""
        share = (np.asarray(probability, dtype=np.float64) - self.nothing) / (1 - self.nothing)
        return np.where(share <= 0, 0.0, self.scale * gammaincinv(self.shape, np.clip(share, 0.0, 1.0)))


def inflow(mean: ArrayLike, dispersion: ArrayLike, lump: ArrayLike, rate_variance: ArrayLike) -> Inflow:
    """The law of what comes in where `mean` is expected (see `PlaceModel` for the others)."""
    mean = np.maximum(np.asarray(mean, dtype=np.float64), _TINY)
    variance = np.maximum(np.asarray(dispersion) * mean + np.asarray(rate_variance) * mean**2, _TINY * mean)
    square = variance + mean**2
    most = 1 - np.minimum(1.0, _LEAST_SPREAD * mean**2 / square)
    nothing = np.minimum(np.exp(-mean / np.maximum(lump, _TINY)), most)
    mean_of_some = mean / (1 - nothing)
    variance_of_some = square / (1 - nothing) - mean_of_some**2
    return Inflow(nothing, mean_of_some**2 / variance_of_some, variance_of_some / mean_of_some)
