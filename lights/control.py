"""Light control: turns presence, schedules and overrides into commands, and sees to it that lamps follow them.

    detected ─▶ corridor ─▶ effects of each lamp ─▶ wanted level ─▶ command, if it differs from what the lamp holds
    overridden, the clock ──────┘                                      │
                                        answered, reported ─▶ done ◀───┴──▶ repeated with back-off ─▶ unresponsive

Three levels of each lamp are kept apart, as TALQ does: *desired* (target), *commanded* and whether it was *answered*
(feedback), *reported* (actual). Time is an argument; nothing here waits, sends or stores. Not for several threads.

Fail safe: every command but one for good says how long the lamp is to hold it, `HOLD_MARGIN_S` longer than we plan.
If we are gone, the broker is away or a message is lost, the lamp returns to its own schedule by itself.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from core.command import Command, CommandState, Reason
from lights.commands import HOLD_MARGIN_S, LONGEST_SCHEDULE_HOLD_S, LightCommands, random_command_id
from lights.corridor import Corridor, Span
from lights.following import Following
from lights.lamp import CurrentLevels, Lamp
from lights.lamp_state import FOREVER, RENEWED_BEFORE, LampLevels, LampState, spread_s
from lights.wake_ups import Deadlines
from lights.wanted import wanted_level

FIRST_REPEAT_S: Final = 1.0
"""An unanswered command is repeated after so long, then after twice that, and so on."""
MOST_ATTEMPTS: Final = 5
"""Sent at 0, 1, 3, 7 and 15 s; a lamp that has not answered 31 s after the first is unresponsive."""
DEVIATION: Final = 0.05
"""A lamp that reports a level this close to the commanded one shows it (drivers dim in steps)."""
SETTLED_S: Final = 5.0
"""After its fade and so long a lamp is to report the level that it was told."""
_HELD: Final = (CommandState.SENT, CommandState.DONE)


class LightControl:
    """Which lamp is to show what; every command comes with its reason.

    Args:
        good_for_s: a command that has not reached its lamp after so long is worthless (`expires_at`).
        longest_hold_s: so long after we have said the last word does a lamp follow our schedule, and then its own; a
            level that lasts longer is renewed.
        most_attempts: so often a command is sent that is not answered.
        repeat_s: further presence tells a lamp that does not answer, or refused, again only after so long.
        command_id: makes the ids of commands.
    """

    def __init__(
        self,
        *,
        good_for_s: float = 30.0,
        longest_hold_s: float = LONGEST_SCHEDULE_HOLD_S,
        most_attempts: int = MOST_ATTEMPTS,
        repeat_s: float = 5.0,
        command_id: Callable[[], str] = random_command_id,
    ) -> None:
        self._commands = LightCommands(good_for_s, longest_hold_s, command_id)
        self._most_attempts = most_attempts
        self._repeat = timedelta(seconds=repeat_s)
        self._states: dict[str, LampState] = {}
        self._corridor = Corridor(())
        self._overridden: dict[str, Command] = {}
        self._deadlines = Deadlines()
        self._levels = CurrentLevels()
        self._up: set[str] = set()
        self._following = Following()
        self._reachable = True
        self._heard_until = FOREVER
        self._doubtful: set[str] = set()
        """Lamps whose answers may have come by now, and only wait to be heard."""

    # -- what is there ---------------------------------------------------------------------------------------------

    def configure(self, lamps: Iterable[Lamp], corridor: Corridor, now: datetime) -> None:
        """Take over which lamps there are; what they hold stays known. The same object as before has not changed."""
        known = self._states
        self._states = {}
        self._corridor = corridor
        self._levels = CurrentLevels()
        for lamp in lamps:
            lamp_id = lamp.device.device_id
            state = known.pop(lamp_id, None)
            if state is not None and state.lamp is lamp:
                self._states[lamp_id] = state
                continue
            state = state or LampState(lamp, spread_s(lamp_id))
            state.lamp = lamp
            self._states[lamp_id] = state
            self._deadlines.plan(lamp_id, state, now + timedelta(seconds=state.spread_s))
        self._up -= known.keys()
        self._following.forget(known)
        self._overridden = {lamp: command for lamp, command in self._overridden.items() if lamp in self._states}

    def overridden(self, overrides: Mapping[str, Command], now: datetime) -> None:
        """Take over the overrides in force by lamp, as an operator's command sent them (`hold_s` None: for good).

        A lamp that does not answer such a command, or was told something else meanwhile, is told it again by `due`. The
        command may have expired: what the operator wants has not.
        """
        for lamp_id in self._overridden.keys() - overrides.keys():
            state = self._states[lamp_id]
            state.override = None
            self._deadlines.plan(lamp_id, state, now)
        taken = {}
        for lamp_id, command in overrides.items():
            lamp = self._states.get(lamp_id)
            if lamp is None or not lamp.lamp.is_live:
                continue
            taken[lamp_id] = command
            if not lamp.is_overridden_by(command):
                lamp.take_override(command)
                self._deadlines.plan(lamp_id, lamp, now)
        self._overridden = taken

    def restore(self, commands: Iterable[Command], now: datetime) -> None:
        """Take up, after a restart, what lamps still hold: commands that were sent or done, in any order.

        A hold for presence goes on, an override too; one whose command expired is sent again. Nothing is sent for what
        a lamp already holds. After `configure`.
        """
        for command in sorted(commands, key=lambda command: command.issued_at):
            state = self._states.get(command.device_id)
            if state is None or not state.lamp.is_live:
                continue
            lapsed = command.state is CommandState.EXPIRED or (
                command.state is CommandState.SENT and now >= command.expires_at
            )
            if lapsed and command.reason is Reason.OVERRIDE:
                state.take_override(replace(command, state=CommandState.EXPIRED))
                self._overridden[command.device_id] = command
                self._deadlines.plan(command.device_id, state, now)
                continue
            if command.state not in _HELD:
                continue
            if state.restore(command, now, timedelta(seconds=HOLD_MARGIN_S)):
                self._deadlines.plan(command.device_id, state, now)
            if state.override is command:
                self._overridden[command.device_id] = command

    # -- what happens ----------------------------------------------------------------------------------------------

    def reachable(self, stands: bool, now: datetime) -> None:  # noqa: FBT001 - as the client says it
        """Know whether commands get to the broker: while they do not, no lamp is to blame for not answering."""
        if stands and not self._reachable:
            for lamp_id, state in self._states.items():
                if not state.answered:
                    state.forget_told()
                    self._deadlines.plan(lamp_id, state, now)
        self._reachable = stands

    def detected(self, lamp_id: str, now: datetime) -> list[Command]:
        """Somebody is at a lamp: what it and those ahead are to be told at once; the rest comes from `due` in time."""
        here = self._states.get(lamp_id)
        if here is None:
            return []
        settings = here.lamp.presence
        commands = []
        for near, span in self._corridor.passed(lamp_id, now, settings.lamps_ahead if settings else 0).items():
            state = self._states.get(near)
            if state is None or state.lamp.presence is None or not state.lamp.is_live:
                continue
            lit = Span(span.from_s, max(span.until_s, state.lamp.presence.hold_s))
            command = self._light(near, state, lit, now)
            if command is not None:
                commands.append(command)
        return commands

    def due(self, now: datetime, at_most: int | None = None) -> list[Command]:
        """What is to be said because time has passed: lamps to be lit ahead of somebody, lowered, or told again.

        `at_most` so many lamps at a time; call again while `next_due` is not after `now` (`raised_meanwhile`).
        """
        commands: list[Command] = []
        seen_to = 0
        while seen_to != at_most and (taken := self._deadlines.take(now, self._states)) is not None:
            seen_to += 1
            command = self._settle(*taken, now) or self._repeat_or_mark(*taken, now)
            if command is not None:
                commands.append(command)
        return commands

    def raised_meanwhile(self, sent: Sequence[Command]) -> list[Command]:
        """Of commands from `due` that have just gone out, those overtaken by newer ones: these are to be sent again.

        For callers that publish in several threads: the newer command may have gone out first.
        """
        newest = (state.commanded for command in sent if (state := self._states.get(command.device_id)) is not None)
        ids = {command.command_id for command in sent}
        return [command for command in newest if command is not None and command.command_id not in ids]

    def answered(self, lamp_id: str, command_id: str, result: CommandState, now: datetime) -> None:
        """A lamp has answered a command, DONE or REJECTED; what it rejected it is told again when somebody comes."""
        state = self._states.get(lamp_id)
        if state is None:
            return
        if state.commanded is not None and state.commanded.command_id == command_id:
            state.answered = True
            state.refused = result is CommandState.REJECTED
        self._following.follows(lamp_id, state)
        self._responds(lamp_id, state, now)

    def reported(self, lamp_id: str, dim_level: float, at: datetime) -> None:
        """A lamp says what it shows (0-1), observed at an instant.

        The commanded level counts as an answer. Another one, when the lamp has had the time to follow, makes `due` tell
        it once more: it may have restarted. Once: one that cannot follow is a matter for the fault rules.
        """
        state = self._states.get(lamp_id)
        if state is None or (state.reported_at is not None and at < state.reported_at):
            return
        state.reported_level, state.reported_at = dim_level, at
        command = state.commanded
        if command is not None and state.told_at <= at < state.held_until:
            if abs(dim_level - command.dim_level) <= DEVIATION:
                state.answered = True
                self._following.follows(lamp_id, state)
            elif at >= state.told_at + timedelta(seconds=command.fade_s + SETTLED_S) and not state.corrected:
                state.corrected = True
                state.held_until = at
                self._deadlines.plan(lamp_id, state, at)
        self._responds(lamp_id, state, at)

    def heard(self, until: datetime, now: datetime) -> None:
        """Know that all that lamps had said by an instant was heard; never told, all counts as heard.

        Nobody is given up for an answer that may only have to wait.
        """
        self._heard_until = until
        for lamp_id in self._doubtful & self._states.keys():
            self._deadlines.plan(lamp_id, self._states[lamp_id], now)
        self._doubtful.clear()

    def spoke(self, lamp_id: str, now: datetime) -> None:
        """A lamp says that it is there, and no more: what it has not answered is said anew."""
        state = self._states.get(lamp_id)
        if state is not None:
            self._following.is_back(lamp_id)
            self._say_anew(lamp_id, state, now)

    # -- what is known ---------------------------------------------------------------------------------------------

    def is_told(self, lamp_id: str) -> bool:
        """Whether a lamp was told anything: then what it reports matters here."""
        state = self._states.get(lamp_id)
        return state is not None and (state.commanded is not None or state.override is not None)

    def levels(self, lamp_id: str) -> LampLevels | None:
        """Desired, commanded and reported level of a lamp; None: it is not under control."""
        state = self._states.get(lamp_id)
        return None if state is None else state.levels()

    @property
    def unresponsive(self) -> set[str]:
        """Lamps that have not answered; an answer or a report takes them off."""
        return self._following.unresponsive

    def take_news(self) -> list[tuple[str, bool]]:
        """Lamps marked unresponsive (False) or following us again (True) since the last call; see `Following`."""
        return self._following.take_news()

    @property
    def next_due(self) -> datetime | None:
        """When `due` may have something to do; None: not before something happens."""
        return self._deadlines.first

    def lamps_up(self) -> int:
        """How many lamps are up for presence."""
        return len(self._up)

    # -- one lamp --------------------------------------------------------------------------------------------------

    def _light(self, lamp_id: str, state: LampState, span: Span, now: datetime) -> Command | None:
        """Keep a lamp lit for somebody, and tell it if it is not known to be lit for so long."""
        since = now + timedelta(seconds=span.from_s) if span.from_s else now
        state.light(since, now + timedelta(seconds=span.until_s), now)
        if not state.is_lit(now):
            self._deadlines.plan(lamp_id, state, state.lit_since)
            return None
        in_doubt = state.refused or lamp_id in self._following.unresponsive
        again = in_doubt and not state.told_at <= now < state.told_at + self._repeat
        return self._settle(lamp_id, state, now, again=again)

    def _settle(self, lamp_id: str, state: LampState, now: datetime, *, again: bool = False) -> Command | None:
        """Find out what a lamp is to show, and the command for it unless the lamp holds that already."""
        if not state.lamp.is_live:
            return None
        wanted = state.desired = wanted_level(state.lamp, state.effects(self._levels.of(state.lamp.schedule, now)), now)
        if wanted.reason is Reason.PRESENCE:
            self._up.add(lamp_id)
        else:
            self._up.discard(lamp_id)
        command = None
        if again or not state.shows(wanted, now):
            if state.commanded is not None and state.renews(wanted):
                command = self._commands.renewed(state.commanded, wanted, now)
            else:
                command = self._commands.make(state.lamp.device, wanted, now)
            state.tell(command, now)
            self._doubtful.discard(lamp_id)
        if wanted.reason in (Reason.SCHEDULE, Reason.FALLBACK):
            step = wanted.until or FOREVER
            if wanted.reason is Reason.SCHEDULE and state.held_until < step:
                step = state.held_until - RENEWED_BEFORE
            self._deadlines.plan_step(lamp_id, state, step)
        elif wanted.until is not None:
            self._deadlines.plan(lamp_id, state, wanted.until)
        if now < state.lit_since < state.lit_until:
            self._deadlines.plan(lamp_id, state, state.lit_since)
        self._deadlines.plan(lamp_id, state, self._repeat_at(lamp_id, state))
        return command

    def _repeat_at(self, lamp_id: str, state: LampState) -> datetime:
        given_up = lamp_id in self._following.unresponsive or lamp_id in self._doubtful
        if not self._reachable or state.commanded is None or state.answered or given_up:
            return FOREVER
        return state.told_at + timedelta(seconds=FIRST_REPEAT_S * (2**state.attempts - 1))

    def _repeat_or_mark(self, lamp_id: str, state: LampState, now: datetime) -> Command | None:
        """The same command again while it is good, to be held for the rest of its time; often enough: mark the lamp."""
        if now < self._repeat_at(lamp_id, state):
            return None
        command = state.commanded
        if command is None or state.attempts >= self._most_attempts or now >= command.expires_at:
            if self._heard_until < self._repeat_at(lamp_id, state):
                self._doubtful.add(lamp_id)
                return None
            self._following.gave_up(lamp_id, state)
            return None
        state.attempts += 1
        self._deadlines.plan(lamp_id, state, self._repeat_at(lamp_id, state))
        if command.hold_s is None or now >= state.held_until:
            return command
        return replace(command, hold_s=(state.held_until - now).total_seconds())

    def _responds(self, lamp_id: str, state: LampState, now: datetime) -> None:
        """A lamp that was given up is there: it is to be told what it has missed."""
        if self._following.is_back(lamp_id):
            self._say_anew(lamp_id, state, now)

    def _say_anew(self, lamp_id: str, state: LampState, now: datetime) -> None:
        if not state.answered:
            state.held_until = state.told_at
            self._deadlines.plan(lamp_id, state, now)
