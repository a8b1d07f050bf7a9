"""The lease on a session, by a clock that the test sets; the database's own instants come from the same clock."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import StorageUnavailableError
from ingest.keeping.lease import SessionLease
from ingest.wait_for_database import StoppedWaitingError
from state.leases import Leases
from state.state import State, open_state

HOLD_S = 6.0


class Clock:
    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


class Database(Leases):
    """The real leases at the test's time; away when the test says so."""

    def __init__(self, state: State, clock: Clock) -> None:
        super().__init__(state.engine)
        self._clock = clock
        self.is_away = False

    def _now(self) -> datetime:
        if self.is_away:
            raise StorageUnavailableError("away")
        return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=self._clock.s)

    def now(self) -> datetime:
        return self._now()

    def acquire(self, name, holder, now=None, hold=timedelta(seconds=HOLD_S)):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
        return super().acquire(name, holder, now or self._now(), hold)

    def renew(self, names, holder, now=None, hold=timedelta(seconds=HOLD_S)):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
        return super().renew(names, holder, now or self._now(), hold)

    def all(self, now=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
        return super().all(now or self._now())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path, clock: Clock) -> Iterator[Database]:
    with closing(open_state(f"sqlite:///{tmp_path / 'state.db'}")) as state:
        yield Database(state, clock)


@pytest.fixture
def two(database: Database, clock: Clock) -> tuple[SessionLease, SessionLease]:
    first, second = (SessionLease(database, "session", HOLD_S, clock=clock) for _ in range(2))
    return first, second


def test_one_has_it_and_the_other_gets_it_when_it_is_not_renewed_any_more(
    two: tuple[SessionLease, SessionLease], clock: Clock
) -> None:
    first, second = two
    assert first.try_take()
    clock.s += HOLD_S - 1
    assert not second.try_take()
    assert first.renew()
    clock.s += HOLD_S - 1
    assert not second.try_take()
    clock.s += 1
    assert second.try_take()
    assert not first.renew(), "it was too slow, and knows it"


def test_what_runs_out_while_the_database_makes_one_wait_is_not_taken(
    two: tuple[SessionLease, SessionLease], database: Database, clock: Clock
) -> None:
    """A lock that lasts longer than the lease holds up the renewal as well as who would take it."""
    first, second = two
    assert first.try_take()
    acquire: Callable[..., bool] = database.acquire

    def held_up(*arguments: Any, **options: Any) -> bool:
        clock.s += 2 * HOLD_S
        return acquire(*arguments, **options)

    database.acquire = held_up  # type: ignore[method-assign]
    assert not second.try_take()
    database.acquire = acquire  # type: ignore[method-assign]
    assert first.renew()
    assert not second.try_take()


def test_given_back_it_is_free_at_once(two: tuple[SessionLease, SessionLease]) -> None:
    first, second = two
    assert first.try_take()
    first.release()
    assert second.try_take()


def test_another_session_is_another_lease(two: tuple[SessionLease, SessionLease], database: Database) -> None:
    assert two[0].try_take()
    assert SessionLease(database, "another", HOLD_S).try_take()


def test_when_the_database_was_away_who_had_it_gets_as_long_as_it_lasts_to_renew(
    two: tuple[SessionLease, SessionLease], database: Database, clock: Clock
) -> None:
    first, second = two
    assert first.try_take()
    database.is_away = True
    clock.s += 100
    with pytest.raises(StorageUnavailableError):
        first.renew()
    assert not second.try_take()
    database.is_away = False
    clock.s += HOLD_S - 0.1
    assert not second.try_take(), "it has run out, and is not taken yet"
    assert first.renew()
    clock.s += 0.1
    assert not second.try_take()


def test_jobs_are_led_by_one_and_only_as_long_as_that_is_certain(
    two: tuple[SessionLease, SessionLease], database: Database, clock: Clock
) -> None:
    first, other = two[0], SessionLease(database, "another", HOLD_S, clock=clock)
    assert first.try_take()
    assert other.try_take()
    assert first.renew()
    assert other.renew()
    assert (first.leads, other.leads) == (True, False)
    clock.s += HOLD_S
    assert not first.leads, "it may be another's by now"
    assert other.renew()
    assert other.leads
    first.give_back()
    other.give_back()
    assert not other.leads


def test_told_to_stop_while_it_stands_by(two: tuple[SessionLease, SessionLease]) -> None:
    class ToldAtOnce:
        def wait(self, timeout: float) -> bool:
            assert timeout == HOLD_S / 6
            return True

    assert two[0].try_take()
    with pytest.raises(StoppedWaitingError):
        two[1].wait(ToldAtOnce())
