"""Rejected messages."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import NotFoundError
from core.rejected import RejectedMessage
from state.rejected import RejectedFilter
from state.state import State

NOON = datetime(2026, 3, 1, 12, 0, 0, 999_999, tzinfo=UTC)
MESSAGE = RejectedMessage(
    topic="kreispuls/v1/marburg/streetlight/lamp-1/event/up",
    payload=b'\x00\xff{"dim_level": 7}',
    payload_size=70_000,
    reason="dim_level: 7 is not within 0 to 1",
    received_at=NOON,
    municipality="marburg",
    device_type="streetlight",
    device_id="lamp-1",
    partial=True,
)


def newest(state: State, **conditions: str) -> list[RejectedMessage]:
    return state.rejected.page(RejectedFilter(**conditions)).items


def test_a_message_comes_back_as_it_went_and_with_an_id(state: State) -> None:
    state.rejected.add([MESSAGE])
    [kept] = newest(state)
    assert kept.rejected_id is not None
    assert kept == replace(MESSAGE, rejected_id=kept.rejected_id)
    assert state.rejected.get(kept.rejected_id) == kept


def test_a_message_of_nobody_known(state: State) -> None:
    stray = replace(MESSAGE, municipality=None, device_type=None, device_id=None, partial=False, payload=b"")
    state.rejected.add([stray])
    [kept] = newest(state)
    assert replace(kept, rejected_id=None) == stray


def test_only_the_beginning_of_a_payload_is_kept(state: State) -> None:
    state.rejected.add([replace(MESSAGE, payload=b"x" * 4097, payload_size=4097)])
    [kept] = newest(state)
    assert (len(kept.payload), kept.payload_size) == (4096, 4097)


def test_text_that_no_database_takes_is_made_storable(state: State) -> None:
    state.rejected.add([replace(MESSAGE, topic="a\x00/\ud83d", reason="\udc00 🚮", device_id="\x00")])
    [kept] = newest(state)
    assert (kept.topic, kept.reason, kept.device_id) == ("a\ufffd/\ufffd", "\ufffd 🚮", "\ufffd")


def test_newest_first_and_filters_narrow_together(state: State) -> None:
    state.rejected.add(
        [
            replace(MESSAGE, reason="1"),
            replace(MESSAGE, reason="2", municipality="lohra"),
            replace(MESSAGE, reason="3", device_id="lamp-2", received_at=NOON - timedelta(days=1)),
        ]
    )
    state.rejected.add([])
    assert [each.reason for each in newest(state)] == ["3", "2", "1"]
    assert [each.reason for each in newest(state, municipality="marburg")] == ["3", "1"]
    assert [each.reason for each in newest(state, municipality="marburg", device_id="lamp-1")] == ["1"]
    assert newest(state, device_type="waste_bin") == []


def test_a_replay_is_noted(state: State) -> None:
    state.rejected.add([MESSAGE, MESSAGE])
    last, first = newest(state)
    assert first.rejected_id is not None
    state.rejected.mark_replayed(first.rejected_id, NOON)
    assert state.rejected.get(first.rejected_id).replayed_at == NOON
    assert newest(state)[0] == last


def test_unknown_message(state: State) -> None:
    state.rejected.add([MESSAGE])
    for unknown in (-1, 0, 2, 2**63 - 1, 2**63, 10**30):
        with pytest.raises(NotFoundError, match=str(unknown)):
            state.rejected.get(unknown)
        with pytest.raises(NotFoundError, match=str(unknown)):
            state.rejected.mark_replayed(unknown, NOON)


def test_prune_keeps_the_newest_and_ids_never_come_back(state: State) -> None:
    state.rejected.add([replace(MESSAGE, reason=str(number)) for number in range(10)])
    assert state.rejected.count() == 10
    assert state.rejected.prune(10) == 0
    assert state.rejected.prune(3) == 7
    assert [each.reason for each in newest(state)] == ["9", "8", "7"]
    last_id = newest(state)[0].rejected_id
    assert state.rejected.prune(0) == 3
    assert state.rejected.count() == 0
    state.rejected.add([MESSAGE])
    next_id = newest(state)[0].rejected_id
    assert last_id is not None
    assert next_id is not None
    assert next_id > last_id


def test_a_message_that_comes_again_is_kept_once(state: State) -> None:
    later = replace(MESSAGE, received_at=NOON + timedelta(microseconds=1))
    other = replace(MESSAGE, reason="another")
    state.rejected.add([MESSAGE])
    assert state.rejected.add_missing([MESSAGE, later, other]) == 2
    assert state.rejected.add_missing([later]) == 0
    assert state.rejected.add_missing([]) == 0
    assert [(each.received_at, each.reason) for each in newest(state)] == [
        (NOON, "another"),
        (later.received_at, MESSAGE.reason),
        (NOON, MESSAGE.reason),
    ]
