"""What light control knows of one lamp: what has a say in its level, what it was told, answered and reported."""

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from core.command import Command, CommandState, Reason
from lights.commands import HOLD_MARGIN_S
from lights.lamp import Lamp
from lights.schedule import ScheduledLevel
from lights.wanted import Effects, Lit, Override, WantedLevel

FOREVER: Final = datetime.max.replace(tzinfo=UTC)
RENEWED_BEFORE: Final = timedelta(seconds=HOLD_MARGIN_S)
"""A level of the schedule that a lamp would let go of so soon is renewed."""
SPREAD_S: Final = 10.0
"""A step of a schedule is taken by its lamps within so long, not by thousands at once: presence goes between.

Shorter than `HOLD_MARGIN_S`, so that no lamp falls back in between.
"""
NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LampLevels:
    """The levels of a lamp, apart: what it is to show, was told (and whether it said so), and says that it shows."""

    desired: WantedLevel | None
    commanded: Command | None
    answered: bool
    reported_level: float | None
    reported_at: datetime | None


@dataclass(slots=True)
class LampState:
    """One lamp; `spread_s` after the others of its schedule it takes a step. Changed only by `LightControl`."""

    lamp: Lamp
    spread_s: float
    override: Command | None = None
    lit_since: datetime = NEVER
    lit_until: datetime = NEVER
    desired: WantedLevel | None = None
    commanded: Command | None = None
    told_at: datetime = NEVER
    held_until: datetime = NEVER
    """Until when the lamp holds by itself what it was commanded; it then returns to its own schedule."""
    answered: bool = True
    attempts: int = 0
    follows: bool | None = None
    """Whether it follows what it is told, as last noted; None: not known yet."""
    refused: bool = False
    """It answered that it will not do what it was commanded."""
    corrected: bool = False
    """It was told again because it reported another level: not once more for this one."""
    reported_level: float | None = None
    reported_at: datetime | None = None
    due_at: datetime = FOREVER
    step_at: datetime = FOREVER
    """When it takes the next step of its schedule; that and `due_at` stand among the deadlines of all lamps."""

    def effects(self, scheduled: ScheduledLevel | None) -> Effects:
        """Everything that has a say now."""
        override = None
        if self.override is not None:
            override = Override(self.override.dim_level, self.override.fade_s, _held_until(self.override))
        lit = Lit(self.lit_since, self.lit_until) if self.lit_since < self.lit_until else None
        return Effects(override, lit, scheduled)

    def levels(self) -> LampLevels:
        """The three levels."""
        return LampLevels(self.desired, self.commanded, self.answered, self.reported_level, self.reported_at)

    def is_lit(self, now: datetime) -> bool:
        """Whether presence lights the lamp."""
        return self.lit_since <= now < self.lit_until

    def shows(self, wanted: WantedLevel, now: datetime) -> bool:
        """Whether what the lamp was told makes it show a level for as long as it is wanted."""
        last = self.commanded
        holds = last is not None and self.told_at <= now < self.held_until
        if wanted.reason is Reason.FALLBACK:  # else it is at its own schedule, or on the way there
            return last is None or not holds or last.reason is Reason.FALLBACK
        if last is None or not holds or last.dim_level != wanted.dim_level:
            return False
        if wanted.reason is Reason.SCHEDULE and self.held_until > now + RENEWED_BEFORE:
            return True  # it is renewed while it lasts
        return self.held_until >= (wanted.until or FOREVER)

    def renews(self, wanted: WantedLevel) -> bool:
        """Whether a level of the schedule only has to be held for longer."""
        last = self.commanded
        if last is None or not self.answered or self.refused:
            return False
        return last.reason is wanted.reason is Reason.SCHEDULE and last.dim_level == wanted.dim_level

    def light(self, since: datetime, until: datetime, now: datetime) -> None:
        """Presence lights the lamp from an instant until another; more of it extends what there is."""
        if self.lit_until <= now:
            self.lit_since, self.lit_until = since, until
        else:
            self.lit_since = min(self.lit_since, since)
            self.lit_until = max(self.lit_until, until)

    def tell(self, command: Command, now: datetime) -> None:
        """The lamp is being told something new."""
        last = self.commanded
        self.corrected = self.corrected and last is not None and last.dim_level == command.dim_level
        self.commanded = command
        self.told_at = now
        self.held_until = _held_until(command) or FOREVER
        self.answered = False
        self.attempts = 1
        self.refused = False

    def forget_told(self) -> None:
        """What it was told last may not have left us: it is to be told anew what is wanted by then."""
        self.commanded, self.told_at, self.held_until = None, NEVER, NEVER
        self.answered = True

    def is_overridden_by(self, command: Command) -> bool:
        """Whether this is the override in force, or our own repetition of it."""
        known = self.override
        if known is None:
            return False
        if known.command_id == command.command_id:
            return True
        return self.commanded is not None and self.commanded.command_id == command.command_id

    def take_override(self, command: Command) -> None:
        """An operator has told the lamp something; that counts as told unless it expired or we told it more since."""
        self.override = command
        if command.issued_at >= self.told_at and command.state is not CommandState.EXPIRED:
            self.tell(command, command.issued_at)
            self.answered = command.state is CommandState.DONE

    def restore(self, command: Command, now: datetime, margin: timedelta) -> bool:
        """Take up a command of an earlier run of the platform; whether the lamp may still hold it."""
        held_until = _held_until(command) or FOREVER
        if held_until <= now or command.issued_at < self.told_at:
            return False
        self.tell(command, command.issued_at)
        self.answered = command.state is CommandState.DONE
        if command.reason is Reason.OVERRIDE:
            self.override = command
        elif command.reason is Reason.PRESENCE:
            self.lit_since, self.lit_until = command.issued_at, held_until - margin
        return True


def spread_s(lamp_id: str) -> float:
    """The same for a lamp at any time, evenly spread over lamps."""
    return zlib.crc32(lamp_id.encode()) / 2**32 * SPREAD_S


def _held_until(command: Command) -> datetime | None:
    return None if command.hold_s is None else command.issued_at + timedelta(seconds=command.hold_s)
