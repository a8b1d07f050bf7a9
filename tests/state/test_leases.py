"""Leases: one holder at a time, free again when they run out. Shares: one slot per municipality."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from state.leases import LEASE_FOR, Lease
from state.state import State

NOW = datetime(2026, 3, 1, tzinfo=UTC)
OVER = NOW + LEASE_FOR


def test_a_name_has_one_holder_until_its_lease_is_over(state: State) -> None:
    assert state.leases.acquire("slot/1", "a", NOW)
    assert state.leases.acquire("slot/1", "a", NOW), "one's own again"
    assert not state.leases.acquire("slot/1", "b", OVER - timedelta(microseconds=1))
    assert state.leases.acquire("slot/1", "b", OVER)
    assert not state.leases.acquire("slot/1", "a", OVER)


def test_renewal_prolongs_what_is_still_ours(state: State) -> None:
    for name in ("slot/1", "slot/2"):
        assert state.leases.acquire(name, "a", NOW)
    assert state.leases.acquire("slot/2", "b", OVER)
    assert state.leases.renew(["slot/1", "slot/2", "slot/3"], "a", OVER) == {"slot/1"}
    assert state.leases.all(OVER + LEASE_FOR - timedelta(seconds=1)) == [
        Lease("slot/1", "a", live=True),
        Lease("slot/2", "b", live=True),
    ]


def test_what_is_released_is_free_and_stays_known(state: State) -> None:
    assert state.leases.acquire("slot/1", "a", NOW)
    state.leases.release(["slot/1"], "b")
    assert state.leases.all(NOW) == [Lease("slot/1", "a", live=True)]
    state.leases.release(["slot/1"], "a")
    assert state.leases.all(NOW) == [Lease("slot/1", "a", live=False)]
    assert state.leases.acquire("slot/1", "b", NOW)


def test_of_many_at_once_one_gets_it(state: State) -> None:
    with ThreadPoolExecutor(8) as threads:
        got = list(threads.map(lambda holder: state.leases.acquire("jobs", f"{holder}"), range(16)))
    assert sum(got) == 1


def test_without_an_instant_the_databases_clock_counts(state: State) -> None:
    assert state.leases.acquire("jobs", "a")
    assert not state.leases.acquire("jobs", "b")
    assert state.leases.all() == [Lease("jobs", "a", live=True)]
    assert state.leases.all(datetime.now(UTC) + timedelta(minutes=1)) == [Lease("jobs", "a", live=False)]


@pytest.mark.parametrize("names", [[], ["nobody's"]])
def test_renewing_nothing(state: State, names: list[str]) -> None:
    assert state.leases.renew(names, "a", NOW) == frozenset()


def test_a_lease_as_long_as_one_likes(state: State) -> None:
    assert state.leases.acquire("slot/1", "a", NOW, hold=timedelta(seconds=1))
    assert state.leases.renew(["slot/1"], "a", NOW, hold=timedelta(seconds=2)) == {"slot/1"}
    assert not state.leases.acquire("slot/1", "b", NOW + timedelta(seconds=1.9))
    assert state.leases.acquire("slot/1", "b", NOW + timedelta(seconds=2))
