import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from core.device import Device, Municipality, Place
from core.errors import InvalidInputError, NotFoundError
from core.pickup import DueReason, Plan, PlanState, Route, Stop, StopState
from core.settings import load_settings
from state.state import open_state


@pytest.fixture(autouse=True)
def _lohra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bin that was emptied today, on a route of 7 km."""
    monkeypatch.setenv("KREISPULS_DATA_DIR", str(tmp_path / "data"))
    settings = load_settings()
    state = open_state(settings.state_url)
    state.municipalities.put(Municipality(municipality="lohra", name="Lohra", depot=Place("Bauhof", 50.8, 8.7)))
    state.devices.add(
        Device(device_id="bin-1", device_type="waste_bin", municipality="lohra", latitude=50.81, longitude=8.7)
    )
    now = datetime.now(UTC)
    stop = Stop(
        stop_id="s",
        sequence=1,
        device_id="bin-1",
        name="",
        latitude=50.81,
        longitude=8.7,
        filling_level=0.9,
        volume_l=240,
        reasons=(DueReason.FORECAST,),
        arrival_s=0,
        distance_m=0,
        state=StopState.DONE,
        done_at=now,
    )
    route = Route(route_id="r", vehicle="truck", stops=(stop,), distance_m=7000, duration_s=3600, load_l=200)
    state.pickups.add_plan(
        Plan(
            plan_id="p",
            municipality="lohra",
            date=now.astimezone(settings.zone).date(),
            state=PlanState.DONE,
            created_at=now,
            routes=(route,),
        )
    )
    state.pickups.add_plan(
        Plan(
            plan_id="before",
            municipality="lohra",
            date=now.astimezone(settings.zone).date() - timedelta(days=6),
            state=PlanState.DONE,
            created_at=now,
        )
    )
    state.close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["pickups", "report", *arguments])


def test_a_report_in_each_form() -> None:
    lines = json.loads(run("--format", "json").stdout)
    month = datetime.now(load_settings().zone).strftime("%Y-%m")
    assert [(line["municipality"], line["month"]) for line in lines] == [("lohra", month), ("lohra", None)]
    total = lines[-1]
    assert (total["distance_km"], total["fuel_l"], total["stops_done"], total["level_at_emptying"]) == (7, 2.1, 1, 0.9)
    week = (datetime.now(load_settings().zone).date() - timedelta(days=6)).isoformat()
    total = json.loads(run("--format", "json", "--start", week).stdout)[-1]
    assert total["weekly_schedule"]["rounds"] == 1  # the command found the round itself
    rows = list(csv.DictReader(io.StringIO(run("-m", "lohra", "--format", "csv", "--start", week).stdout)))
    assert (rows[-1]["month"], rows[-1]["distance_km"], rows[-1]["emptied_at_90_percent"]) == ("", "7.0", "1")
    assert rows[-1]["weekly_estimated"] == "true"
    table = run().stdout
    assert "lohra" in table
    assert "estimated" in table


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (("-m", "nowhere"), NotFoundError, "no municipality 'nowhere'"),
        (("--start", "soon"), InvalidInputError, "--start: 'soon' is no date"),
        (("--start", "2020-01-01", "--end", "2023-01-01"), InvalidInputError, "1097 days are more than 366"),
    ],
)
def test_what_is_wrong_is_one_sentence(arguments: tuple[str, ...], error: type[Exception], sentence: str) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, error)
    assert sentence in str(result.exception)
