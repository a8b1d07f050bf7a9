"""What the two processes of ingest say to each other over a pipe, in lists; decision 0013 says why there are two."""

from dataclasses import dataclass

from core.command import Command
from core.errors import KreispulsError
from ingest.sharing import Tenure

Received = tuple[str, bytes, int, bool, int, int, bool, str, float, tuple[Command, ...]]
"""The fields of a `Message`, when it was received (epoch seconds), the light commands that it has caused.

A plain tuple: it takes a tenth of the time of an object to get through the pipe, and this is every message.
"""


# -- to the keeping process --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begin:
    """The state database has its tables: open the stores, then say Ready or Failed."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker connection was made or is gone."""

    stands: bool


@dataclass(frozen=True, slots=True)
class Lit:
    """How many lamps are up for presence."""

    lamps_up: int


@dataclass(frozen=True, slots=True)
class Lead:
    """Run the platform's jobs until then (monotonic seconds, which all processes of a machine share)."""

    until_s: float


@dataclass(frozen=True, slots=True)
class Stop:
    """Finish what is in hand, acknowledge it, end."""


@dataclass(frozen=True, slots=True)
class Token:
    """To the keeping process: answer when all that was said before is durable and acknowledged. Back: it is."""

    number: int


Said = Received | Command | Begin | Connected | Lit | Lead | Tenure | Token | Stop


# -- back --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ready:
    """The stores are open, messages may come."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The stores could not be opened."""

    error: KreispulsError


@dataclass(frozen=True, slots=True)
class Durable:
    """These messages (connection, packet identifier) are to be acknowledged to the broker."""

    deliveries: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Publish:
    """To be published with QoS 0."""

    topic: str
    payload: bytes


Answered = Ready | Failed | Durable | Publish | Token
