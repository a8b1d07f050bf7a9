import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from core.errors import InvalidInputError
from state.devices import DeviceFilter
from state.state import open_state

ROWS = (
    "serial,description,latitude,longitude,threshold\n"
    "1510830,Bendigo Bank,-37.9,144.66,6.0\n"
    "1511190,Aldi,-37.88,144.73,8.0\n"
)
COLUMNS = ("--map", "device_id=serial", "--map", "name=description")
OPTIONS = (*COLUMNS, "--set", "device_type=waste_bin", "--set", "municipality=wyndham")


@pytest.fixture(autouse=True)
def _own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KREISPULS_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def containers(tmp_path: Path) -> Path:
    file = tmp_path / "containers.csv"
    file.write_text(ROWS)
    return file


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["devices", *map(str, arguments)])


def registered(tmp_path: Path) -> list[str]:
    state = open_state(f"sqlite:///{tmp_path / 'data' / 'state.db'}")
    try:
        return [device.device_id for device in state.devices.all(DeviceFilter())]
    finally:
        state.close()


def test_a_foreign_file_is_imported_and_exported_again(containers: Path) -> None:
    assert run("import", containers, *OPTIONS).output == "2 devices imported\n"
    lines = run("export").output.splitlines()
    assert lines[0].startswith("device_id,device_type,municipality,name,latitude,longitude,street,status")
    assert lines[1].startswith("1510830,waste_bin,wyndham,Bendigo Bank,-37.9,144.66,,active,")
    document = json.loads(run("export", "--format", "geojson", "--municipality", "wyndham").output)
    assert document["features"][1]["geometry"] == {"type": "Point", "coordinates": [144.73, -37.88]}
    assert document["features"][1]["properties"]["attributes"] == {"threshold": 8.0}
    assert json.loads(run("export", "--format", "geojson", "--municipality", "elsewhere").output)["features"] == []


def test_an_export_can_be_imported_where_nothing_is(
    containers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("import", containers, *OPTIONS)
    exported = tmp_path / "devices.geojson"
    exported.write_text(run("export", "--format", "geojson").output)
    monkeypatch.setenv("KREISPULS_DATA_DIR", str(tmp_path / "other"))
    assert run("import", exported).output == "2 devices imported\n"


def test_importing_again_replaces(containers: Path, tmp_path: Path) -> None:
    run("import", containers, *OPTIONS)
    containers.write_text(ROWS.replace("Aldi", "Aldi Nord"))
    assert run("import", containers, *OPTIONS).exit_code == 0
    assert "Aldi Nord" in run("export").output
    assert registered(tmp_path) == ["1510830", "1511190"]


def test_one_bad_row_and_nothing_is_imported(containers: Path, tmp_path: Path) -> None:
    containers.write_text(ROWS + "15112 00,Coles,-37.88,144.73,8.0\n")
    result = run("import", containers, *OPTIONS)
    assert isinstance(result.exception, InvalidInputError)
    assert str(result.exception).startswith("1 of 3 devices cannot be imported: line 4: device_id '15112 00'")
    assert registered(tmp_path) == []


def test_a_dry_run_changes_nothing(containers: Path, tmp_path: Path) -> None:
    assert run("import", containers, *OPTIONS, "--dry-run").output == "2 devices can be imported\n"
    assert registered(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("import", "nowhere.csv"), "nowhere.csv cannot be read: No such file"),
        (("import", "/dev/null", "--map", "device_id"), "--map: expected KEY=VALUE, got 'device_id'"),
        (("import", "/dev/null", "--map", "name=a", "--map", "name=b"), "--map: name is given twice"),
        (("import", "/dev/null", "--set", "colour=red"), "'colour' is no field of a device"),
        (("import", "/dev/null"), "the file has no header line"),
    ],
)
def test_what_is_wrong_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, InvalidInputError)
    assert sentence in str(result.exception)
    assert "\n" not in str(result.exception)


def test_a_file_of_another_encoding_is_refused(containers: Path) -> None:
    containers.write_bytes(ROWS.encode() + "1,Straße,,,\n".encode("latin-1"))
    result = run("import", containers, *OPTIONS)
    assert "is not UTF-8" in str(result.exception)
