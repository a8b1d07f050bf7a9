"""What is kept of places: models by municipality, emptyings by place."""

from datetime import UTC, datetime, timedelta

from core.pickup import Emptying, EmptyingSource
from state.state import State

DAWN = datetime(2026, 5, 4, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_models_come_back_by_place_and_by_municipality_and_kind(state: State) -> None:
    state.places.replace_models("marburg", DAWN, places={"p": {"rate": 0.1}}, kinds={"": {"rate": 0.2}})
    state.places.replace_models("lohra", DAWN + HOUR, places={"q": {"rate": 0.3}}, kinds={"": {"rate": 0.4}})
    everywhere = state.places.models()
    assert everywhere.places == {"p": {"rate": 0.1}, "q": {"rate": 0.3}}
    assert everywhere.kinds == {("marburg", ""): {"rate": 0.2}, ("lohra", ""): {"rate": 0.4}}
    assert state.places.models("lohra").places == {"q": {"rate": 0.3}}
    assert state.places.learned_at() == {"marburg": DAWN, "lohra": DAWN + HOUR}


def test_learning_again_replaces_all_of_a_municipality(state: State) -> None:
    state.places.replace_models("marburg", DAWN, places={"gone": {}, "p": {"rate": 0.1}}, kinds={"park": {}})
    state.places.replace_models("marburg", DAWN + HOUR, places={"p": {"rate": 0.2}}, kinds={})
    assert state.places.models("marburg").places == {"p": {"rate": 0.2}}
    assert state.places.models("marburg").kinds == {}


def test_emptyings_come_back_as_they_went_newest_first(state: State) -> None:
    seen = Emptying(DAWN, 0.9, 0.1, DAWN - HOUR, partial=False, source=EmptyingSource.BOTH)
    told = Emptying(DAWN + HOUR, None, None, source=EmptyingSource.CONFIRMED)
    half = Emptying(DAWN + 2 * HOUR, 0.9, 0.5, DAWN + HOUR, partial=True)
    state.places.replace_emptyings("marburg", "p", "b", [seen, told, half], start=DAWN - HOUR, end=DAWN + 2 * HOUR)
    assert state.places.emptyings("p", []) == [half, told, seen]
    assert state.places.emptyings("p", ["b"], limit=1) == [half]
    assert state.pickups.last_emptyings("marburg") == {"b": DAWN + 2 * HOUR}


def test_only_what_lies_in_the_span_is_replaced(state: State) -> None:
    """What was found as it came stays before the span, is replaced in it, and other bins keep theirs."""
    for at in (DAWN - HOUR, DAWN + HOUR):
        state.pickups.record_emptying("b", "marburg", at, 0.9, 0.0)
    state.pickups.record_emptying("other", "marburg", DAWN + HOUR, 0.9, 0.0)
    better = Emptying(DAWN + 2 * HOUR, 0.9, 0.0, DAWN, source=EmptyingSource.BOTH)
    late = Emptying(DAWN + 9 * HOUR, 0.9, 0.0)
    state.places.replace_emptyings("marburg", "p", "b", [better, late], start=DAWN, end=DAWN + 3 * HOUR)
    assert [emptying.at for emptying in state.places.emptyings("p", ["b"])] == [DAWN + 2 * HOUR, DAWN - HOUR]
    assert state.pickups.last_emptyings()["other"] == DAWN + HOUR
