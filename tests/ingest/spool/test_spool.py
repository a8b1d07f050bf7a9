"""The spool as a file: order, bounds, what a crash, a full disk and a damaged file leave of it."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import StorageError, StorageUnavailableError
from core.reading import Reading
from ingest import metrics
from ingest.spool.spool import DRAIN_READINGS, FILE, Spool

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)
MB = 1_000_000
instants = st.integers(-(10**15), 10**16).map(lambda microseconds: EPOCH + timedelta(microseconds=microseconds))
values = st.one_of(
    st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False), st.text(max_size=20), st.just("\xffKP\x01")
)
readings = st.builds(
    Reading,
    device_id=st.text("abc-1", min_size=1, max_size=12),
    device_type=st.sampled_from(["waste_bin", "streetlight"]),
    municipality=st.sampled_from(["marburg", "zoo"]),
    observed_at=instants,
    received_at=instants,
    values=st.dictionaries(st.sampled_from(["a", "b", "c"]), values, max_size=3),
)


def reading(number: int, padding: int = 0) -> Reading:
    at = START + timedelta(seconds=number)
    return Reading("b1", "waste_bin", "marburg", at, at, {"weight_kg": float(number), "padding": "x" * padding})


def numbers(readings: list[Reading]) -> list[int]:
    return [int(float(item.values["weight_kg"])) for item in readings]


def drain_readings(spool: Spool) -> list[Reading]:
    drained: list[Reading] = []
    while (waiting := spool.oldest()) is not None:
        drained += waiting.readings
        spool.remove(waiting)
    return drained


def drain(spool: Spool) -> list[int]:
    return numbers(drain_readings(spool))


def typed(reading: Reading) -> list[tuple[str, str, type]]:
    """1, 1.0 and True are equal in Python and not in a store."""
    return [(name, repr(value), type(value)) for name, value in reading.values.items()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "spool" / "ingest"


@pytest.fixture
def spool(folder: Path) -> Iterator[Spool]:
    made = Spool(folder, 100 * MB)
    made.open()
    yield made
    made.close()


def test_drained_in_order_and_nothing_remains(spool: Spool, folder: Path) -> None:
    assert spool.empty
    for first in range(0, 300, 100):
        spool.append([reading(number) for number in range(first, first + 100)])
    assert not spool.empty
    assert drain(spool) == list(range(300))
    assert spool.empty
    assert spool.size_bytes == 0
    assert list(folder.iterdir()) == []


def test_what_comes_while_draining_goes_behind(spool: Spool) -> None:
    spool.append([reading(0)])
    oldest = spool.oldest()
    assert oldest is not None
    spool.append([reading(1)])
    assert numbers(oldest.readings) == [0]
    spool.remove(oldest)
    assert drain(spool) == [1]


@given(st.lists(st.lists(readings, min_size=1, max_size=8), max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_what_is_written_is_read_again(spool: Spool, batches: list[list[Reading]]) -> None:
    kept = [each for batch in batches for each in batch]
    for batch in batches:
        spool.append(batch)
    found = drain_readings(spool)
    assert found == kept
    assert [typed(each) for each in found] == [typed(each) for each in kept]


def test_a_new_run_finds_all_in_order_and_adds_behind(spool: Spool, folder: Path) -> None:
    count = DRAIN_READINGS + 25  # more than is drained at a time
    spool.append([reading(number) for number in range(count)])
    size = spool.size_bytes
    spool.close()
    again = Spool(folder, 100 * MB)
    again.open()
    assert again.size_bytes == size
    again.append([reading(count)])
    assert drain(again) == list(range(count + 1))
    again.close()


def test_what_was_being_drained_is_drained_again(spool: Spool, folder: Path) -> None:
    spool.append([reading(0), reading(1)])
    assert spool.oldest() is not None
    spool.close()
    again = Spool(folder, MB)
    again.open()
    assert drain(again) == [0, 1]
    again.close()


def test_a_batch_is_on_disk_when_it_is_taken(spool: Spool, folder: Path, tmp_path: Path) -> None:
    """A power cut leaves the files as they are then: synced before `append` returns, nothing of it in memory only."""
    assert spool._database is None
    spool.append([reading(0)])
    assert spool._database is not None
    assert spool._database.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL: each commit is synced
    for file in folder.iterdir():
        assert file.stat().st_mode & 0o077 == 0, "nobody else may read what devices said"
    shutil.copytree(folder, tmp_path / "after the cut")
    after = Spool(tmp_path / "after the cut", MB)
    after.open()
    assert drain(after) == [0]
    after.close()


def test_a_second_process_is_refused(spool: Spool, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.spool.spool.LOCKED_S", 0.1)
    with pytest.raises(StorageUnavailableError, match="in use"):
        Spool(folder, MB).open()
    spool.close()
    Spool(folder, MB).open()


def test_bounded_in_bytes_and_takes_again_when_drained(folder: Path) -> None:
    first = Spool(folder, MB)
    first.open()
    first.append([reading(0)])
    size = first.size_bytes
    assert drain(first) == [0]
    first.close()
    spool = Spool(folder, 2 * size)
    spool.open()
    spool.append([reading(0)])
    spool.append([reading(1)])
    with pytest.raises(StorageUnavailableError, match="full"):
        spool.append([reading(2)])
    assert drain(spool) == [0, 1]
    spool.append([reading(2)])
    assert drain(spool) == [2]
    spool.close()


def test_nothing_is_spooled_when_it_may_hold_nothing(folder: Path) -> None:
    spool = Spool(folder, 0)
    spool.open()
    with pytest.raises(StorageUnavailableError, match="full"):
        spool.append([reading(0)])
    assert spool.empty
    spool.close()


def test_what_cannot_be_encoded_is_refused_by_name(spool: Spool) -> None:
    for wrong in (2**70, "\ud800"):
        with pytest.raises(StorageError, match="b1"):
            spool.append([Reading("b1", "waste_bin", "marburg", EPOCH, EPOCH, {"a": wrong})])
    assert spool.empty


def test_a_damaged_reading_is_counted_and_costs_itself(
    spool: Spool, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool.append([reading(number) for number in range(10)])
    spool.close()
    with closing(sqlite3.connect(folder / FILE, isolation_level=None)) as database:
        database.execute("UPDATE readings SET reading = substr(reading, 2) WHERE number = 4")
    before = metrics.total("kreispuls_spool_corrupt_records")
    again = Spool(folder, MB)
    again.open()
    assert drain(again) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert "reading 4 is damaged" in caplog.text
    assert metrics.total("kreispuls_spool_corrupt_records") - before == 1
    again.close()


def test_a_damaged_page_costs_what_it_holds_and_the_file_is_kept(spool: Spool, folder: Path) -> None:
    """Overwritten somewhere in the middle, as a bad block is: the batches on both sides of it are stored."""
    for number in range(100):
        spool.append([reading(number, 1500)])
    spool.close()
    file = folder / FILE
    page = 4096
    data = bytearray(file.read_bytes())
    middle = len(data) // page // 2 * page
    data[middle : middle + page] = b"\xff" * page
    file.write_bytes(data)
    again = Spool(folder, MB)
    again.open()
    again.append([reading(100)])
    found = drain(again)
    assert found == sorted(found)
    assert found[0] == 0
    assert found[-1] == 100
    assert len(found) > 90
    assert all(path.name.startswith(f"{FILE}.damaged-") for path in folder.iterdir())
    again.close()


@pytest.mark.parametrize("content", [bytes(5000), b"no database at all " * 500])
def test_a_file_that_is_no_database_is_put_aside(spool: Spool, folder: Path, content: bytes) -> None:
    spool.close()
    (folder / FILE).write_bytes(content)
    again = Spool(folder, MB)
    again.open()
    again.append([reading(3)])
    assert drain(again) == [3]
    assert [path.read_bytes() for path in folder.iterdir()] == [content]
    again.close()


def test_an_empty_file_as_a_power_cut_may_leave_it(spool: Spool, folder: Path) -> None:
    spool.close()
    (folder / FILE).write_bytes(b"")
    again = Spool(folder, MB)
    again.open()
    again.append([reading(3)])
    assert drain(again) == [3]
    assert list(folder.iterdir()) == []
    again.close()


def test_readings_of_version_0_1_are_not_left_behind(spool: Spool, folder: Path) -> None:
    spool.close()
    (folder / "000000000007.spool").write_bytes(b"\xffKP\x01")
    with pytest.raises(StorageError, match=r"version 0\.1"):
        Spool(folder, MB).open()
