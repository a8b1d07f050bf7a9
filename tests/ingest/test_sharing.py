"""Sharing out: one owner for everything, the same everywhere, and only a share moves."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SettingsError
from ingest.sharing import (
    CATCH_ALL,
    MAX_WORKERS,
    WorkerNumber,
    claims,
    handles,
    hears,
    keeper_of,
    slot_of,
    winner,
)
from state.shares import Share

names = st.from_regex(r"[a-z0-9-]{1,64}", fullmatch=True)
workers = st.frozensets(st.integers(1, MAX_WORKERS), min_size=1, max_size=12)


@given(names, st.integers(1, 32))
def test_every_municipality_has_one_slot_among_those_there_are(municipality: str, count: int) -> None:
    assert 1 <= slot_of(municipality, count) <= count


@given(names, st.integers(1, 31))
def test_a_slot_more_takes_its_share_and_moves_nothing_else(municipality: str, count: int) -> None:
    before, after = slot_of(municipality, count), slot_of(municipality, count + 1)
    assert after in (before, count + 1)


@given(names, workers, st.data())
def test_a_candidate_that_leaves_moves_only_what_it_had(key: str, there: frozenset[int], data: st.DataObject) -> None:
    leaving = data.draw(st.sampled_from(sorted(there)))
    if winner(key, there) != leaving:
        assert winner(key, there - {leaving}) == winner(key, there)


@given(st.integers(0, 40), workers)
def test_every_slot_has_one_keeper_who_lives(slot: int, live: frozenset[int]) -> None:
    keeper = keeper_of(slot, live)
    assert keeper in live
    assert keeper == slot or slot not in live


def test_no_worker_keeps_nothing() -> None:
    assert keeper_of(3, []) is None


def test_municipalities_are_spread_evenly() -> None:
    """10,000 names on 4 slots: 2,500 each, standard deviation sqrt(10,000 * 1/4 * 3/4) = 43.3; five of these."""
    counts = Counter(slot_of(f"town-{number}", 4) for number in range(10_000))
    assert set(counts) == {1, 2, 3, 4}
    assert all(abs(count - 2500) < 217 for count in counts.values()), counts


def test_the_hash_is_the_same_for_ever() -> None:
    """Another hash would move everything at an update. Computed once with blake2b; any change must be a decision."""
    assert [slot_of(name, 4) for name in ("marburg", "kirchhain", "stadtallendorf", "gladenbach")] == [2, 2, 3, 2]


def test_of_two_slots_in_a_hand_over_each_knows_its_part() -> None:
    share = Share("marburg", slot=2, former=1, marker="m")
    states = {
        (begun, ended): [slot for slot in range(4) if handles(slot, replace(share, begun=begun, ended=ended))]
        for begun in (False, True)
        for ended in (False, True)
    }
    assert states == {(False, False): [1], (True, False): [1, 2], (False, True): [], (True, True): [2]}
    assert [slot for slot in range(4) if hears(slot, share)] == [1, 2]
    assert [slot for slot in range(4) if hears(slot, replace(share, ended=True))] == [2]


def test_a_slot_claims_what_is_its_own_and_at_rest_elsewhere() -> None:
    """Among 4 (see above) slot 2 has marburg and kirchhain, slot 3 stadtallendorf."""
    going = Share("kirchhain", slot=1, former=0, marker="m", begun=True)
    (claim,) = claims(2, ["marburg", "stadtallendorf"], {"kirchhain": going}, 4)
    assert (claim.municipality, claim.slot, claim.former, claim.settled) == ("marburg", 2, CATCH_ALL, False)
    (claim,) = claims(2, [], {"kirchhain": replace(going, ended=True)}, 4)
    assert (claim.municipality, claim.former) == ("kirchhain", 1)
    assert claims(2, ["marburg"], {"marburg": Share("marburg", 2, 0, "m")}, 4) == []


@given(st.frozensets(names, max_size=20), st.integers(1, 8), st.integers(1, 8))
def test_after_each_change_of_the_count_every_municipality_is_claimed_by_its_slot(
    known: frozenset[str], before: int, after: int
) -> None:
    shares: dict[str, Share] = {}
    for count in (before, after):
        for slot in range(max(before, after) + 1):
            for claim in claims(slot, known, shares, count):
                shares[claim.municipality] = replace(claim, begun=True, ended=True)
        assert {name: share.slot for name, share in shares.items()} == {name: slot_of(name, count) for name in known}


def test_a_worker_number() -> None:
    assert WorkerNumber.parse("2/4") == WorkerNumber(2, 4)
    assert str(WorkerNumber(2, 4)) == "2/4"


@pytest.mark.parametrize("text", ["", "1", "0/4", "5/4", "1/0", "a/b", "1/4/4", "-1/4", "1/257", "1/ 4", "²/4"])
def test_what_is_no_worker_number(text: str) -> None:
    with pytest.raises(SettingsError, match="--worker"):
        WorkerNumber.parse(text)
