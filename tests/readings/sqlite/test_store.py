"""What only the SQLite backend has to stand: other processes, a lock, a full disk, damage, a grown catalogue."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import SettingsError, StorageError, StorageUnavailableError
from core.reading import Observation, Reading
from core.settings import Settings
from readings.open import open_readings
from readings.sqlite import file
from readings.sqlite.store import SqliteReadings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ALWAYS = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
ROOT = Path(__file__).parents[3]

WRITER = """
import sys
from datetime import UTC, datetime, timedelta
from core.reading import Reading
from readings.sqlite.store import SqliteReadings
path, start, step, count = sys.argv[1], *map(int, sys.argv[2:])
store = SqliteReadings(path)
for index in range(start, start + step * count, step):
    at = datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(seconds=index)
    store.write([Reading(f"lamp-{index % 7}", "streetlight", "marburg", at, at, {"presence_count": index})])
    print(index, flush=True)
"""


def lamp(second: float, device_id: str = "lamp-1", municipality: str = "marburg", count: int = 0) -> Reading:
    at = NOON + second * SECOND
    return Reading(device_id, "streetlight", municipality, at, at, {"presence_count": count})


def counts(store: SqliteReadings, device_id: str = "lamp-1") -> list[float]:
    return [float(one.value) for one in store.series(device_id, None, *ALWAYS)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "er" / "readings.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteReadings]:
    store = SqliteReadings(str(path))
    yield store
    store.close()


def start_writer(path: Path, start: int, step: int, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(start), str(step), str(count)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


class TestSeveralUsers:
    def test_processes_that_start_and_write_at_once(self, path: Path) -> None:
        """Interleaved seconds of the same seven lamps, on a file that none of them finds made."""
        writers = [start_writer(path, start, 3, 60) for start in range(3)]
        for writer in writers:
            writer.communicate(timeout=60)
            assert writer.returncode == 0
        with closing(SqliteReadings(str(path))) as store:
            for device in range(7):
                assert counts(store, f"lamp-{device}") == list(range(device, 180, 7))
                newest = store.latest(device_ids=[f"lamp-{device}"])
                assert [one.value for one in newest] == [max(range(device, 180, 7))]

    def test_what_a_killed_process_had_written_is_there(self, path: Path) -> None:
        writer = start_writer(path, 0, 1, 1_000_000)
        assert writer.stdout is not None
        for line in writer.stdout:
            if int(line) >= 50:
                break
        writer.send_signal(signal.SIGKILL)
        acknowledged = max([50, *map(int, writer.communicate(timeout=60)[0].split())])
        with closing(SqliteReadings(str(path))) as store:
            kept = {value for device in range(7) for value in counts(store, f"lamp-{device}")}
            assert kept >= set(range(acknowledged + 1))

    def test_devices_that_another_process_made_known(self, path: Path, store: SqliteReadings) -> None:
        with closing(SqliteReadings(str(path))) as other:
            store.write([lamp(0, count=1)])
            other.write([lamp(1, count=2), lamp(0, "lamp-2", count=3)])
            store.write([lamp(1, "lamp-2", count=4), lamp(2, municipality="zoo", count=5)])
            other.delete(device_id="lamp-1")
            store.write([lamp(3, count=6)])
            other.write([lamp(4, count=7), lamp(5, municipality="zoo", count=8)])
            for each in (store, other):
                assert counts(each) == [6, 7, 8]
                assert counts(each, "lamp-2") == [3, 4]

    def test_threads_write_and_read_at_once(self, store: SqliteReadings) -> None:
        failures: list[BaseException] = []

        def write(part: int) -> None:
            try:
                for second in range(part, 200, 4):
                    store.write([lamp(second, count=second)])
                    found = counts(store)
                    assert found == sorted(found)
            except BaseException as failure:  # noqa: BLE001 - given to the test below
                failures.append(failure)

        threads = [threading.Thread(target=write, args=[part]) for part in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not failures
        assert counts(store) == list(range(200))

    def test_a_locked_file_is_unavailable_for_writers_and_open_for_readers(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(file, "BUSY_TIMEOUT_S", 0.05)
        with closing(SqliteReadings(str(path))) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
            store.write([lamp(0, count=1)])
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageUnavailableError, match="locked"):
                store.write([lamp(1, "new", count=2)])
            with pytest.raises(StorageUnavailableError):
                store.delete(device_id="lamp-1")
            store.ping()
            assert counts(store) == [1]
            other.execute("ROLLBACK")
            store.write([lamp(1, "new", count=2)])
            assert counts(store, "new") == [2]


class TestTrouble:
    def test_a_full_disk_keeps_nothing_of_the_batch_and_a_repetition_makes_it_right(
        self, store: SqliteReadings
    ) -> None:
        """The new device's key is rolled back too, and must not be remembered."""
        store.write([lamp(0, count=1)])
        batch = [lamp(second, f"new-{second}", count=second) for second in range(5000)]
        writer = store._file._writer
        pages = writer.execute("PRAGMA page_count").fetchone()[0]
        writer.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StorageUnavailableError, match="full"):
            store.write(batch)
        assert [one.device_id for one in store.latest()] == ["lamp-1"]
        writer.execute("PRAGMA max_page_count = 1000000")
        store.write([lamp(9, "other", count=9), *batch])
        assert len(store.latest()) == 5002
        assert counts(store, "new-17") == [17]

    @pytest.mark.parametrize(
        "content", [b"this is no database, but long enough to be one" * 100, b"SQLite format 3\0" * 99]
    )
    def test_another_file_is_refused_and_left_alone(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        with pytest.raises(StorageError, match=r"readings\.db") as caught:
            SqliteReadings(str(path))
        assert not isinstance(caught.value, StorageUnavailableError)
        assert path.read_bytes() == content

    def test_damage_is_an_error_and_no_reading(self, path: Path) -> None:
        with closing(SqliteReadings(str(path))) as store:
            store.write([lamp(second, count=second) for second in range(2000)])
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.seek(4096 * 10)
            file.write(os.urandom(size - 4096 * 10))
        with pytest.raises(StorageError), closing(SqliteReadings(str(path))) as store:
            store.series("lamp-1", None, *ALWAYS)

    def test_a_folder_or_a_path_through_a_file_cannot_be_opened(self, tmp_path: Path) -> None:
        with pytest.raises(StorageUnavailableError):
            SqliteReadings(str(tmp_path))
        (tmp_path / "file").touch()
        with pytest.raises(StorageUnavailableError):
            SqliteReadings(str(tmp_path / "file" / "readings.db"))

    @pytest.mark.parametrize("name", ["", ":memory:"])
    def test_readings_need_a_file(self, name: str) -> None:
        with pytest.raises(SettingsError, match="KREISPULS_READINGS_URL"):
            SqliteReadings(name)

    def test_ping_sees_that_the_file_was_replaced(self, path: Path, store: SqliteReadings) -> None:
        store.write([lamp(0)])
        path.rename(path.with_suffix(".old"))
        with pytest.raises(StorageUnavailableError):
            store.ping()
        path.touch()
        with pytest.raises(StorageUnavailableError, match="replaced"):
            store.ping()

    def test_a_closed_store_says_so(self, store: SqliteReadings) -> None:
        store.write([lamp(0)])
        store.close()
        for call in (store.ping, store.latest, lambda: store.write([lamp(1)])):
            with pytest.raises(StorageError):
                call()
        store.close()


class TestFile:
    def test_readings_outlive_the_program(self, path: Path) -> None:
        with closing(SqliteReadings(str(path))) as store:
            store.write([lamp(0, count=1), lamp(1, municipality="zoo", count=2)])
        with closing(SqliteReadings(str(path))) as store:
            store.write([lamp(2, count=3)])
            assert counts(store) == [1, 2, 3]

    def test_a_catalogue_that_has_grown_adds_columns(self, path: Path) -> None:
        with closing(SqliteReadings(str(path))) as store:
            store.write([lamp(0, count=1)])
        with closing(sqlite3.connect(path)) as older:
            older.execute('ALTER TABLE readings_streetlight DROP COLUMN "snr_db"')
            older.execute('ALTER TABLE latest_streetlight DROP COLUMN "snr_db"')
            older.execute('ALTER TABLE latest_streetlight DROP COLUMN "snr_db@"')
            older.execute("DROP TABLE readings_waste_bin")
        with closing(SqliteReadings(str(path))) as store:
            store.write([Reading("lamp-1", "streetlight", "marburg", NOON, NOON, {"snr_db": 7.5})])
            store.write([Reading("bin-1", "waste_bin", "marburg", NOON, NOON, {"filling_level": 0.5})])
            assert store.series("lamp-1", None, *ALWAYS) == [
                Observation("presence_count", NOON, 1),
                Observation("snr_db", NOON, 7.5),
            ]
            assert len(store.latest()) == 3

    def test_a_commit_is_on_disk_when_it_returns(self, store: SqliteReadings) -> None:
        """synchronous=FULL (2) in WAL mode: https://www.sqlite.org/pragma.html#pragma_synchronous."""
        assert store._file._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert store._file._writer.execute("PRAGMA synchronous").fetchone() == (2,)

    def test_open_readings_takes_the_path_of_the_url(self, path: Path) -> None:
        store = open_readings(Settings(readings_url=f"sqlite:///{path}", _env_file=None))
        store.write([lamp(0)])
        store.close()
        assert path.is_file()
