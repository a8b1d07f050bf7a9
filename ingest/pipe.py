"""What the two processes of ingest say to each other over a pipe, in lists; decision 0013 says why there are two."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from core.command import Command, CommandState, Reason
from core.device import Device
from core.errors import KreispulsError
from lights.assignment import LightingPlan

PackedCommand = tuple[str, str, str, str, str, float, float, float | None, str, float, float]
Received = tuple[str, bytes, int, bool, int, int, bool, str, float, tuple[PackedCommand, ...]]
"""The fields of a `Message`, when it was received (epoch seconds), the light commands that it has caused.

Plain tuples of plain values: they take a tenth of the time of objects to get through the pipe.
"""


def pack(command: Command) -> PackedCommand:
    """A command that has just been sent, for the pipe."""
    return (
        command.command_id,
        command.device_id,
        command.device_type,
        command.municipality,
        command.name,
        command.dim_level,
        command.fade_s,
        command.hold_s,
        command.reason.value,
        command.issued_at.timestamp(),
        command.expires_at.timestamp(),
    )


def unpack(packed: PackedCommand) -> Command:
    """The command as it was sent."""
    name, device_id, device_type, municipality, command, dim_level, fade_s, hold_s, reason, issued_s, expires_s = packed
    return Command(
        command_id=name,
        device_id=device_id,
        device_type=device_type,
        municipality=municipality,
        name=command,
        dim_level=dim_level,
        fade_s=fade_s,
        hold_s=hold_s,
        reason=Reason(reason),
        state=CommandState.SENT,
        issued_at=datetime.fromtimestamp(issued_s, UTC),
        expires_at=datetime.fromtimestamp(expires_s, UTC),
    )


# -- to the keeping process --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sent:
    """A light command that no message has caused."""

    command: PackedCommand


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker connection was made or is gone."""

    stands: bool


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The broker has granted what the session is to be subscribed to."""


@dataclass(frozen=True, slots=True)
class Lit:
    """How many lamps are up for presence, and how many do not answer."""

    lamps_up: int
    unresponsive: int


@dataclass(frozen=True, slots=True)
class Following:
    """Lamps that light control has given up because they do not answer (False), or that follow it again (True)."""

    lamps: list[tuple[str, bool]]
    at_s: float


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """The session hears the devices of these municipalities no more."""

    municipalities: frozenset[str]


@dataclass(frozen=True, slots=True)
class Heard:
    """All that devices had said by an instant has come, and is before this."""

    at_s: float


@dataclass(frozen=True, slots=True)
class Stop:
    """Finish what is in hand, acknowledge it, end."""


Said = Received | Sent | Connected | Subscribed | Lit | Following | Unsubscribed | Heard | Stop


# -- back --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ready:
    """Settings and rules are right, the session is ours, the stores are open, lamps are known: messages may come."""

    filters: list[str]
    """What the session is to be subscribed to."""


@dataclass(frozen=True, slots=True)
class Failed:
    """What kept it from being ready, or ends it."""

    error: KreispulsError


@dataclass(frozen=True, slots=True)
class Durable:
    """These messages (connection, packet identifier) are to be acknowledged to the broker."""

    deliveries: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class LampsChanged:
    """Lamps whose light is ours: those that are new or have changed, those that are gone, what decides on schedules.

    `plan` None: as said before. `held`: what lamps still hold that have just become ours.
    """

    lamps: Sequence[Device]
    gone: Collection[str]
    plan: LightingPlan | None
    held: Sequence[Command]


@dataclass(frozen=True, slots=True)
class Overrides:
    """The overrides of operators in force, one per lamp."""

    commands: Sequence[Command]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Other ingests run these municipalities: the session need not hear them any more."""

    municipalities: frozenset[str]


@dataclass(frozen=True, slots=True)
class Publish:
    """To be published."""

    topic: str
    payload: bytes
    qos: int = 0


Answered = Ready | Failed | Durable | LampsChanged | Overrides | Unsubscribe | Publish
