"""What lamps were told and said that they do, for the rules: `rules.context.LampContext` from memory."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from core.command import Command, CommandState

REMEMBERED: Final = 16
"""Commands per lamp: more than a lamp gets between two of its reports."""


@dataclass(slots=True)
class _Told:
    command: Command
    is_done: bool = False

    def holds(self, at: datetime) -> bool:
        command = self.command
        if not self.is_done or at < command.issued_at:
            return False
        return command.hold_s is None or at < command.issued_at + timedelta(seconds=command.hold_s)


class CommandedLamps:
    """Nothing is kept over a restart: until a lamp is told something again, only its readings judge it.

    A command counts when the lamp has answered that it does it: one that was lost explains nothing.
    """

    def __init__(self) -> None:
        self._told: dict[str, deque[_Told]] = {}
        self._overrides: dict[str, Command] = {}

    def note(self, command: Command) -> None:
        """A lamp was told something; a command that is repeated or renewed counts with its latest times."""
        told = self._told.setdefault(command.device_id, deque(maxlen=REMEMBERED))
        for known in told:
            if known.command.command_id == command.command_id:
                known.command = command
                return
        told.append(_Told(command))

    def answered(self, device_id: str, command_id: str, result: CommandState) -> None:
        """A lamp has answered."""
        for known in self._told.get(device_id, ()):
            if known.command.command_id == command_id:
                known.is_done = result is CommandState.DONE

    def override(self, overrides: Iterable[Command]) -> None:
        """Take over which overrides of operators are in force."""
        self._overrides = {command.device_id: command for command in overrides}

    def wanted_level(self, device_id: str, at: datetime) -> float | None:
        """The level (0-1) that the lamp has said to hold at an instant; None: not known."""
        override = self._overrides.get(device_id)
        if override is not None and override.state is CommandState.DONE and override.issued_at <= at:
            return override.dim_level
        for told in reversed(self._told.get(device_id, ())):
            if told.command.issued_at <= at:
                return told.command.dim_level if told.holds(at) else None
        return None

    def overridden(self, device_id: str, at: datetime) -> bool:
        """Whether an operator's override holds the lamp at an instant."""
        override = self._overrides.get(device_id)
        return override is not None and override.issued_at <= at

    def commanded_switchings(self, device_id: str, since: datetime, until: datetime) -> int:
        """How many times our commands switched the lamp on or off, `since < t <= until`."""
        count = 0
        was_on: bool | None = None
        for told in self._told.get(device_id, ()):
            is_on = told.command.dim_level > 0
            if told.is_done and since < told.command.issued_at <= until and is_on != was_on:
                count += 1
            was_on = is_on
        return count
