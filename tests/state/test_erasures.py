"""Erasures: the last one of each device counts, and is not kept for ever."""

from datetime import UTC, datetime, timedelta

from state.erasures import KEPT_FOR
from state.state import State

NOON = datetime(2026, 3, 1, 12, 0, 0, 999_999, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


def test_the_last_one_counts(state: State) -> None:
    assert state.erasures.all() == {}
    state.erasures.note("b1", NOON)
    state.erasures.note("b2", NOON)
    state.erasures.note("b1", LATER)
    assert state.erasures.all() == {"b1": LATER, "b2": NOON}


def test_after_a_year_it_is_forgotten(state: State) -> None:
    state.erasures.note("b1", NOON)
    state.erasures.note("b2", LATER)
    state.erasures.note("b3", LATER + KEPT_FOR)
    assert state.erasures.all() == {"b2": LATER, "b3": LATER + KEPT_FOR}
