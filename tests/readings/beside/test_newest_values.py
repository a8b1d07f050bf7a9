"""Newest values beside InfluxDB, on SQLite and PostgreSQL: several writers, filling, deleting."""

import itertools
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import SettingsError, StorageUnavailableError
from core.quantity import Value
from core.reading import DeviceObservation, Reading
from readings.beside import newest_values
from readings.beside.newest_values import ROWS_AT_ONCE, NewestValues
from readings.beside.opened import Beside, open_beside

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def lamp(second: float, device_id: str = "lamp-1", municipality: str = "marburg", **values: Value) -> Reading:
    at = NOON + second * SECOND
    return Reading(device_id, "streetlight", municipality, at, at, values)


def brief(found: list[DeviceObservation]) -> list[tuple[str, str, float, Value]]:
    return [(one.device_id, one.quantity, (one.observed_at - NOON) / SECOND, one.value) for one in found]


@pytest.fixture(params=["sqlite_url", "postgresql_url"])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(request.param)
    return found


def opened(url: str) -> Beside:
    beside = open_beside(url)
    assert beside is not None
    return beside


@pytest.fixture
def newest(url: str) -> Iterator[NewestValues]:
    with closing(opened(url)) as beside:
        yield beside.newest


def test_values_keep_their_type(newest: NewestValues) -> None:
    newest.write(
        [lamp(0, dim_level=1.0, presence=True, presence_count=2**53, faults='a "b" é😀', active_power_w=-1e-300)]
    )
    values = {one.quantity: one.value for one in newest.latest(None, None, None)}
    assert values == {
        "dim_level": 1.0,
        "presence": True,
        "presence_count": 2**53,
        "faults": 'a "b" é😀',
        "active_power_w": -1e-300,
    }
    assert {name: type(value) for name, value in values.items()} == {
        "dim_level": float,
        "presence": bool,
        "presence_count": int,
        "faults": str,
        "active_power_w": float,
    }


def test_what_is_in_no_row_yet_counts_for_everybody(
    newest: NewestValues, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the first write is folded into rows at once."""
    monkeypatch.setattr(newest_values, "FOLD_S", 3600)
    newest.write([lamp(5, dim_level=0.5, voltage_v=230.0), lamp(5, "lamp-2", "zoo", dim_level=0.1)])
    newest.write([lamp(4, dim_level=0.4), lamp(6, voltage_v=231.0), lamp(6, "lamp-3", "zoo", dim_level=0.3)])
    assert newest._unfolded == 3
    known = [
        ("lamp-1", "dim_level", 5.0, 0.5),
        ("lamp-1", "voltage_v", 6.0, 231.0),
        ("lamp-2", "dim_level", 5.0, 0.1),
        ("lamp-3", "dim_level", 6.0, 0.3),
    ]
    with closing(opened(url)) as beside:
        other = beside.newest
        assert brief(other.latest(None, None, None)) == known
        assert brief(other.latest(["lamp-1", "lamp-9"], None, None)) == known[:2]
        assert brief(other.latest(None, "zoo", "streetlight")) == known[2:]
        assert other.latest(None, None, "waste_bin") == []
        assert sorted(other.whose()) == [("marburg", "streetlight"), ("zoo", "streetlight")]
        assert brief(other.latest(None, None, None)) == known, "the same when it is in rows"


def test_a_writer_that_is_killed_loses_nothing_it_wrote(url: str) -> None:
    """Every second write is folded; the kill comes at whatever moment."""
    writer = f"""
import itertools
from tests.readings.beside.test_newest_values import lamp, opened
from readings.beside import newest_values
newest_values.FOLD_READINGS = 2
newest = opened({url!r}).newest
for number in itertools.count():
    newest.write([lamp(number, f"lamp-{{number % 3}}", dim_level=float(number))])
    print(number, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", writer], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        written = [int(next(process.stdout)) for _ in range(100)]
        process.kill()
        written += [int(line) for line in process.stdout]
    with closing(opened(url)) as beside:
        found = [float(one.value) for one in beside.newest.latest(None, None, None)]
    last = max(found)
    assert last in (written[-1], written[-1] + 1), "the last one may be written and not said to be"
    assert sorted(found) == [last - 2, last - 1, last]


def test_writers_at_once_end_with_the_newest_of_all(url: str) -> None:
    """Four writers, each with its own order of the same hundred instants of overlapping devices."""

    def write(start: int) -> None:
        with closing(opened(url)) as beside:
            store = beside.newest
            for step in range(100):
                second = (step * 37 + start * 29) % 100
                devices = [f"lamp-{number}" for number in range(start, start + 5)]
                store.write([lamp(second, device_id, dim_level=second / 100) for device_id in devices])
                store.write([lamp(second, device_id, voltage_v=float(start)) for device_id in devices[:1]])

    threads = [threading.Thread(target=write, args=[start]) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with closing(opened(url)) as beside:
        found = brief(beside.newest.latest(None, None, None))
    assert found == sorted(
        [(f"lamp-{number}", "dim_level", 99.0, 0.99) for number in range(8)]
        + [(f"lamp-{number}", "voltage_v", 99.0, float(number)) for number in range(4)]
    )


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said=st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["dim_level", "voltage_v"]), st.integers(0, 6)), max_size=20
    ),
    cuts=st.lists(st.integers(1, 20), max_size=4),
    before=st.integers(0, 7),
)
def test_any_batches_then_a_deletion(
    newest: NewestValues, said: list[tuple[str, str, int]], cuts: list[int], before: int
) -> None:
    for device_id in "ab":
        newest.keep(lambda *_: False, device_id=device_id)
    readings = [
        lamp(second, device_id, "marburg", **{name: float(index)})
        for index, (device_id, name, second) in enumerate(said)
    ]
    edges = [0, *sorted(cuts), len(readings)]
    for first, last in itertools.pairwise(edges):
        newest.write(readings[first:last])
    newest.keep(lambda _, name, us: name != "voltage_v" or us >= before * 1_000_000 + NOON.timestamp() * 1_000_000)
    expected: dict[tuple[str, str], tuple[int, float]] = {}
    for index, (device_id, name, second) in enumerate(said):
        if expected.get((device_id, name), (-1, 0.0))[0] <= second:
            expected[device_id, name] = (second, float(index))
    assert brief(newest.latest(None, None, None)) == [
        (device_id, name, float(second), value)
        for (device_id, name), (second, value) in sorted(expected.items())
        if name != "voltage_v" or second >= before
    ]


def test_more_devices_than_one_transaction_takes(newest: NewestValues) -> None:
    count = ROWS_AT_ONCE + 7
    newest.write([lamp(number, f"lamp-{number:05d}", presence=True, dim_level=0.5) for number in range(count)])
    newest.keep(lambda _, name, __: name != "presence")
    found = newest.latest(None, None, None)
    assert len(found) == count
    assert {one.quantity for one in found} == {"dim_level"}


def test_filled_anew_with_what_the_source_has(newest: NewestValues) -> None:
    assert not newest.complete("bucket-1")
    newest.write([lamp(5, "gone", dim_level=0.5)])
    at = NOON + SECOND
    newest.fill("bucket-1", lambda: [DeviceObservation("lamp-1", "streetlight", "marburg", "dim_level", at, 0.25)])
    assert newest.complete("bucket-1")
    assert not newest.complete("bucket-2")
    assert brief(newest.latest(None, None, None)) == [("lamp-1", "dim_level", 1.0, 0.25)]


def test_filling_that_is_broken_off_is_not_complete(newest: NewestValues) -> None:
    def broken() -> list[DeviceObservation]:
        raise StorageUnavailableError("away")

    newest.fill("bucket-1", list)
    with pytest.raises(StorageUnavailableError):
        newest.fill("bucket-1", broken)
    assert not newest.complete("bucket-1")


def test_what_is_written_while_it_is_filled_counts(newest: NewestValues) -> None:
    def meanwhile() -> list[DeviceObservation]:
        newest.write([lamp(9, dim_level=0.75)])
        return [DeviceObservation("lamp-1", "streetlight", "marburg", "dim_level", NOON, 0.25)]

    newest.fill("bucket-1", meanwhile)
    assert brief(newest.latest(None, None, None)) == [("lamp-1", "dim_level", 9.0, 0.75)]


def test_a_state_in_memory_has_none() -> None:
    assert open_beside("sqlite://") is None


def test_a_wrong_url_is_named() -> None:
    with pytest.raises(SettingsError, match="KREISPULS_STATE_URL"):
        open_beside("nonsense")
