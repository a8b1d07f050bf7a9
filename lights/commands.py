"""The command that makes a lamp show a wanted level, and hold it so long that nobody is left without light."""

import os
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from core.command import Command, CommandState, Reason
from core.device import Device
from lights.wanted import WantedLevel

HOLD_MARGIN_S: Final = 15.0
"""A lamp told to hold a level does so this much longer than we plan: it falls back by itself only if we are gone."""

_random: Final = random.Random()
if hasattr(os, "register_at_fork"):  # a forked process would give the ids that its parent gives, too
    os.register_at_fork(after_in_child=_random.seed)
_MARKED: Final = (0xF << 76) | (0x3 << 62)
_VERSION_4: Final = (0x4 << 76) | (0x2 << 62)
LONGEST_SCHEDULE_HOLD_S: Final = 3600.0


def random_command_id() -> str:
    """A random UUID (RFC 9562, version 4), without a system call for each."""
    bits = _random.getrandbits(128) & ~_MARKED | _VERSION_4
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class LightCommands:
    """Makes `set_light` commands that are good for so long; `command_id` gives each its id.

    A level of the schedule is held `longest_hold_s` at most.
    """

    def __init__(
        self,
        good_for_s: float,
        longest_hold_s: float = LONGEST_SCHEDULE_HOLD_S,
        command_id: Callable[[], str] = random_command_id,
    ) -> None:
        self._good_for = timedelta(seconds=good_for_s)
        self._longest_hold_s = longest_hold_s
        self._command_id = command_id

    def make(self, device: Device, wanted: WantedLevel, now: datetime) -> Command:
        """The command for a level from now on; not yet sent."""
        return Command(
            command_id=self._command_id(),
            device_id=device.device_id,
            device_type=device.device_type,
            municipality=device.municipality,
            name="set_light",
            dim_level=wanted.dim_level,
            fade_s=wanted.fade_s,
            hold_s=self._hold_s(wanted, now),
            reason=wanted.reason,
            state=CommandState.SENT,
            issued_at=now,
            expires_at=now + self._good_for,
        )

    def renewed(self, command: Command, wanted: WantedLevel, now: datetime) -> Command:
        """A command that a lamp has obeyed, to be obeyed for longer: under its id, so that it is kept once."""
        expires_at = now + self._good_for
        return replace(command, hold_s=self._hold_s(wanted, now), issued_at=now, expires_at=expires_at)

    def _hold_s(self, wanted: WantedLevel, now: datetime) -> float | None:
        if wanted.reason is Reason.FALLBACK:
            return HOLD_MARGIN_S  # for this moment only: then its own schedule rules again, which by day means off
        if wanted.until is None:
            return None
        wanted_s = (wanted.until - now).total_seconds()
        if wanted.reason is Reason.OVERRIDE:
            return wanted_s  # it ends when the operator said
        if wanted.reason is Reason.SCHEDULE:
            wanted_s = min(wanted_s, self._longest_hold_s)
        return wanted_s + HOLD_MARGIN_S
