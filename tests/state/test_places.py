"""What is kept of places: models by municipality."""

from datetime import UTC, datetime, timedelta

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
