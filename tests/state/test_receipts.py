"""Receipts: a message that is sent again was received when it came first."""

from datetime import UTC, datetime, timedelta

from state.receipts import Receipt
from state.state import State

NOON = datetime(2026, 3, 1, 12, 0, 0, 999_999, tzinfo=UTC)


def receipt(packet: int, digest: bytes, seconds: float, *, repeated: bool = False, session: str = "s") -> Receipt:
    return Receipt(session, packet, digest, NOON + timedelta(seconds=seconds), repeated)


def remembered(state: State, *receipts: Receipt) -> list[float]:
    """Seconds after noon."""
    return [(at - NOON).total_seconds() for at in state.receipts.remember(receipts)]


def test_sent_again_it_was_received_when_it_came_first(state: State) -> None:
    assert remembered(state, receipt(1, b"a", 0), receipt(2, b"b", 1)) == [0, 1]
    assert remembered(state, receipt(1, b"a", 5, repeated=True)) == [0]
    assert remembered(state, receipt(2, b"b", 6, repeated=True), receipt(1, b"a", 7, repeated=True)) == [1, 0]


def test_an_identifier_that_is_given_to_a_new_message_forgets_the_old_one(state: State) -> None:
    assert remembered(state, receipt(1, b"a", 0)) == [0]
    assert remembered(state, receipt(1, b"a", 1)) == [1], "the same content, but not sent again"
    assert remembered(state, receipt(1, b"a", 2, repeated=True)) == [1]
    assert remembered(state, receipt(1, b"b", 3, repeated=True)) == [3], "its first delivery was lost on its way"
    assert remembered(state, receipt(1, b"b", 4, repeated=True)) == [3]


def test_both_deliveries_in_one_batch(state: State) -> None:
    assert remembered(state, receipt(1, b"a", 0), receipt(1, b"a", 1, repeated=True)) == [0, 0]
    assert remembered(state, receipt(1, b"b", 2, repeated=True), receipt(1, b"b", 3, repeated=True)) == [2, 2]
    assert remembered(state, receipt(1, b"b", 4, repeated=True)) == [2]


def test_sessions_do_not_meet(state: State) -> None:
    assert remembered(state, receipt(1, b"a", 0), receipt(1, b"a", 1, session="t")) == [0, 1]
    both = [receipt(1, b"a", 5, repeated=True, session=name) for name in ("t", "s", "u")]
    assert remembered(state, *both) == [1, 0, 5]


def test_every_identifier_of_a_session_and_nothing_at_all(state: State) -> None:
    assert remembered(state) == []
    assert remembered(state, *[receipt(packet, b"a", packet) for packet in range(1, 65_536)])[-1] == 65_535
    again = [receipt(packet, b"a", 0, repeated=True) for packet in range(1, 65_536)]
    assert remembered(state, *again) == list(range(1, 65_536))
