"""Hand-overs of municipalities between slots."""

from dataclasses import replace

import pytest

from state.shares import Share
from state.state import State

MOVE = Share("marburg", slot=1, former=0, marker="first")


@pytest.fixture(autouse=True)
def leases(state: State) -> None:
    for slot, holder in ((1, "a"), (2, "b")):
        assert state.leases.acquire(f"slot/{slot}", holder)


def test_a_hand_over_from_claim_to_end(state: State) -> None:
    assert state.shares.all() == {}
    state.shares.claim([MOVE], "slot/1", "a")
    assert state.shares.all() == {"marburg": MOVE}
    state.shares.end(MOVE)
    assert state.shares.all() == {"marburg": replace(MOVE, ended=True)}
    state.shares.begin(MOVE)
    state.shares.begin(MOVE)
    assert state.shares.all()["marburg"].settled


def test_a_municipality_that_is_going_over_is_not_claimed(state: State) -> None:
    state.shares.claim([MOVE], "slot/1", "a")
    state.shares.begin(MOVE)
    state.shares.claim([Share("marburg", slot=2, former=1, marker="second")], "slot/2", "b")
    assert state.shares.all()["marburg"].marker == "first"
    state.shares.end(MOVE)
    state.shares.claim([Share("marburg", slot=2, former=0, marker="second")], "slot/2", "b")
    assert state.shares.all()["marburg"].marker == "first", "slot 0 serves it no more"
    state.shares.claim([Share("marburg", slot=2, former=1, marker="second")], "slot/2", "b")
    assert state.shares.all() == {"marburg": Share("marburg", slot=2, former=1, marker="second")}
    state.shares.end(MOVE)
    assert not state.shares.all()["marburg"].ended, "an earlier hand-over changes nothing"


def test_who_has_lost_the_slot_claims_nothing(state: State) -> None:
    state.shares.claim([MOVE], "slot/1", "b")
    state.shares.claim([MOVE], "slot/3", "a")
    assert state.shares.all() == {}
