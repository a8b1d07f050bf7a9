"""Randomness that repeats: generators derived from a seed and names by a hash that is the same everywhere."""

import hashlib

import numpy as np


def stable_seed(*parts: str | int) -> int:
    """A number of 64 bits from a seed and names; unlike `hash()` the same in every process and on every machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def generator(*parts: str | int) -> np.random.Generator:
    """A generator of its own for these parts; the same parts give the same numbers."""
    return np.random.Generator(np.random.PCG64(stable_seed(*parts)))
