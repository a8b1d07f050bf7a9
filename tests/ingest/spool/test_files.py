"""The spool as files: order, bounds, what a crash, a full disk and a damaged file leave of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import StorageUnavailableError
from core.reading import Reading
from ingest import metrics
from ingest.spool.files import SEGMENT_BYTES, Spool
from ingest.spool.records import encode

START = datetime(2026, 1, 1, tzinfo=UTC)
MB = 1_000_000


def reading(number: int, padding: int = 0) -> Reading:
    at = START + timedelta(seconds=number)
    return Reading("b1", "waste_bin", "marburg", at, at, {"weight_kg": float(number), "padding": "x" * padding})


def numbers(readings: list[Reading]) -> list[int]:
    return [int(float(item.values["weight_kg"])) for item in readings]


def drain(spool: Spool) -> list[int]:
    drained: list[int] = []
    while (segment := spool.oldest()) is not None:
        drained += numbers(spool.read(segment))
        spool.remove(segment)
    return drained


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
    assert numbers(spool.read(oldest)) == [0]
    spool.remove(oldest)
    assert drain(spool) == [1]


def test_a_new_run_finds_all_in_order_and_adds_behind(spool: Spool, folder: Path) -> None:
    padding = SEGMENT_BYTES // 3
    for number in range(25):  # several files, also past a change in the number of digits
        spool.append([reading(number, padding)])
    spool.close()
    assert len(list(folder.iterdir())) > 5
    again = Spool(folder, 100 * MB)
    again.open()
    again.append([reading(25)])
    assert drain(again) == list(range(26))
    again.close()


def test_a_file_that_was_being_drained_is_drained_again(spool: Spool, folder: Path) -> None:
    spool.append([reading(0), reading(1)])
    oldest = spool.oldest()
    assert oldest is not None
    spool.read(oldest)
    spool.close()
    again = Spool(folder, MB)
    again.open()
    assert drain(again) == [0, 1]
    again.close()


def test_a_second_process_is_refused(spool: Spool, folder: Path) -> None:
    with pytest.raises(StorageUnavailableError, match="in use"):
        Spool(folder, MB).open()
    spool.close()
    Spool(folder, MB).open()


def test_bounded_in_bytes_and_takes_again_when_drained(folder: Path) -> None:
    size = len(encode([reading(0)]))
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


def test_damage_is_counted_once_and_costs_what_it_hits(
    spool: Spool, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool.append([reading(number) for number in range(10)])
    spool.close()
    (file,) = folder.iterdir()
    data = bytearray(file.read_bytes())
    size = len(encode([reading(0)]))
    data[3 * size + 20] ^= 1
    file.write_bytes(data[:-1])  # and the last record is torn
    before = metrics.total("kreispuls_spool_corrupt_records")
    again = Spool(folder, MB)
    again.open()
    assert not again.check_next()
    assert "is damaged" in caplog.text
    assert drain(again) == [0, 1, 2, 4, 5, 6, 7, 8]
    assert metrics.total("kreispuls_spool_corrupt_records") - before == 2
    again.close()


def test_a_file_that_cannot_be_read_stops_neither_start_nor_the_others(spool: Spool, folder: Path) -> None:
    (folder / "000000000007.spool").mkdir()
    spool.append([reading(0)])
    spool.close()
    again = Spool(folder, MB)
    again.open()
    again.append([reading(1)])
    assert again.check_next()
    assert drain(again) == [0, 1]
    assert again.empty
    assert [path.name for path in folder.iterdir()] == ["000000000007.spool"], "left for a look and the next start"
    again.close()


def test_a_file_of_zeros_as_a_power_cut_may_leave_it(spool: Spool, folder: Path) -> None:
    (folder / "000000000001.spool").write_bytes(bytes(5000))
    (folder / "000000000002.spool").write_bytes(b"")
    again = Spool(folder, MB)
    spool.close()
    again.open()
    again.append([reading(3)])
    assert drain(again) == [3]
    again.close()
