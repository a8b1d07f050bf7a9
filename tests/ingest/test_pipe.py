"""What goes through the pipe between the two processes of ingest comes out as it went in, in order."""

import threading
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.command import Command, CommandState, Reason
from ingest.batch_queue import BatchQueue
from ingest.pipe import pack, unpack

FIRST, LAST = (datetime.fromisoformat(day) for day in ("2000-01-01", "2100-01-01"))
instants = st.datetimes(FIRST, LAST, timezones=st.just(UTC))


@given(
    instants, st.integers(1, 10**9), st.floats(0, 1), st.one_of(st.none(), st.floats(0, 1e5)), st.sampled_from(Reason)
)
def test_a_command_is_the_same_afterwards(
    at: datetime, good_for_us: int, level: float, hold_s: float | None, reason: Reason
) -> None:
    command = Command(
        command_id="c", device_id="l1", device_type="streetlight", municipality="marburg", name="set_light",
        dim_level=level, fade_s=0.5, hold_s=hold_s, reason=reason, state=CommandState.SENT,
        issued_at=at, expires_at=at + timedelta(microseconds=good_for_us),
    )  # fmt: skip
    assert unpack(pack(command)) == command


def test_what_several_threads_put_is_taken_once_and_in_the_order_of_each() -> None:
    intake: BatchQueue[tuple[int, int]] = BatchQueue(largest=7, max_age_s=0.01, idle_s=0.001)

    def put(thread: int) -> None:
        for number in range(500):
            assert intake.put((thread, number))

    threads = [threading.Thread(target=put, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    taken: list[tuple[int, int]] = []
    while len(taken) < 2000:
        batch = intake.take()
        assert len(batch) <= 7
        taken += batch
    for thread in threads:
        thread.join()
    for each in range(4):
        assert [number for owner, number in taken if owner == each] == list(range(500))


def test_closed_it_takes_nothing_in_and_gives_out_what_it_has() -> None:
    intake: BatchQueue[int] = BatchQueue(largest=10, max_age_s=0.01)
    assert intake.put(1)
    intake.close()
    assert not intake.put(2)
    assert intake.take() == [1]
    assert intake.take() == []
