"""What the rules know of a lamp's commands: only what the lamp said that it does, and for as long as it does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from core.command import Command, CommandState, Reason
from ingest.keeping.commanded import CommandedLamps

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def told(
    number: int, minute: int, level: float, hold_min: float | None = 10, reason: Reason = Reason.PRESENCE
) -> Command:
    at = NOON + minute * MINUTE
    return Command(
        command_id=f"c{number}", device_id="l1", device_type="streetlight", municipality="marburg", name="set_light",
        dim_level=level, fade_s=1.0, hold_s=None if hold_min is None else hold_min * 60, reason=reason,
        state=CommandState.SENT, issued_at=at, expires_at=at + MINUTE,
    )  # fmt: skip


def test_a_level_is_wanted_once_the_lamp_has_said_that_it_does_it_and_until_its_hold_ends() -> None:
    lamps = CommandedLamps()
    lamps.note(told(1, 0, 0.8))
    assert lamps.wanted_level("l1", NOON + MINUTE) is None, "it may never have heard"
    lamps.answered("l1", "c1", CommandState.DONE)
    assert lamps.wanted_level("l1", NOON - MINUTE) is None
    assert lamps.wanted_level("l1", NOON + 9 * MINUTE) == 0.8
    assert lamps.wanted_level("l1", NOON + 10 * MINUTE) is None, "it is back at its own schedule"
    lamps.note(replace(told(1, 8, 0.8), command_id="c1"))
    assert lamps.wanted_level("l1", NOON + 17 * MINUTE) == 0.8, "renewed under its id"
    lamps.note(told(2, 12, 0.2))
    lamps.answered("l1", "c2", CommandState.REJECTED)
    assert lamps.wanted_level("l1", NOON + 13 * MINUTE) is None, "who knows what it shows"
    assert lamps.wanted_level("l2", NOON) is None


def test_an_override_counts_before_everything_else() -> None:
    lamps = CommandedLamps()
    lamps.note(told(1, 0, 0.8))
    lamps.answered("l1", "c1", CommandState.DONE)
    override = replace(told(2, 1, 0.0, None, Reason.OVERRIDE), state=CommandState.DONE)
    lamps.override([override])
    assert (lamps.overridden("l1", NOON), lamps.overridden("l1", NOON + 2 * MINUTE)) == (False, True)
    assert lamps.wanted_level("l1", NOON + 2 * MINUTE) == 0.0
    lamps.override([replace(override, state=CommandState.SENT)])
    assert lamps.wanted_level("l1", NOON + 2 * MINUTE) == 0.8
    lamps.override([])
    assert not lamps.overridden("l1", NOON + 2 * MINUTE)


def test_switchings_are_those_that_change_on_and_off() -> None:
    lamps = CommandedLamps()
    for number, level in enumerate((0.2, 0.8, 0.0, 0.0, 0.5)):
        lamps.note(told(number, number, level))
        lamps.answered("l1", f"c{number}", CommandState.DONE)
    assert lamps.commanded_switchings("l1", NOON, NOON + 10 * MINUTE) == 2
    assert lamps.commanded_switchings("l1", NOON - MINUTE, NOON + MINUTE) == 1
    assert lamps.commanded_switchings("l1", NOON + 2 * MINUTE, NOON + 3 * MINUTE) == 0
