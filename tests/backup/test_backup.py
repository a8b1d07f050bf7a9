"""Backup and restore of both stores: from any backend into any the same comes back; what is wrong touches nothing."""

import json
import sqlite3
import subprocess
import sys
import threading
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import make_url

from backup.archive import MANIFEST, ArchiveReader, Kind
from backup.backup import back_up, restore
from backup.sqlite_copy import FileReplacement, copy_database
from backup.state_rows import kind_of
from core.errors import ConflictError, InvalidInputError, SettingsError, StorageError
from core.reading import Reading
from core.rejected import RejectedMessage
from core.settings import Settings
from readings.sqlite.store import SqliteReadings
from sql.columns import Choice
from sql.engine import open_engine
from state.rejected import RejectedFilter
from state.state import open_state
from state.tables import metadata

Rows = dict[str, list[tuple[Any, ...]]]
Make = Callable[[str], Settings]
START = datetime(2026, 5, 4, 12, 0, 0, 123456, tzinfo=UTC)
BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
ROWS = 7
ROOT = Path(__file__).parents[2]


def silent(_what: str, _done: int, _total: int) -> None:
    pass


VALUES: dict[Kind, Callable[[str, int], Any]] = {
    Kind.TEXT: lambda name, number: f"{name}-{number} Straße 🚮 \n\t\"'\\",
    Kind.INTEGER: lambda _, number: number + (1 << 30),
    Kind.FLOAT: lambda _, number: [0.1 + 0.2, 1e-300, -0.0, float("inf"), 50.79][number % 5],
    Kind.BOOLEAN: lambda _, number: number % 2 == 0,
    Kind.INSTANT: lambda _, number: START + timedelta(microseconds=number * 999_999),
    Kind.DATE: lambda _, number: date(2024, 2, 29) + timedelta(days=number),
    Kind.JSON: lambda _, number: [{"ü\u0000": [1, 2.5, None, True, "🚮"]}, [], "text", 7][number % 4],
    Kind.BYTES: lambda _, number: bytes(range(256)) * number,
}


def value(column: sa.Column[Any], number: int) -> Any:
    if column.nullable and number % 3 == 0:
        return None
    if isinstance(column.type, Choice):
        return list(column.type.kind)[number % len(column.type.kind)]
    return VALUES[kind_of(column)](column.name, number)


def fill(url: str) -> None:
    """Rows with odd values in every table; of the rejected messages the last was deleted."""
    state = open_state(url)
    with state.engine.begin() as connection:
        for table in metadata.sorted_tables:
            if table.name == "revision":
                continue
            rows = [{column.name: value(column, number) for column in table.columns} for number in range(ROWS)]
            connection.execute(sa.insert(table), rows)
        rejected = metadata.tables["rejected_messages"]
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text(f"SELECT setval('rejected_messages_rejected_id_seq', {(1 << 30) + ROWS - 1})"))
        connection.execute(sa.delete(rejected).where(rejected.c.rejected_id == (1 << 30) + ROWS - 1))
    state.close()


def dump(url: str) -> Rows:
    engine = open_engine(url)
    with engine.connect() as connection:
        rows = {
            table.name: [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]
            for table in metadata.sorted_tables
        }
    engine.dispose()
    return rows


def readings_of(settings: Settings) -> tuple[Any, ...]:
    store = SqliteReadings(settings.readings_url.removeprefix("sqlite:///"))
    series = [store.series(f"b{number}", None, BEGIN, END) for number in range(3)]
    answer = (store.latest(), *series)
    store.close()
    return answer


def write_readings(settings: Settings, number: int = 50) -> None:
    store = SqliteReadings(settings.readings_url.removeprefix("sqlite:///"))
    at = START
    store.write(
        [
            Reading(
                f"b{index % 3}", "waste_bin", "marburg", at + timedelta(seconds=index), at,
                {"weight_kg": index + 0.1, "lid_open": index % 2 == 0},
            )
            for index in range(number)
        ]
    )  # fmt: skip
    store.close()


@pytest.fixture
def another_postgresql_url(postgresql_server: str) -> Iterator[str]:
    schema = f"test_{uuid.uuid4().hex}"
    server = make_url(postgresql_server)
    libpq_url = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(libpq_url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        yield server.update_query_dict({"options": f"-csearch_path={schema}"}).render_as_string(hide_password=False)
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Settings of a platform of its own, its state on the backend asked for."""
    postgresql = ["postgresql_url", "another_postgresql_url"]
    made: list[Settings] = []

    def of(backend: str) -> Settings:
        folder = tmp_path / f"platform-{len(made)}"
        url = request.getfixturevalue(postgresql.pop(0)) if backend == "postgresql" else ""
        made.append(Settings(_env_file=None, data_dir=folder, state_url=url))
        return made[-1]

    return of


@pytest.fixture
def source(make: Make) -> Settings:
    """A platform on SQLite with rows everywhere."""
    settings = make("sqlite")
    fill(settings.state_url)
    write_readings(settings)
    return settings


@pytest.fixture
def archive(source: Settings, tmp_path: Path) -> Path:
    file = tmp_path / "backup.zip"
    back_up(source, file, state_only=False, report=silent)
    return file


def rewritten(archive: Path, changes: dict[str, bytes], *, manifest: Callable[[Any], None] | None = None) -> Path:
    """The archive with other contents of some members."""
    target = archive.with_name("rewritten.zip")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(target, "w") as new:
        members = {name: old.read(name) for name in old.namelist()} | changes
        told = json.loads(members[MANIFEST])
        if manifest:
            manifest(told)
        members[MANIFEST] = json.dumps(told).encode()
        for name, data in members.items():
            new.writestr(name, data)
    return target


def files(settings: Settings) -> dict[str, bytes]:
    if not settings.data_dir.exists():
        return {}
    return {file.name: file.read_bytes() for file in settings.data_dir.iterdir()}


def test_every_column_of_the_state_has_a_form_in_the_archive() -> None:
    for table in metadata.sorted_tables:
        for column in table.columns:
            kind_of(column)


@pytest.mark.parametrize("into", ["sqlite", "postgresql"])
@pytest.mark.parametrize("origin", ["sqlite", "postgresql"])
def test_what_was_backed_up_comes_back_in_every_table_and_series(
    make: Make, tmp_path: Path, origin: str, into: str
) -> None:
    source, target = make(origin), make(into)
    fill(source.state_url)
    write_readings(source)
    manifest = back_up(source, tmp_path / "b.zip", state_only=False, report=silent)
    assert manifest.state.backend == origin
    steps: list[tuple[str, int, int]] = []
    restore(target, tmp_path / "b.zip", state_only=False, force=False, report=lambda *step: steps.append(step))
    assert all(0 <= done <= total for _, done, total in steps)
    assert {what for what, _, _ in steps} == {"checking the archive", "readings", "state"}
    restored = dump(target.state_url)
    assert restored == dump(source.state_url)
    assert all(len(rows) >= ROWS - 1 for name, rows in restored.items() if name != "revision")
    assert readings_of(target) == readings_of(source)
    assert len(readings_of(target)[1]) == 34  # 17 readings of two values

    state = open_state(target.state_url)  # it works, and the number of a deleted row does not come back
    state.rejected.add([RejectedMessage(topic="a/b", payload=b"x", payload_size=1, reason="why", received_at=START)])
    assert state.rejected.page(RejectedFilter(), 1).items[0].rejected_id == (1 << 30) + ROWS
    state.close()


WRITER = """
import sys
from datetime import UTC, datetime, timedelta
from core.device import Municipality
from core.reading import Reading
from readings.sqlite.store import SqliteReadings
from state.state import open_state
readings, state = SqliteReadings(sys.argv[1]), open_state(sys.argv[2])
start = datetime(2026, 5, 4, tzinfo=UTC)
for number in range(1_000_000):
    at = start + timedelta(seconds=number)
    readings.write([Reading(f"b{k}", "waste_bin", "marburg", at, at, {"weight_kg": float(number)}) for k in range(2)])
    state.municipalities.put_many([Municipality(municipality=f"{k}-{number}", name="x") for k in "ab"])
    print(number, flush=True)
"""


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_while_a_writer_goes_on_whole_transactions_are_copied(make: Make, tmp_path: Path, backend: str) -> None:
    source, target = make(backend), make("sqlite")
    write_readings(source, 30_000)  # the copy takes several portions
    readings_file = source.readings_url.removeprefix("sqlite:///")
    command = [sys.executable, "-c", WRITER, readings_file, source.state_url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        try:
            assert writer.stdout is not None
            before = next(int(line) for line in writer.stdout if int(line) >= 20)
            back_up(source, tmp_path / "b.zip", state_only=False, report=silent)
            after = int(writer.stdout.readline())
            assert writer.poll() is None
        finally:
            writer.kill()
    assert after > before
    restore(target, tmp_path / "b.zip", state_only=False, force=False, report=silent)
    store = SqliteReadings(target.readings_url.removeprefix("sqlite:///"))
    start = datetime(2026, 5, 4, tzinfo=UTC)
    numbers = [[int(item.value) for item in store.series(f"b{k}", ["weight_kg"], start, START)] for k in range(2)]
    store.close()
    assert numbers[0] == numbers[1] == list(range(len(numbers[0])))
    assert len(numbers[0]) > before
    towns = [row[0].split("-") for row in dump(target.state_url)["municipalities"]]
    ours = [{int(n) for kind, n in towns if kind == which} for which in "ab"]
    assert ours[0] == ours[1] == set(range(len(ours[0])))
    assert len(ours[0]) > before


def test_any_damaged_byte_is_found_or_changes_nothing(archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    damaged = tmp_path / "damaged.zip"
    with zipfile.ZipFile(archive) as opened:
        contents = {name: opened.read(name) for name in opened.namelist()}
    found = 0
    for position in range(0, len(whole), max(1, len(whole) // 300)):
        damaged.write_bytes(whole[:position] + bytes([whole[position] ^ 0x41]) + whole[position + 1 :])
        try:
            with closing(ArchiveReader(damaged)) as reader:
                reader.verify(silent)
                for name in reader.manifest.members:
                    with reader.reading(name) as stream:
                        assert stream.read() == contents[name]
        except InvalidInputError:
            found += 1
    assert found > 200


def test_an_archive_cut_short_is_refused(archive: Path, make: Make, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    cut = tmp_path / "cut.zip"
    for length in [0, 1, 22, *range(100, len(whole), len(whole) // 50), len(whole) - 1]:
        cut.write_bytes(whole[:length])
        with pytest.raises(InvalidInputError, match=r"cut\.zip"):
            ArchiveReader(cut)
    target = make("sqlite")
    with pytest.raises(InvalidInputError):
        restore(target, cut, state_only=False, force=False, report=silent)
    assert files(target) == {}


def test_a_wrong_file_is_refused(tmp_path: Path, make: Make) -> None:
    target = make("sqlite")
    (tmp_path / "text").write_text("no zip at all")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as other:
        other.writestr("photo.jpg", b"x")
    for name in ["text", "photos.zip", "nothing", "."]:
        with pytest.raises(InvalidInputError):
            restore(target, tmp_path / name, state_only=False, force=True, report=silent)
    assert files(target) == {}


def set_format(told: Any) -> None:
    told["format"] = 2


def set_revision(told: Any) -> None:
    told["state"]["revision"] = "9999"


def set_table(told: Any) -> None:
    told["state"]["tables"][0]["name"] = 'x"; DROP TABLE devices; --'


def set_column(told: Any) -> None:
    columns = told["state"]["tables"][0]["columns"]
    columns["another"] = columns.pop(next(iter(columns)))


def set_rows(told: Any) -> None:
    told["state"]["tables"][0]["rows"] += 1


def set_kind(told: Any) -> None:
    (alerts,) = (table for table in told["state"]["tables"] if table["name"] == "alerts")
    alerts["columns"]["started_at"] = "integer"


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (set_format, "another format"),
        (set_revision, "revision 9999"),
        (set_table, "another format"),
        (set_column, "not as revision"),
        (set_rows, "rows instead of"),
        (set_kind, "line 1"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused_and_nothing_is_touched(
    archive: Path, make: Make, backend: str, change: Callable[[Any], None], says: str
) -> None:
    target = make(backend)
    fill(target.state_url)
    write_readings(target, 5)
    before = dump(target.state_url), readings_of(target)
    with pytest.raises(InvalidInputError, match=says):
        restore(target, rewritten(archive, {}, manifest=change), state_only=False, force=True, report=silent)
    assert (dump(target.state_url), readings_of(target)) == before
    assert not [name for name in files(target) if ".new-" in name or ".old-" in name]


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "state/../../evil", "state/evil.jsonl", "readings.db/"])
def test_a_member_that_is_not_called_for_is_refused(archive: Path, make: Make, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError, match="unexpected"):
        restore(make("sqlite"), rewritten(archive, {name: b"x"}), state_only=False, force=True, report=silent)
    assert not list(tmp_path.rglob("evil*"))


def test_other_contents_than_the_manifest_says_are_refused(archive: Path, make: Make) -> None:
    target = make("sqlite")
    with zipfile.ZipFile(archive) as opened:
        rows = opened.read("state/devices.jsonl")
    for changed, says in [(rows.replace(b"name-1", b"name-2"), "not what"), (rows + b"[]\n", "not as long")]:
        with pytest.raises(InvalidInputError, match=says):
            restore(
                target, rewritten(archive, {"state/devices.jsonl": changed}), state_only=True, force=True, report=silent
            )
    assert files(target) == {}


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
@pytest.mark.parametrize("which", ["state", "readings"])
def test_a_store_that_is_not_empty_is_replaced_only_by_force(
    archive: Path, source: Settings, make: Make, backend: str, which: str
) -> None:
    target = make(backend)
    open_state(target.state_url).close()
    write_readings(target, 5 if which == "readings" else 0)
    if which == "state":
        fill(target.state_url)
    before = dump(target.state_url), readings_of(target)
    with pytest.raises(ConflictError, match="not empty"):
        restore(target, archive, state_only=False, force=False, report=silent)
    assert (dump(target.state_url), readings_of(target)) == before
    restore(target, archive, state_only=False, force=True, report=silent)
    assert dump(target.state_url) == dump(source.state_url)
    assert readings_of(target) == readings_of(source)
    assert set(files(target)) <= {"readings.db", "state.db"}


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_a_state_in_use_is_not_replaced(archive: Path, make: Make, backend: str) -> None:
    target = make(backend)
    state = open_state(target.state_url)
    state.municipalities.ensure("kassel")
    with pytest.raises(ConflictError, match="in use"):
        restore(target, archive, state_only=False, force=True, report=silent)
    assert [each.municipality for each in state.municipalities.all()] == ["kassel"]
    state.close()
    assert not (target.data_dir / "readings.db").exists()


def test_readings_in_use_are_not_replaced(archive: Path, make: Make) -> None:
    target = make("sqlite")
    store = SqliteReadings(target.readings_url.removeprefix("sqlite:///"))
    with pytest.raises(ConflictError, match="in use"):
        restore(target, archive, state_only=False, force=True, report=silent)
    store.ping()
    store.close()
    assert set(files(target)) == {"readings.db"}


def test_a_damaged_database_is_not_backed_up_and_is_replaced_by_force(
    archive: Path, source: Settings, tmp_path: Path
) -> None:
    expected = readings_of(source)
    file = source.data_dir / "readings.db"
    whole = bytearray(file.read_bytes())
    whole[4096 * 3 :] = b"\xff" * (len(whole) - 4096 * 3)
    file.write_bytes(whole)
    with pytest.raises(StorageError, match=r"readings\.db"):
        back_up(source, tmp_path / "damaged.zip", state_only=False, report=silent)
    file.write_bytes(b"no database " * 1000)
    with pytest.raises(StorageError, match=r"readings\.db"):
        back_up(source, tmp_path / "damaged.zip", state_only=False, report=silent)
    assert [each.name for each in tmp_path.glob("*damaged*")] == []
    with pytest.raises(StorageError, match="--force"):
        restore(source, archive, state_only=False, force=False, report=silent)
    restore(source, archive, state_only=False, force=True, report=silent)
    assert readings_of(source) == expected


def test_state_alone_leaves_the_readings_alone(archive: Path, source: Settings, make: Make, tmp_path: Path) -> None:
    target = make("sqlite")
    restore(target, archive, state_only=True, force=False, report=silent)
    assert set(files(target)) == {"state.db"}
    file = tmp_path / "state.zip"
    assert back_up(source, file, state_only=True, report=silent).readings is None
    restore(target, file, state_only=False, force=True, report=silent)
    assert set(files(target)) == {"state.db"}


def test_readings_in_influxdb_are_told_how(archive: Path, source: Settings, tmp_path: Path) -> None:
    settings = source.model_copy(update={"readings_url": "influxdb://"})
    with pytest.raises(InvalidInputError, match="influx backup"):
        back_up(settings, tmp_path / "new.zip", state_only=False, report=silent)
    with pytest.raises(InvalidInputError, match="influx restore"):
        restore(settings, archive, state_only=False, force=True, report=silent)
    back_up(settings, tmp_path / "new.zip", state_only=True, report=silent)


def test_what_cannot_be_backed_up_is_said_and_leaves_no_file(source: Settings, make: Make, tmp_path: Path) -> None:
    empty = make("sqlite")
    file = tmp_path / "new.zip"
    for settings in [
        empty,
        source.model_copy(update={"state_url": "sqlite://"}),
        source.model_copy(update={"state_url": f"sqlite:///{tmp_path}/nothing.db"}),
    ]:
        with pytest.raises((StorageError, SettingsError)):
            back_up(settings, file, state_only=False, report=silent)
    with pytest.raises(StorageError, match="cannot be written"):
        back_up(source, tmp_path / "no folder" / "new.zip", state_only=False, report=silent)
    file.write_bytes(b"precious")
    with pytest.raises(ConflictError, match="exists already"):
        back_up(source, file, state_only=False, report=silent)
    assert file.read_bytes() == b"precious"
    assert {each.name for each in tmp_path.iterdir()} <= {"new.zip", "platform-0"}
    assert not empty.data_dir.exists()


def test_a_spool_that_ingest_is_draining_is_waited_for(source: Settings, tmp_path: Path) -> None:
    file = source.spool_dir / "kreispuls-ingest" / "000000000001.spool"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"readings")
    drained = threading.Timer(0.5, file.unlink)
    drained.start()
    back_up(source, tmp_path / "new.zip", state_only=False, report=silent)
    assert not file.exists()
    drained.join()


def test_without_what_waits_in_the_spool_there_is_no_backup_but_of_the_state(
    source: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backup.backup.SPOOL_WITHIN_S", 0.2)
    file = source.spool_dir / "kreispuls-ingest" / "000000000001.spool"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"readings")
    with pytest.raises(ConflictError, match=r"readings wait in ingest's spool, the oldest in .*000000000001\.spool"):
        back_up(source, tmp_path / "new.zip", state_only=False, report=silent)
    assert not (tmp_path / "new.zip").exists()
    back_up(source, tmp_path / "state.zip", state_only=True, report=silent)


def test_archive_and_restored_files_are_for_their_owner_only(archive: Path, make: Make) -> None:
    target = make("sqlite")
    restore(target, archive, state_only=False, force=False, report=silent)
    modes = [file.stat().st_mode & 0o777 for file in [archive, *target.data_dir.iterdir()]]
    assert modes == [0o600] * 3


def database(path: Path, text: str) -> Path:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE devices (text)")
        connection.execute("INSERT INTO devices VALUES (?)", (text,))
    connection.close()
    return path


def content(path: Path) -> str:
    connection = sqlite3.connect(path)
    text: str = connection.execute("SELECT text FROM devices").fetchone()[0]
    connection.close()
    return text


def test_a_swap_can_be_undone(tmp_path: Path) -> None:
    path = database(tmp_path / "x.db", "old")
    replacement = FileReplacement(path, tables=["devices"], force=True)
    database(replacement.new, "new")
    replacement.swap()
    replacement.undo()
    replacement.close()
    assert content(path) == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["x.db"]


WAITING = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
held = open(sys.argv[1], "rb")
print("opened", flush=True)
connection.execute("INSERT INTO devices VALUES ('written by the one who waited')")
"""


def test_a_program_that_waited_meanwhile_does_not_go_on_with_the_old_file(tmp_path: Path) -> None:
    path = database(tmp_path / "x.db", "old")
    replacement = FileReplacement(path, tables=["devices"], force=True)
    with subprocess.Popen(
        [sys.executable, "-c", WAITING, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "opened\n"
        database(replacement.new, "new")
        replacement.swap()
        replacement.close()
        _, complaint = program.communicate(timeout=60)
    assert program.returncode != 0
    assert "not a database" in complaint
    assert content(path) == "new"


def test_a_copy_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="does not exist"):
        copy_database(tmp_path / "nothing", tmp_path / "copy", lambda _done, _total: None)
    assert not list(tmp_path.iterdir())
