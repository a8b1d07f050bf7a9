"""`kreispuls backup` and `restore` as a person uses them: files, pipes, refusals in one sentence."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.device import Device, Municipality
from core.quantity import Value
from core.reading import Reading
from readings.sqlite.store import SqliteReadings
from state.state import open_state

Run = Callable[..., subprocess.CompletedProcess[bytes]]
AT = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run `kreispuls` in a folder with a platform of one device in `data`."""
    (tmp_path / "data").mkdir()
    state = open_state(f"sqlite:///{tmp_path}/data/state.db")
    state.municipalities.put(Municipality(municipality="marburg", name="Marburg"))
    state.devices.put_many([Device(device_id="b1", device_type="waste_bin", municipality="marburg")])
    state.close()
    readings = SqliteReadings(f"{tmp_path}/data/readings.db")
    readings.write([Reading("b1", "waste_bin", "marburg", AT, AT, {"weight_kg": 7.5})])
    readings.close()

    def call(*arguments: str, given: bytes | None = None, **environment: str) -> subprocess.CompletedProcess[bytes]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("KREISPULS_")}
        return subprocess.run(
            [sys.executable, "-P", "-m", "cli.main", *arguments],
            input=given, capture_output=True, timeout=60, check=False, cwd=tmp_path, env=clean | environment,
        )  # fmt: skip

    return call


def weights(folder: Path) -> list[Value]:
    readings = SqliteReadings(f"{folder}/readings.db")
    found = [item.value for item in readings.latest()]
    readings.close()
    return found


def test_a_backup_is_one_file_and_comes_back_elsewhere(run: Run, tmp_path: Path) -> None:
    made = run("backup", "night.zip")
    assert made.returncode == 0, made.stderr
    assert b"backup written: 3 rows of the state, readings" in made.stderr
    again = run("backup", "night.zip")
    assert (again.returncode, again.stderr) == (1, b"kreispuls: night.zip exists already\n")
    restored = run("restore", "night.zip", KREISPULS_DATA_DIR="elsewhere")
    assert restored.returncode == 0, restored.stderr
    assert b"restored: state and readings as of 20" in restored.stderr
    assert weights(tmp_path / "elsewhere") == [7.5]
    devices = run("devices", "export", KREISPULS_DATA_DIR="elsewhere")
    assert b"\nb1,waste_bin,marburg," in devices.stdout


def test_a_backup_goes_through_pipes(run: Run, tmp_path: Path) -> None:
    made = run("backup", "-")
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith(b"PK")
    restored = run("restore", "-", given=made.stdout, KREISPULS_DATA_DIR="elsewhere")
    assert restored.returncode == 0, restored.stderr
    assert weights(tmp_path / "elsewhere") == [7.5]
    assert {file.name for file in (tmp_path / "elsewhere").iterdir()} == {"readings.db", "state.db"}
    assert not list((tmp_path / "data").glob("backup-*"))


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (("restore", "nothing.zip"), {}, b"nothing.zip cannot be read: No such file"),
        (("restore", "data/state.db"), {}, b"data/state.db is no backup"),
        (("restore", "-"), {}, b"is no backup"),
        (("backup", "x.zip"), {"KREISPULS_READINGS_URL": "influxdb://"}, b"influx backup"),
        (("backup", "x.zip"), {"KREISPULS_DATA_DIR": "nowhere"}, b"does not exist"),
        (("backup", "no/folder/x.zip"), {}, b"no/folder/x.zip cannot be written: No such file"),
        (("backup", "x.zip"), {"KREISPULS_STATE_URL": "postgresql://u:secret@127.0.0.1:1/x"}, b"127.0.0.1:1/x"),
    ],
)
def test_what_does_not_work_is_one_sentence(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], says: bytes
) -> None:
    ended = run(*arguments, given=b"", **environment)
    assert ended.returncode == 1
    assert says in ended.stderr
    assert b"secret" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert weights(tmp_path / "data") == [7.5]
    assert not (tmp_path / "x.zip").exists()


def test_a_platform_with_data_is_replaced_only_by_force(run: Run, tmp_path: Path) -> None:
    assert run("backup", "night.zip").returncode == 0
    readings = SqliteReadings(f"{tmp_path}/data/readings.db")
    readings.write([Reading("b1", "waste_bin", "marburg", AT, AT, {"weight_kg": 8.5})])
    readings.close()
    refused = run("restore", "night.zip")
    assert refused.returncode == 1
    assert b"data/readings.db is not empty; --force replaces it" in refused.stderr
    assert weights(tmp_path / "data") == [8.5]
    assert run("restore", "night.zip", "--force").returncode == 0
    assert weights(tmp_path / "data") == [7.5]
