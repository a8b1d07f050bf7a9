import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import gpxpy
import pypdfium2
import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from core.device import Device, Municipality, Place
from core.errors import InvalidInputError, NotFoundError
from core.reading import Reading
from core.settings import load_settings
from readings.open import open_readings
from state.state import open_state

SQUARE = """NAME : square
TYPE : CVRP
DIMENSION : 3
EDGE_WEIGHT_TYPE : EUC_2D
CAPACITY : 1
NODE_COORD_SECTION
1 0 0
2 3 4
3 6 8
DEMAND_SECTION
1 0
2 1
3 1
DEPOT_SECTION
 1
 -1
EOF
"""


@pytest.fixture(autouse=True)
def _own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KREISPULS_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def marburg() -> None:
    """Two bins, one of them full, in a municipality with a depot."""
    settings = load_settings()
    state, readings = open_state(settings.state_url), open_readings(settings)
    state.municipalities.put(Municipality(municipality="marburg", name="Marburg", depot=Place("Bauhof", 50.8, 8.76)))
    now = datetime.now(UTC)
    for number, level in ((1, 0.95), (2, 0.1)):
        device = Device(
            device_id=f"bin-{number}", device_type="waste_bin", municipality="marburg", latitude=50.81, longitude=8.77
        )
        state.devices.add(device)
        for at in (datetime(2026, 5, 5, 12, tzinfo=UTC), now - timedelta(hours=1)):
            readings.write([Reading(device.device_id, "waste_bin", "marburg", at, at, {"filling_level": level})])
    readings.close()
    state.close()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["plan", *map(str, arguments)])


@pytest.mark.usefixtures("marburg")
def test_a_plan_in_each_format() -> None:
    features = json.loads(run("--municipality", "marburg").stdout)["features"]
    assert [item["properties"]["device_id"] for item in features if item["properties"]["kind"] == "stop"] == ["bin-1"]
    document = json.loads(run("-m", "marburg", "--format", "json").stdout)
    assert (document["municipality"], document["state"]) == ("marburg", "done")
    rows = list(csv.DictReader(io.StringIO(run("-m", "marburg", "--format", "csv").stdout, newline="")))
    assert [(row["device_id"], row["filling_level"], row["reasons"]) for row in rows] == [
        ("bin-1", "0.95", "above_threshold")
    ]
    gpx = gpxpy.parse(run("-m", "marburg", "--format", "gpx").stdout)
    assert [point.name for point in gpx.routes[0].points] == ["Bauhof", "1 bin-1", "Bauhof", "Bauhof"]


@pytest.mark.usefixtures("marburg")
def test_a_sheet_for_drivers(tmp_path: Path) -> None:
    file = tmp_path / "sheet.pdf"
    result = run("-m", "marburg", "--format", "pdf", "--lang", "en", "--output", file)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "Route sheet: Route 1" in pypdfium2.PdfDocument(file)[0].get_textpage().get_text_range()
    piped = run("-m", "marburg", "--format", "pdf").stdout_bytes
    assert "Tourenblatt: Tour 1" in pypdfium2.PdfDocument(piped)[0].get_textpage().get_text_range()
    refused = run("-m", "marburg", "--output", tmp_path / "nowhere" / "plan.json")
    assert "plan.json cannot be written: No such file or directory" in str(refused.exception)


@pytest.mark.usefixtures("marburg")
def test_the_plan_is_in_force_afterwards() -> None:
    document = json.loads(run("-m", "marburg", "--date", "2026-05-06", "--format", "json").stdout)
    state = open_state(load_settings().state_url)
    kept = state.pickups.plan_in_force("marburg", date(2026, 5, 6))
    state.close()
    assert kept is not None
    assert kept.plan_id == document["plan_id"]


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ((), InvalidInputError, "--municipality is missing (or --vrp FILE)"),
        (("-m", "nowhere"), NotFoundError, "no municipality 'nowhere'"),
        (("-m", "marburg", "--date", "tomorrow"), InvalidInputError, "--date: 'tomorrow' is no date"),
        (("--vrp", "nowhere.vrp"), InvalidInputError, "nowhere.vrp cannot be read: No such file"),
        (("--vrp", "/dev/null"), InvalidInputError, "/dev/null: DIMENSION is missing"),
        (("--vrp", "x.vrp", "-m", "marburg"), InvalidInputError, "do not go with it"),
    ],
)
def test_what_is_wrong_is_one_sentence(arguments: tuple[str, ...], error: type[Exception], sentence: str) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, error)
    assert sentence in str(result.exception)


@pytest.mark.usefixtures("marburg")
def test_a_date_beyond_the_calendar_is_one_sentence() -> None:
    assert "is not within the years" in str(run("-m", "marburg", "--date", "9999-12-31").exception)


def test_a_vrp_file_is_solved_in_sol_form(tmp_path: Path) -> None:
    """Capacity 1 means a route each: 2 x 5 and 2 x 10."""
    file = tmp_path / "two.vrp"
    file.write_text(SQUARE)
    lines = run("--vrp", file, "--time-limit", "0.2", "--seed", "7").stdout.splitlines()
    assert sorted(line.split(": ")[1] for line in lines[:2]) == ["1", "2"]
    assert [line.split(":")[0] for line in lines[:2]] == ["Route #1", "Route #2"]
    assert lines[2] == "Cost 30"


@pytest.mark.usefixtures("marburg")
def test_neighbours_are_planned_together() -> None:
    settings = load_settings()
    state = open_state(settings.state_url)
    state.municipalities.ensure("lahntal")
    state.close()
    result = run("-m", "marburg", "--with", "lahntal", "--date", "2026-05-06", "--format", "json")
    assert json.loads(result.stdout)["municipality"] == "marburg"
    assert result.stderr == ""  # a progress bar is for terminals
    state = open_state(settings.state_url)
    assert state.pickups.page_plans("lahntal").items[0].municipalities == ("lahntal", "marburg")
    state.close()
    assert isinstance(run("-m", "marburg", "--with", "atlantis").exception, NotFoundError)
    assert isinstance(run("--vrp", "x.vrp", "--with", "lahntal").exception, InvalidInputError)
