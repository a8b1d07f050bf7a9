"""Who gets what: rendezvous hashing (highest random weight; Thaler and Ravishankar 1998). Pure.

Everybody who knows the same candidates comes to the same answer without asking; a candidate that comes or goes
moves only what it gets or had.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from uuid import uuid4

from core.errors import SettingsError
from state.shares import Share

CATCH_ALL = 0
"""The slot whose session hears everything and takes what no other slot serves."""
MAX_WORKERS = 256


@dataclass(frozen=True, slots=True)
class WorkerNumber:
    """Which worker of how many, from 1: `1/4`."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> "WorkerNumber":
        """Read `1/4`.

        Raises:
            SettingsError: not two numbers, or out of range.
        """
        index, _, count = text.partition("/")
        ascii_digits = text.isascii() and index.isdigit() and count.isdigit()
        if not ascii_digits or not 1 <= int(index) <= int(count) <= MAX_WORKERS:
            raise SettingsError(f"--worker {text!r}: expected I/N such as 1/4, at most {MAX_WORKERS} workers")
        return cls(int(index), int(count))


@dataclass(frozen=True, slots=True)
class Tenure:
    """Which municipalities are a worker's to judge: from the claim on, until the last of its messages is durable.

    Args:
        held: its own, each with a value; another than before: it is to be taken up anew.
        elsewhere: those of others.
        unknown: the value of all municipalities that nobody has claimed; None: they are not its own.
    """

    held: Mapping[str, Hashable]
    elsewhere: frozenset[str] = frozenset()
    unknown: Hashable | None = None

    def of(self, municipality: str) -> Hashable | None:
        """The value of a municipality; None: it is not this worker's."""
        return None if municipality in self.elsewhere else self.held.get(municipality, self.unknown)


def winner(key: str, candidates: Iterable[int]) -> int | None:
    """The candidate with the highest weight for a key; None: there is none. The same in every process, for ever."""
    return max(candidates, key=lambda candidate: (_weight(key, candidate), candidate), default=None)


def slot_of(municipality: str, count: int) -> int:
    """The slot, 1 to `count`, that serves a municipality."""
    slot = winner(f"municipality {municipality}", range(1, count + 1))
    assert slot is not None, "a count is at least 1"  # noqa: S101 - WorkerNumber sees to it
    return slot


def keeper_of(slot: int, live: Iterable[int]) -> int | None:
    """The live worker that keeps a slot: the one of its number, or while that is away the others by weight."""
    workers = frozenset(live)
    return slot if slot in workers else winner(f"slot {slot}", workers)


def handles(slot: int, share: Share) -> bool:
    """Whether a slot handles what comes next of a municipality, as far as is durable: of the two that hear it one.

    After a crash within a hand-over both may: the messages between what was durable and the marker are handled twice.
    """
    return share.begun if slot == share.slot else slot == share.former and not share.ended


def hears(slot: int, share: Share) -> bool:
    """Whether a slot is to be subscribed to a municipality: it is to serve it, or is not yet through."""
    return slot == share.slot or (slot == share.former and not share.ended)


def claims(slot: int, known: Iterable[str], shares: Mapping[str, Share], count: int) -> list[Share]:
    """The hand-overs that a slot is to begin: of municipalities that are its own by weight and stay elsewhere.

    One that is just going over is left alone until it has. What no slot has claimed is the catch-all's.
    """
    found = []
    for municipality in sorted({*known, *shares}):
        share = shares.get(municipality)
        former = CATCH_ALL if share is None else share.slot
        at_rest = share is None or share.settled
        if at_rest and former != slot and slot_of(municipality, count) == slot:
            found.append(Share(municipality, slot, former, uuid4().hex))
    return found


def _weight(key: str, candidate: int) -> bytes:
    return blake2b(f"{key}\0{candidate}".encode(), digest_size=16).digest()
