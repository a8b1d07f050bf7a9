"""When bins were emptied, as it is kept, on SQLite and PostgreSQL."""

from datetime import UTC, datetime, timedelta

from core.pickup import Emptying, EmptyingSource
from state.emptyings import SeenEmptying
from state.state import State

DAWN = datetime(2026, 5, 4, 4, 0, 0, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_the_last_emptying_in_any_order(state: State) -> None:
    for at in (DAWN, DAWN + 2 * HOUR, DAWN + HOUR, DAWN + 2 * HOUR):
        state.emptyings.record("bin-1", "marburg", at, 0.9, 0.1)
    state.emptyings.record("bin-2", "lohra", DAWN, 0.5, 0.0)
    assert state.emptyings.last() == {"bin-1": DAWN + 2 * HOUR, "bin-2": DAWN}
    assert state.emptyings.last("lohra") == {"bin-2": DAWN}
    assert state.emptyings.last("wetter") == {}


def test_emptyings_of_a_span(state: State) -> None:
    for hours in (-1, 0, 5, 10):
        state.emptyings.record("bin-1", "lohra", DAWN + hours * HOUR, 0.8, 0.0)
    state.emptyings.record("bin-2", "wetter", DAWN, 0.8, 0.0)
    found = state.emptyings.seen("lohra", DAWN, DAWN + 10 * HOUR)
    assert found == [SeenEmptying("bin-1", DAWN, 0.8), SeenEmptying("bin-1", DAWN + 5 * HOUR, 0.8)]


def test_emptyings_come_back_as_they_went_newest_first(state: State) -> None:
    seen = Emptying(DAWN, 0.9, 0.1, DAWN - HOUR, partial=False, source=EmptyingSource.BOTH)
    told = Emptying(DAWN + HOUR, None, None, source=EmptyingSource.CONFIRMED)
    half = Emptying(DAWN + 2 * HOUR, 0.9, 0.5, DAWN + HOUR, partial=True)
    state.emptyings.replace("marburg", "p", "b", [seen, told, half], start=DAWN - HOUR, end=DAWN + 2 * HOUR)
    assert state.emptyings.of_place("p", []) == [half, told, seen]
    assert state.emptyings.of_place("p", ["b"], limit=1) == [half]
    assert state.emptyings.last("marburg") == {"b": DAWN + 2 * HOUR}


def test_only_what_lies_in_the_span_is_replaced(state: State) -> None:
    """What was found as it came stays before the span, is replaced in it, and other bins keep theirs."""
    for at in (DAWN - HOUR, DAWN + HOUR):
        state.emptyings.record("b", "marburg", at, 0.9, 0.0)
    state.emptyings.record("other", "marburg", DAWN + HOUR, 0.9, 0.0)
    better = Emptying(DAWN + 2 * HOUR, 0.9, 0.0, DAWN, source=EmptyingSource.BOTH)
    late = Emptying(DAWN + 9 * HOUR, 0.9, 0.0)
    state.emptyings.replace("marburg", "p", "b", [better, late], start=DAWN, end=DAWN + 3 * HOUR)
    assert [emptying.at for emptying in state.emptyings.of_place("p", ["b"])] == [DAWN + 2 * HOUR, DAWN - HOUR]
    assert state.emptyings.last()["other"] == DAWN + HOUR
