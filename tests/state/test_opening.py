"""Opening the state database: migrations, several programs at once, wrong URLs, servers that do not answer."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.engine import make_url

from core.device import Municipality
from core.errors import SettingsError, StorageError, StorageUnavailableError
from sql.engine import open_engine, ping
from sql.transaction import reading, translated_errors, writing
from state.state import State, open_state
from state.tables import metadata
from state.upgrade import NEWEST, migrations_config, revision

ROOT = Path(__file__).parents[2]
OPEN_AND_COUNT = """
import sys
from state.state import open_state
print("ready", flush=True)
sys.stdin.readline()
state = open_state(sys.argv[1])
state.municipalities.ensure(sys.argv[2])
state.close()
"""


def test_migrations_make_what_the_metadata_says(state: State) -> None:
    with state.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "target_metadata": metadata}
        )
        assert compare_metadata(context, metadata) == []


def test_migrations_go_down_and_up_again(state: State) -> None:
    with writing(state.engine) as connection:
        command.downgrade(migrations_config(connection), "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
        command.upgrade(migrations_config(connection), "head")
        assert "devices" in inspect(connection).get_table_names()


def test_opening_again_keeps_what_is_there(state_url: str) -> None:
    first = open_state(state_url)
    first.municipalities.put(Municipality(municipality="marburg", name="Marburg"))
    first.close()
    second = open_state(state_url)
    assert second.municipalities.get("marburg").name == "Marburg"
    assert second.devices.revision() == 1
    second.close()


def test_several_programs_open_a_fresh_database_at_once(state_url: str) -> None:
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_AND_COUNT, state_url, f"town-{number}"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for program in programs:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("go\n")
        program.stdin.flush()
    complaints = [program.communicate(timeout=60)[1] for program in programs]
    assert [program.returncode for program in programs] == [0, 0, 0, 0], complaints
    state = open_state(state_url)
    assert [each.municipality for each in state.municipalities.all()] == ["town-0", "town-1", "town-2", "town-3"]
    state.close()


def test_threads_of_one_program_open_at_once(state_url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        states = list(threads.map(open_state, [state_url] * 4))
    for state in states:
        ping(state.engine)
        state.close()


def test_threads_share_a_database_in_memory() -> None:
    state = open_state("sqlite://")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(state.municipalities.ensure, [f"town-{number}" for number in range(100)]))
    assert len(state.municipalities.all()) == 100
    assert state.devices.revision() == 100
    state.close()


def test_threads_write_and_read_at_once(state: State) -> None:
    """A transaction that reads first and then writes must wait for its turn, not fail."""
    state.municipalities.ensure("marburg")
    before = state.devices.revision()

    def rename(number: int) -> int:
        state.municipalities.put(Municipality(municipality="marburg", name=f"Marburg {number}"))
        return len(state.municipalities.all())

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(rename, range(80))) == {1}
    assert state.devices.revision() == before + 80


def test_a_program_that_raises_within_a_write_leaves_no_trace(state: State) -> None:
    with pytest.raises(StorageError), writing(state.engine) as connection:  # noqa: PT012 - the first must not count
        connection.execute(text("UPDATE revision SET value = 99"))
        connection.execute(text("UPDATE no_such_table SET value = 99"))
    assert state.devices.revision() == 0


def test_sqlite_runs_with_write_ahead_log_and_foreign_keys(sqlite_url: str) -> None:
    opened = open_state(sqlite_url)
    with reading(opened.engine) as connection:
        pragmas = {name: connection.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "foreign_keys")}
        assert pragmas == {"journal_mode": "wal", "foreign_keys": 1}
        assert connection.scalar(text("PRAGMA synchronous")) == 2  # FULL: a commit is on disk
        assert connection.scalar(text("PRAGMA busy_timeout")) == 10_000
    opened.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "state.db",
        "mysql://localhost/kreispuls",
        "postgresql+psycopg2://localhost/kreispuls",
        "postgresql://operator:geheim@localhost:port/kreispuls",
        "postgresql://operator:geheim@localhost/kreispuls?no_such_option=1",
        "sqlite://state.db",
        "sqlite+aiosqlite:///state.db",
    ],
)
def test_a_wrong_url_names_the_setting(url: str) -> None:
    with pytest.raises(SettingsError, match="KREISPULS_STATE_URL") as caught:
        open_engine(url)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgres"])
def test_an_unreachable_server_is_unavailable_and_its_password_stays_secret(
    scheme: str, free_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(StorageUnavailableError) as caught:
        open_state(f"{scheme}://operator:geheim@127.0.0.1:{free_port}/kreispuls?password=geheim")
    assert f"127.0.0.1:{free_port}/kreispuls" in str(caught.value)
    assert "geheim" not in str(caught.value) + str(caught.value.__cause__) + caplog.text


def test_plain_postgresql_means_psycopg_3(postgresql_url: str) -> None:
    assert make_url(postgresql_url).drivername == "postgresql"
    engine = open_engine(postgresql_url)
    assert engine.dialect.driver == "psycopg"
    engine.dispose()


def test_a_server_that_ends_connections_is_unavailable_and_then_there_again(postgresql_url: str) -> None:
    state = open_state(postgresql_url)
    other = open_engine(postgresql_url)
    with reading(state.engine) as victim, reading(other) as killer:
        pid = victim.scalar(text("SELECT pg_backend_pid()"))
        killer.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})
        with pytest.raises(StorageUnavailableError), translated_errors(state.engine.url):
            victim.execute(text("SELECT 1"))
    ping(state.engine)
    state.close()
    other.dispose()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text("no database at all, but long enough to have a header" * 10)
    with pytest.raises(StorageError, match=r"state\.db.*not a database"):
        open_state(f"sqlite:///{tmp_path / 'state.db'}")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailableError, match="folder"):
        open_state(f"sqlite:///{tmp_path / 'file' / 'state.db'}")


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailableError, match="unable to open"):
        open_state(f"sqlite:///{tmp_path}")


def test_a_database_of_a_newer_version(state_url: str) -> None:
    opened = open_state(state_url)
    with writing(opened.engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    opened.close()
    with pytest.raises(StorageError, match=r"another version.*9999"):
        open_state(state_url)


def test_the_newest_revision_is_the_one_that_alembic_knows(state: State) -> None:
    """Tables that are up to date are known without loading Alembic."""
    with state.engine.connect() as connection:
        script = ScriptDirectory.from_config(migrations_config(connection))
    assert script.get_heads() == [NEWEST]
    assert revision(state.engine) == NEWEST


def test_a_driver_error_is_translated(state: State) -> None:
    with pytest.raises(StorageError) as caught, reading(state.engine) as connection:
        connection.execute(text("SELECT no_such_column FROM devices"))
    assert type(caught.value) is StorageError
    assert "no_such_column" in str(caught.value)
