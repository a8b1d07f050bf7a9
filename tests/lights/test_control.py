"""Light control: commands only where a lamp is to change, repeated until answered, and three levels kept apart."""

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import RFC_4122, UUID

import pytest

from core.command import Command, CommandState, Reason
from core.device import Device
from lights.commands import HOLD_MARGIN_S, random_command_id
from lights.control import LightControl
from lights.corridor import Corridor
from lights.lamp import DimmingSchedule, Lamp, Permitted, unrestricted
from lights.profile import PresenceResponse
from lights.schedule import ScheduledLevel
from lights.street import StreetRow
from lights.wanted import Effects, Lit, Override, WantedLevel, wanted_level

NOW = datetime(2026, 11, 20, 21, tzinfo=UTC)
PRESENCE = PresenceResponse(dim_level=0.8, standby_dim_level=0.2, hold_s=60, fade_s=1, lamps_ahead=2)
ROW = StreetRow(tuple("abcdef"), tuple(30.0 * index for index in range(6)))


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def step(dim_level: float, since: datetime, until: datetime, *, lit: bool | None = None) -> ScheduledLevel:
    return ScheduledLevel(dim_level, 3.0, since, until, dim_level > 0 if lit is None else lit)


@dataclass
class Steps:
    """A schedule by hand: level from so many seconds after NOW on."""

    steps: tuple[tuple[float, float], ...]
    asked: list[datetime] = field(default_factory=list)

    def at(self, now: datetime) -> ScheduledLevel:
        self.asked.append(now)
        begins = [at(seconds) for seconds, _ in self.steps]
        place = max(place for place, begin in enumerate(begins) if begin <= now)
        until = begins[place + 1] if place + 1 < len(begins) else at(86_400)
        return step(self.steps[place][1], begins[place], until)


def lamp(
    name: str,
    schedule: DimmingSchedule | None = None,
    presence: PresenceResponse | None = PRESENCE,
    permitted: Permitted = unrestricted,
    **attributes: str,
) -> Lamp:
    device = Device(device_id=name, device_type="streetlight", municipality="marburg", attributes=attributes)
    return Lamp(device=device, schedule=schedule, presence=presence, permitted=permitted)


def control(*lamps: Lamp, row: StreetRow = ROW) -> LightControl:
    numbers = count(1)
    lights = LightControl(command_id=lambda: f"c-{next(numbers)}")
    lights.configure(lamps or [lamp(name) for name in row.lamps], Corridor([row]), NOW)
    return lights


def told(commands: list[Command]) -> dict[str, float]:
    return {command.device_id: command.dim_level for command in commands}


def answer_all(lights: LightControl, commands: list[Command], now: datetime) -> None:
    for command in commands:
        lights.answered(command.device_id, command.command_id, CommandState.DONE, now)


def override(name: str, level: float, until_s: float | None, issued_s: float = 0.0) -> Command:
    return Command(
        command_id=f"o-{name}-{issued_s:g}",
        device_id=name,
        device_type="streetlight",
        municipality="marburg",
        name="set_light",
        dim_level=level,
        fade_s=1,
        hold_s=None if until_s is None else until_s - issued_s,
        reason=Reason.OVERRIDE,
        state=CommandState.DONE,
        issued_at=at(issued_s),
        expires_at=at(issued_s + 30),
    )


# -- the wanted level --------------------------------------------------------------------------------------------------

STEP = step(0.2, at(-100), at(500))
LIT = Lit(at(-10), at(50))
OVERRIDE = Override(0.6, 1, at(300))


@pytest.mark.parametrize(
    ("effects", "level", "reason", "until"),
    [
        (Effects(), 0.2, Reason.FALLBACK, None),
        (Effects(schedule=STEP), 0.2, Reason.SCHEDULE, at(500)),
        (Effects(presence=LIT), 0.8, Reason.PRESENCE, at(50)),
        (Effects(presence=LIT, schedule=STEP), 0.8, Reason.PRESENCE, at(50)),
        (Effects(presence=LIT, schedule=step(0.2, at(-100), at(20))), 0.8, Reason.PRESENCE, at(20)),
        (Effects(presence=LIT, schedule=step(1.0, at(-100), at(500))), 1.0, Reason.SCHEDULE, at(500)),
        (Effects(presence=LIT, schedule=step(0.0, at(-100), at(500))), 0.0, Reason.SCHEDULE, at(500)),  # by day
        (Effects(presence=LIT, schedule=step(0.0, at(-100), at(500), lit=True)), 0.8, Reason.PRESENCE, at(50)),
        (Effects(presence=Lit(at(5), at(50)), schedule=STEP), 0.2, Reason.SCHEDULE, at(500)),  # not yet
        (Effects(presence=Lit(at(-60), at(0)), schedule=STEP), 0.2, Reason.SCHEDULE, at(500)),  # over
        (Effects(OVERRIDE, LIT, STEP), 0.6, Reason.OVERRIDE, at(300)),
        (Effects(Override(0.6, 1, None), LIT, STEP), 0.6, Reason.OVERRIDE, None),
        (Effects(Override(0.6, 1, at(0)), None, STEP), 0.2, Reason.SCHEDULE, at(500)),  # expired
    ],
)
def test_override_goes_before_presence_before_schedule_before_fallback(
    effects: Effects, level: float, reason: Reason, until: datetime | None
) -> None:
    wanted = wanted_level(lamp("a"), effects, NOW)
    assert (wanted.dim_level, wanted.reason, wanted.until) == (level, reason, until)


def at_least_40(wanted: float, *, dark: bool) -> float:
    return max(wanted, 0.4) if dark else wanted


@pytest.mark.parametrize(
    ("effects", "level"),
    [
        (Effects(schedule=STEP), 0.4),
        (Effects(Override(0.0, 1, None), None, STEP), 0.4),
        (Effects(presence=LIT, schedule=STEP), 0.8),
        (Effects(), 0.4),
        (Effects(schedule=step(0.0, at(-100), at(500))), 0.0),  # by day no class is to be kept
        (Effects(Override(0.1, 1, None), None, step(0.0, at(-100), at(500))), 0.1),
    ],
)
def test_a_lamp_never_goes_below_what_its_class_permits(effects: Effects, level: float) -> None:
    assert wanted_level(lamp("a", permitted=at_least_40), effects, NOW).dim_level == level


def test_every_command_has_a_random_uuid_of_its_own() -> None:
    ids = [UUID(random_command_id()) for _ in range(2_000)]
    assert len(set(ids)) == 2_000
    assert {(each.version, each.variant) for each in ids} == {(4, RFC_4122)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="ingest forks where the system can")
def test_a_forked_process_gives_other_ids_than_its_parent() -> None:
    """The keeping process of ingest tells lamps their profiles, the receiving one their levels."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        try:
            os.write(writing, random_command_id().encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as theirs:
        assert UUID(theirs.read()) != UUID(random_command_id())


# -- presence ----------------------------------------------------------------------------------------------------------


def test_presence_raises_a_lamp_and_those_around_it_the_lamp_itself_first() -> None:
    commands = control().detected("c", NOW)
    assert told(commands) == {"a": 0.8, "b": 0.8, "c": 0.8, "d": 0.8, "e": 0.8}
    first = commands[0]
    assert (first.device_id, first.reason, first.hold_s) == ("c", Reason.PRESENCE, 60 + HOLD_MARGIN_S)
    assert (first.issued_at, first.expires_at, first.state) == (NOW, at(30), CommandState.SENT)


def test_after_the_hold_time_a_lamp_without_schedule_is_lowered_once_and_left_to_itself() -> None:
    lights = control(lamp("a"), row=StreetRow(("a",), (0.0,)))
    answer_all(lights, lights.detected("a", NOW), NOW)
    assert lights.lamps_up() == 1
    assert lights.due(at(59.9)) == []
    (lowered,) = lights.due(at(60))
    assert (lowered.dim_level, lowered.reason, lowered.hold_s) == (0.2, Reason.FALLBACK, HOLD_MARGIN_S)
    assert lights.lamps_up() == 0
    answer_all(lights, [lowered], at(60))
    assert lights.due(at(600)) == []


def test_presence_again_extends_the_hold_without_a_command_while_the_lamp_holds_long_enough() -> None:
    lights = control(lamp("a"), row=StreetRow(("a",), (0.0,)))
    answer_all(lights, lights.detected("a", NOW), NOW)
    assert lights.detected("a", at(HOLD_MARGIN_S)) == []
    (renewed,) = lights.detected("a", at(HOLD_MARGIN_S + 1))  # it would fall back before the hold time is over
    assert renewed.hold_s == 60 + HOLD_MARGIN_S
    assert lights.due(at(17)) == [replace(renewed, hold_s=59 + HOLD_MARGIN_S)]  # not answered: repeated
    answer_all(lights, [renewed], at(18))
    assert lights.due(at(75.9)) == []
    assert told(lights.due(at(76))) == {"a": 0.2}


def test_lamps_further_ahead_are_raised_when_they_are_needed() -> None:
    """At 2 m/s, taken for 2.6, the walker is at d after 60 / 2.6 = 23.1 s; there f is to shine, told 2 s before."""
    lights = control()
    answer_all(lights, lights.detected("a", NOW), NOW)
    assert told(lights.due(at(5))) == {"d": 0.8, "e": 0.8}  # it might have been a cyclist
    lights.answered("d", "c-4", CommandState.DONE, at(5.1))
    lights.answered("e", "c-5", CommandState.DONE, at(5.1))
    assert lights.detected("b", at(15)) == []
    assert lights.due(at(15 + 21.0)) == []
    assert told(lights.due(at(15 + 21.1))) == {"f": 0.8}


def test_by_day_presence_lights_nothing() -> None:
    lights = control(lamp("a", Steps(((-10, 0.0), (100, 0.2)))))
    answer_all(lights, lights.due(at(10)), at(10))
    assert lights.detected("a", at(20)) == []
    assert lights.lamps_up() == 0


def test_presence_raises_what_the_schedule_dims_and_goes_back_to_it() -> None:
    lights = control(lamp("a", Steps(((-10, 1.0), (100, 0.3)))))
    answer_all(lights, lights.due(at(10)), at(10))
    assert lights.detected("a", at(55)) == []  # full light is enough
    commands = lights.due(at(110))
    assert told(commands) == {"a": 0.8}  # somebody was there 55 s ago
    answer_all(lights, commands, at(110))
    (back,) = lights.due(at(115))
    assert (back.dim_level, back.reason, back.fade_s) == (0.3, Reason.SCHEDULE, 3.0)


def test_somebody_who_comes_while_lamps_are_being_lowered_has_light() -> None:
    """Their command may go out before the lowering that was already decided."""
    lights = control(lamp("a"), row=StreetRow(("a",), (0.0,)))
    answer_all(lights, lights.detected("a", NOW), NOW)
    lowered = lights.due(at(60))
    assert lights.raised_meanwhile(lowered) == []
    raised = lights.detected("a", at(60))
    assert lights.raised_meanwhile(lowered) == raised


def test_lamps_are_lowered_some_at_a_time_and_each_once() -> None:
    lights = control()
    answer_all(lights, lights.detected("c", NOW), NOW)
    parts = [lights.due(at(61), 3) for _ in range(4)]
    assert [len(part) for part in parts] == [3, 3, 0, 0]
    levels = told(parts[0]) | told(parts[1])
    assert levels == {"a": 0.2, "b": 0.2, "c": 0.2, "d": 0.2, "e": 0.2, "f": 0.8}  # f: should the others not report


def test_lamps_that_are_not_known_or_follow_no_presence_stay_as_they_are() -> None:
    lights = control(lamp("a"), lamp("b", presence=None), lamp("c"))
    assert lights.detected("unknown", NOW) == []
    assert set(told(lights.detected("a", NOW))) == {"a", "c"}


def test_a_lamp_that_follows_a_profile_gets_no_live_level_but_lights_its_neighbours() -> None:
    lights = control(lamp("a"), lamp("b", Steps(((-10, 0.5),)), control="profile"))
    assert set(told(lights.detected("b", NOW))) == {"a"}
    lights.overridden({"b": override("b", 1.0, None)}, NOW)
    assert set(told(lights.due(at(20)))) == {"a"}  # repeated


def test_a_clock_that_is_put_back_leaves_nobody_in_the_dark() -> None:
    lights = control(lamp("a"), row=StreetRow(("a",), (0.0,)))
    answer_all(lights, lights.detected("a", NOW), NOW)
    assert told(lights.detected("a", at(-3600))) == {"a": 0.8}


# -- schedules ---------------------------------------------------------------------------------------------------------


def test_a_schedule_is_commanded_at_its_steps_only_and_held_until_the_next() -> None:
    lights = control(lamp("a", Steps(((-10, 1.0), (100, 0.5), (200, 0.5), (300, 0.0)))))
    (first,) = lights.due(at(10))
    assert (first.dim_level, first.reason) == (1.0, Reason.SCHEDULE)
    assert first.issued_at + timedelta(seconds=first.hold_s or 0) == at(100 + HOLD_MARGIN_S)
    answer_all(lights, [first], at(8))
    assert lights.due(at(99.9)) == []
    (second,) = lights.due(at(110))
    assert second.dim_level == 0.5
    answer_all(lights, [second], at(110))
    (held,) = lights.due(at(208))  # the same level, but the lamp would let go of it
    assert held.dim_level == 0.5
    answer_all(lights, [held], at(208))
    assert told(lights.due(at(308))) == {"a": 0.0}


def test_a_level_that_lasts_is_renewed_every_hour_under_its_id() -> None:
    """So that a lamp that hears no more of us returns to its own schedule within the hour."""
    lights = control(lamp("a", Steps(((-10, 0.5), (10_000, 1.0)))))
    (first,) = lights.due(at(10))
    assert first.hold_s == 3600 + HOLD_MARGIN_S
    answer_all(lights, [first], at(10))
    assert lights.due(at(3609)) == []
    (second,) = lights.due(at(3620))
    assert (second.command_id, second.dim_level, second.issued_at) == (first.command_id, 0.5, at(3620))
    assert second.issued_at < first.issued_at + timedelta(seconds=first.hold_s or 0), "before it lets go"
    assert lights.due(at(3621)) == [replace(second, hold_s=3600 + HOLD_MARGIN_S - 1)]  # not answered: repeated
    answer_all(lights, [second], at(3622))
    (third,) = lights.due(at(7230))
    assert (third.command_id, third.hold_s) == (first.command_id, 10_000 - 7230 + HOLD_MARGIN_S)


def test_the_lamps_of_a_schedule_take_its_step_one_after_the_other_before_any_lets_go() -> None:
    schedule = Steps(((-10, 1.0), (100, 0.5)))
    names = [f"lamp-{number}" for number in range(200)]
    lights = control(*(lamp(name, schedule) for name in names), row=StreetRow(("elsewhere",), (0.0,)))
    answer_all(lights, lights.due(at(10)), at(10))
    assert lights.due(at(20)) == []
    parts = []
    for second in range(1, 11):
        stepped = lights.due(at(100 + second))
        answer_all(lights, stepped, at(100 + second))
        parts.append(len(stepped))
    assert sum(parts) == 200
    assert max(parts) < 60
    assert HOLD_MARGIN_S > 10 + 1


def test_a_schedule_that_serves_many_lamps_is_asked_once_a_step() -> None:
    schedule = Steps(((-10, 1.0), (100, 0.5)))
    lights = control(*(lamp(name, schedule) for name in "abcdef"))
    lights.due(at(10))
    lights.due(at(110))
    assert len(schedule.asked) == 2


def test_many_presences_leave_no_deadlines_behind() -> None:
    lights = control(lamp("a", Steps(((-10, 0.2), (80_000, 0.5)))), row=StreetRow(("a",), (0.0,)))
    for second in range(10, 20_000, 100):
        answer_all(lights, lights.detected("a", at(second)), at(second))
        answer_all(lights, lights.due(at(second + 61)), at(second + 61))
    assert len(lights._deadlines._heap) < 60, "those of an hour: each level of the schedule is renewed after one"


# -- overrides ---------------------------------------------------------------------------------------------------------


def test_an_overridden_lamp_is_left_alone_until_the_override_ends() -> None:
    lights = control(lamp("a", Steps(((-10, 0.2),))), row=StreetRow(("a",), (0.0,)))
    answer_all(lights, lights.due(at(10)), at(10))
    lights.overridden({"a": override("a", 0.5, 100, issued_s=10)}, at(11))
    assert lights.due(at(11)) == []  # the operator's command has told it
    assert lights.detected("a", at(20)) == []
    assert told(lights.due(at(100))) == {"a": 0.2}


def test_an_override_during_a_hold_goes_before_it_and_the_hold_goes_on_after_it() -> None:
    lights = control(lamp("a"), row=StreetRow(("a",), (0.0,)))
    answer_all(lights, lights.detected("a", NOW), NOW)
    lights.overridden({"a": override("a", 0.1, 40, issued_s=10)}, at(11))
    assert lights.due(at(39)) == []
    assert told(lights.due(at(40))) == {"a": 0.8}


def test_what_presence_told_a_lamp_before_we_knew_of_its_override_is_taken_back() -> None:
    lights = control(lamp("a"), row=StreetRow(("a",), (0.0,)))
    answer_all(lights, lights.detected("a", at(10.5)), at(10.6))
    lights.overridden({"a": override("a", 0.3, 100, issued_s=10)}, at(11))
    (again,) = lights.due(at(11))
    assert (again.dim_level, again.reason, again.hold_s) == (0.3, Reason.OVERRIDE, 89.0)
    lights.overridden({"a": again}, at(12))  # as the state database then has it
    answer_all(lights, [again], at(12))
    assert lights.due(at(99)) == []


def test_an_override_that_is_withdrawn_gives_the_lamp_back() -> None:
    lights = control(lamp("a", Steps(((-10, 0.2),))))
    answer_all(lights, lights.due(at(10)), at(10))
    lights.overridden({"a": override("a", 1.0, None, issued_s=10)}, at(11))
    lights.overridden({}, at(20))
    assert told(lights.due(at(20))) == {"a": 0.2}


def test_an_unanswered_override_is_repeated_as_it_was() -> None:
    lights = control(lamp("a"), row=StreetRow(("a",), (0.0,)))
    sent = replace(override("a", 0.5, 600), state=CommandState.SENT)
    lights.overridden({"a": sent}, at(0.5))
    assert lights.due(at(1)) == [replace(sent, hold_s=599.0)]  # its id, and the operator's end


def test_a_lamp_that_has_not_changed_is_left_alone_when_others_have() -> None:
    same, other = (lamp(name, Steps(((0, 0.3),))) for name in "ab")
    lights = control(same, other)
    assert len(lights.due(at(30))) == 2
    for name in "ab":
        levels = lights.levels(name)
        assert levels is not None
        assert levels.commanded is not None
        lights.answered(name, levels.commanded.command_id, CommandState.DONE, at(31))
    lights.configure([same, lamp("b", Steps(((0, 0.6),)))], Corridor([ROW]), at(40))
    assert [(command.device_id, command.dim_level) for command in lights.due(at(60))] == [("b", 0.6)]


# -- answers and reports -----------------------------------------------------------------------------------------------


def test_an_unanswered_command_is_repeated_with_back_off_and_then_the_lamp_is_marked() -> None:
    lights = control(lamp("a"), row=StreetRow(("a",), (0.0,)))
    (command,) = lights.detected("a", NOW)
    repeated = {second: again for second in range(1, 60) for again in lights.due(at(second))}
    assert list(repeated) == [1, 3, 7, 15]
    assert {again.command_id for again in repeated.values()} == {command.command_id}
    assert repeated[15].hold_s == 60 + HOLD_MARGIN_S - 15  # held no longer for being late
    assert lights.unresponsive == {"a"}


@pytest.mark.parametrize("sign", ["answer", "report"])
def test_a_marked_lamp_that_shows_up_is_told_what_it_missed(sign: str) -> None:
    lights = control(lamp("a"), row=StreetRow(("a",), (0.0,)))
    lights.overridden({"a": override("a", 0.5, 3600)}, NOW)
    lights._states["a"].answered = False
    for second in range(1, 40):
        lights.due(at(second))
    assert lights.unresponsive == {"a"}
    if sign == "answer":
        lights.answered("a", "something older", CommandState.DONE, at(100))
    else:
        lights.reported("a", 0.2, at(100))
    assert lights.unresponsive == frozenset()
    (again,) = lights.due(at(100))
    assert (again.dim_level, again.reason, again.hold_s) == (0.5, Reason.OVERRIDE, 3500.0)


def given_up(lights: LightControl, lamp_id: str = "a") -> None:
    lights.detected(lamp_id, NOW)
    for second in range(1, 40):
        lights.due(at(second))


@pytest.mark.parametrize("sign", [CommandState.DONE, CommandState.REJECTED, "the level"])
def test_who_was_given_up_follows_by_an_answer_or_by_the_level_it_was_told_not_by_another(sign: str) -> None:
    lights = control(lamp("a"), row=StreetRow(("a",), (0.0,)))
    given_up(lights)
    assert (lights.take_news(), lights.take_news()) == ([("a", False)], [])
    lights.reported("a", 0.2, at(45))  # it speaks: no longer marked, but it does not follow
    assert (lights.unresponsive, lights.take_news()) == (frozenset(), [])
    lights.due(at(46))  # it is told once more
    if sign == "the level":
        lights.reported("a", 0.8, at(50))
    else:
        lights.answered("a", "something older", CommandState(sign), at(50))
    assert lights.take_news() == [("a", True)]


def test_the_first_answer_of_every_lamp_after_a_start_is_told() -> None:
    lights = control(lamp("a"), row=StreetRow(("a",), (0.0,)))
    (command,) = lights.detected("a", NOW)
    for _ in range(2):
        lights.answered("a", command.command_id, CommandState.DONE, at(0.2))
    assert lights.take_news() == [("a", True)]


def test_no_lamp_is_given_up_while_the_broker_is_away_and_each_is_told_anew_when_it_is_back() -> None:
    lights = control(lamp("a"), row=StreetRow(("a",), (0.0,)))
    lights.overridden({"a": replace(override("a", 0.5, 3600), state=CommandState.SENT)}, NOW)
    lights.reachable(False, at(0.5))
    assert [command for second in range(1, 120) for command in lights.due(at(second))] == []
    assert (lights.unresponsive, lights.take_news()) == (frozenset(), [])
    lights.reachable(True, at(120))
    (again,) = lights.due(at(120))
    assert (again.dim_level, again.reason, again.hold_s) == (0.5, Reason.OVERRIDE, 3480.0)


def test_further_presence_tells_a_marked_lamp_again_only_after_a_while() -> None:
    lights = control(lamp("a"), row=StreetRow(("a",), (0.0,)))
    lights.detected("a", NOW)
    for second in range(1, 40):
        lights.due(at(second))
    assert len(lights.detected("a", at(40))) == 1
    assert lights.detected("a", at(44)) == []
    assert len(lights.detected("a", at(46))) == 1
    assert lights.due(at(50)) == []  # no storm of repetitions to a lamp that is gone


def test_desired_commanded_and_reported_level_are_kept_apart() -> None:
    lights = control(lamp("a"), row=StreetRow(("a",), (0.0,)))
    (command,) = lights.detected("a", NOW)
    lights.reported("a", 0.2, at(0.1))
    levels = lights.levels("a")
    assert levels is not None
    assert levels.desired == WantedLevel(0.8, 1, Reason.PRESENCE, at(60))
    assert (levels.commanded, levels.answered) == (command, False)
    assert (levels.reported_level, levels.reported_at) == (0.2, at(0.1))
    lights.reported("a", 0.8, at(2))
    levels = lights.levels("a")
    assert levels is not None
    assert (levels.answered, levels.reported_level) == (True, 0.8)
    lights.reported("a", 0.1, at(1))  # an older one that was late
    assert lights.levels("a") == levels
    assert lights.levels("unknown") is None


def test_a_lamp_that_shows_another_level_is_told_once_more_and_not_for_ever() -> None:
    lights = control(lamp("a", Steps(((-10, 0.5), (3600, 1.0)))), row=StreetRow(("a",), (0.0,)))
    answer_all(lights, lights.due(at(10)), at(10))
    lights.reported("a", 0.2, at(9))  # still fading
    assert lights.due(at(9)) == []
    lights.reported("a", 0.2, at(100))
    again = lights.due(at(100))
    assert told(again) == {"a": 0.5}
    answer_all(lights, again, at(100))
    lights.reported("a", 0.2, at(200))
    assert lights.due(at(200)) == []


def test_what_a_lamp_rejects_it_is_told_again_when_somebody_comes() -> None:
    lights = control(lamp("a"), row=StreetRow(("a",), (0.0,)))
    (command,) = lights.detected("a", NOW)
    lights.answered("a", command.command_id, CommandState.REJECTED, at(0.1))
    assert lights.due(at(5)) == []
    assert told(lights.detected("a", at(6))) == {"a": 0.8}


# -- configuration and restart -----------------------------------------------------------------------------------------


def test_another_configuration_keeps_what_lamps_hold_and_forgets_those_that_are_gone() -> None:
    lights = control()
    answer_all(lights, lights.detected("a", NOW), NOW)
    lights.configure([lamp("a"), lamp("b")], Corridor([ROW]), at(1))
    assert lights.due(at(20)) == []
    assert lights.lamps_up() == 2
    assert set(told(lights.due(at(61)))) == {"a", "b"}
    assert lights.levels("c") is None


def test_a_restart_takes_up_holds_and_overrides_and_says_nothing_new() -> None:
    lights = control(lamp("a"), lamp("b"), lamp("c", Steps(((-10, 0.5),))))
    said = lights.detected("a", NOW)
    answer_all(lights, said, NOW)
    commands = [replace(command, state=CommandState.DONE) for command in said + lights.due(at(10))]

    after = control(lamp("a"), lamp("b"), lamp("c", Steps(((-10, 0.5),))))
    after.restore([*commands, override("b", 0.1, 500, issued_s=9)], at(10))
    assert after.due(at(10)) == []
    assert after.lamps_up() == 2  # c is up for presence until 60 s too
    assert after.detected("b", at(12)) == []
    assert {lamp: level for lamp, level in told(after.due(at(73))).items() if lamp != "b"} == {"a": 0.2, "c": 0.5}


def test_what_expired_was_rejected_or_is_over_is_not_taken_up() -> None:
    lights = control(lamp("a"), row=StreetRow(("a",), (0.0,)))
    (command,) = lights.detected("a", NOW)
    for state in (CommandState.REJECTED, CommandState.EXPIRED):
        after = control(lamp("a"), row=StreetRow(("a",), (0.0,)))
        after.restore([replace(command, state=state)], at(10))
        assert told(after.detected("a", at(11))) == {"a": 0.8}
    after = control(lamp("a"), row=StreetRow(("a",), (0.0,)))
    after.restore([command], at(100))
    assert after.due(at(110)) == []


class TestOverrideOutlivesItsCommand:
    """An operator wants 0.7 for an hour; the command is good for 30 s and the lamp answers nothing."""

    def given_up(self) -> tuple[LightControl, Command]:
        lights = control(lamp("a", Steps(((0.0, 0),))))
        wish = replace(override("a", 0.7, 3600), state=CommandState.SENT)
        lights.overridden({"a": wish}, at(0))
        sent = [command for second in range(40) for command in lights.due(at(second))]
        assert {command.dim_level for command in sent} == {0.7}
        assert lights.unresponsive == {"a"}
        return lights, replace(wish, state=CommandState.EXPIRED)

    def test_nothing_else_is_said_while_it_holds_and_the_schedule_after_it(self) -> None:
        lights, expired = self.given_up()
        lights.overridden({"a": expired}, at(60))
        assert [command for second in range(60, 3600, 60) for command in lights.due(at(second))] == []
        lights.spoke("a", at(3000))
        (again,) = lights.due(at(3000))
        assert (again.dim_level, again.reason, again.hold_s) == (0.7, Reason.OVERRIDE, 600)
        lights.answered("a", again.command_id, CommandState.DONE, at(3001))
        lights.overridden({}, at(3600))
        assert {command.dim_level for command in lights.due(at(3600))} <= {0.0}

    @pytest.mark.parametrize("state", [CommandState.EXPIRED, CommandState.SENT])
    def test_light_control_that_starts_again_says_it_again(self, state: CommandState) -> None:
        _, expired = self.given_up()
        lights = control(lamp("a", Steps(((0.0, 0),))))
        lights.restore([replace(expired, state=state)], at(100))
        (told,) = lights.due(at(111))
        assert (told.dim_level, told.reason) == (0.7, Reason.OVERRIDE)


def test_nobody_is_given_up_for_an_answer_that_may_only_have_to_wait() -> None:
    """Thirty seconds late ourselves: what lamps said since the first second is not heard yet."""
    lights = control(lamp("a"))
    (told,) = lights.detected("a", at(0))
    lights.heard(at(1), at(1))
    for second in range(1, 60):
        lights.due(at(second))
    assert lights.unresponsive == set()
    lights.answered("a", told.command_id, CommandState.DONE, at(60))
    lights.heard(at(60), at(60))
    lights.due(at(61))
    assert lights.unresponsive == set()
    lights.detected("a", at(300))
    for second in range(300, 400):
        lights.heard(at(second), at(second))
        lights.due(at(second))
    assert lights.unresponsive == {"a"}
