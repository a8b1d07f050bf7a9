"""Commands and what became of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.command import Command, CommandState, Reason
from core.errors import InvalidInputError, NotFoundError
from state.state import State

NOON = datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SENT = Command(
    command_id="c1",
    device_id="lamp-1",
    device_type="streetlight",
    municipality="marburg",
    name="set_light",
    dim_level=0.7,
    fade_s=1.5,
    hold_s=600.0,
    reason=Reason.OVERRIDE,
    state=CommandState.SENT,
    issued_at=NOON,
    expires_at=NOON + 30 * SECOND,
)


def test_a_command_comes_back_as_it_went(state: State) -> None:
    answered = replace(
        SENT, command_id="c2", state=CommandState.DONE, detail="ok", answered_at=NOON + SECOND, hold_s=None
    )
    state.commands.add([SENT, answered])
    assert state.commands.get("c1") == SENT
    assert state.commands.get("c2") == answered
    with pytest.raises(NotFoundError, match="c3"):
        state.commands.get("c3")


def test_adding_again_does_not_undo_an_answer(state: State) -> None:
    state.commands.add([SENT])
    assert state.commands.answer("c1", CommandState.DONE, "", NOON + SECOND)
    state.commands.add([SENT, replace(SENT, command_id="c2")])
    assert state.commands.get("c1").state is CommandState.DONE
    assert state.commands.get("c2").state is CommandState.SENT
    state.commands.add([])


@pytest.mark.parametrize("answer", [CommandState.DONE, CommandState.REJECTED])
@pytest.mark.parametrize("is_late", [False, True])
def test_the_first_answer_counts_also_after_expiry(state: State, answer: CommandState, *, is_late: bool) -> None:
    state.commands.add([SENT])
    if is_late:
        assert state.commands.expire(NOON + 31 * SECOND) == 1
    assert state.commands.answer("c1", answer, "dim\x00mer \ud800", NOON + 40 * SECOND)
    expected = replace(SENT, state=answer, detail="dim\ufffdmer \ufffd", answered_at=NOON + 40 * SECOND)
    assert state.commands.get("c1") == expected
    for later in (CommandState.DONE, CommandState.REJECTED):
        assert state.commands.answer("c1", later, "again", NOON + 50 * SECOND), "known"
    assert state.commands.get("c1") == expected


def test_an_answer_to_nothing(state: State) -> None:
    assert not state.commands.answer("c1", CommandState.DONE, "", NOON)


@pytest.mark.parametrize("wrong", [CommandState.SENT, CommandState.EXPIRED])
def test_what_is_no_answer(state: State, wrong: CommandState) -> None:
    state.commands.add([SENT])
    with pytest.raises(InvalidInputError, match=wrong):
        state.commands.answer("c1", wrong, "", NOON)
    assert state.commands.get("c1") == SENT


def test_only_what_is_unanswered_and_past_its_time_expires(state: State) -> None:
    state.commands.add(
        [
            SENT,
            replace(SENT, command_id="just", expires_at=NOON + 60 * SECOND),
            replace(SENT, command_id="done", state=CommandState.DONE),
        ]
    )
    assert state.commands.expire(NOON + 60 * SECOND) == 1
    assert [state.commands.get(each).state for each in ("c1", "just", "done")] == [
        CommandState.EXPIRED,
        CommandState.SENT,
        CommandState.DONE,
    ]
    assert state.commands.expire(NOON + 60 * SECOND) == 0


def test_the_newest_first(state: State) -> None:
    state.commands.add(
        [
            replace(SENT, command_id=f"c{number}", issued_at=NOON + number * SECOND, municipality=municipality)
            for number, municipality in enumerate(["marburg", "lohra", "marburg", "marburg"])
        ]
    )
    assert [each.command_id for each in state.commands.recent(10)] == ["c3", "c2", "c1", "c0"]
    assert [each.command_id for each in state.commands.recent(2)] == ["c3", "c2"]
    assert [each.command_id for each in state.commands.recent(2, municipality="marburg")] == ["c3", "c2"]
    assert [each.command_id for each in state.commands.recent(2, municipality="lohra")] == ["c1"]


def test_overrides_in_force_are_the_newest_per_device_within_their_hold_time(state: State) -> None:
    for_ever = replace(SENT, command_id="for ever", device_id="lamp-2", hold_s=None, state=CommandState.DONE)
    state.commands.add(
        [
            SENT,
            for_ever,
            replace(SENT, command_id="presence", device_id="lamp-3", reason=Reason.PRESENCE),
            replace(SENT, command_id="withdrawn", device_id="lamp-4"),
            replace(SENT, command_id="rejected", device_id="lamp-5", state=CommandState.REJECTED),
        ]
    )
    state.commands.withdraw(["withdrawn"], "not taken by the broker")
    hold_end = NOON + 600 * SECOND
    assert state.commands.active_overrides(hold_end - timedelta(microseconds=1)) == [SENT, for_ever]
    assert state.commands.active_overrides(hold_end) == [for_ever]


def test_what_an_operator_wants_outlives_the_command_that_no_lamp_answered(state: State) -> None:
    """Sent at noon for ten minutes, good for half a minute; another lamp still holds its older override."""
    older = replace(SENT, command_id="older", issued_at=NOON - 60 * SECOND, state=CommandState.DONE, dim_level=0.2)
    state.commands.add([older, SENT])
    state.commands.expire(NOON + 100 * SECOND)
    (wanted,) = state.commands.active_overrides(NOON + 100 * SECOND)
    assert (wanted.command_id, wanted.state) == (SENT.command_id, CommandState.EXPIRED)
    assert wanted in state.commands.held(NOON + 100 * SECOND)
    assert state.commands.active_overrides(NOON + 600 * SECOND) == []


def test_a_newer_override_ends_an_older_one_if_it_was_taken(state: State) -> None:
    brief = replace(SENT, command_id="brief", issued_at=NOON + SECOND, hold_s=10.0)
    refused = replace(SENT, command_id="refused", issued_at=NOON + 2 * SECOND, state=CommandState.REJECTED)
    state.commands.add([SENT, brief, refused])
    assert state.commands.active_overrides(NOON + 5 * SECOND) == [brief]
    assert state.commands.active_overrides(NOON + 20 * SECOND) == [], "the lamp left the older one for the brief one"


def test_held_is_the_newest_of_each_lamp_and_its_override(state: State) -> None:
    presence = replace(SENT, command_id="p", reason=Reason.PRESENCE, issued_at=NOON + SECOND, hold_s=75.0)
    older = replace(presence, command_id="older", issued_at=NOON)
    elsewhere = replace(presence, command_id="elsewhere", device_id="lamp-2", state=CommandState.DONE)
    expired = replace(presence, command_id="expired", device_id="lamp-3", state=CommandState.EXPIRED)
    for_good = replace(SENT, command_id="good", device_id="lamp-4", issued_at=NOON - timedelta(days=9), hold_s=None)
    state.commands.add([SENT, older, presence, elsewhere, expired, for_good])
    assert state.commands.held(NOON + 60 * SECOND) == [SENT, presence, elsewhere, for_good]
    assert state.commands.held(NOON + 76 * SECOND) == [SENT, for_good], "the hold is over"
    assert state.commands.held(NOON + 600 * SECOND) == [for_good]


def test_prune_deletes_what_was_issued_before(state: State) -> None:
    state.commands.add([SENT, replace(SENT, command_id="c2", issued_at=NOON + SECOND)])
    assert state.commands.prune(NOON + SECOND) == 1
    assert [each.command_id for each in state.commands.recent(10)] == ["c2"]


def test_prune_for_one_reason_leaves_the_others(state: State) -> None:
    state.commands.add([SENT, replace(SENT, command_id="c2", reason=Reason.SCHEDULE)])
    assert state.commands.prune(NOON + SECOND, Reason.SCHEDULE) == 1
    assert [each.command_id for each in state.commands.recent(10)] == [SENT.command_id]
