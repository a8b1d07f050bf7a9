from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from core.device import Device
from core.errors import InvalidInputError, NotFoundError, SettingsError
from core.reading import Reading
from core.settings import load_settings
from readings.open import open_readings
from state.state import open_state

RULE = """
[[rule]]
name = "nearly_full"
severity = "info"
summary = "{name} is {value:.0%} full"
summary_de = "{name} ist zu {value:.0%} voll"
quantity = "filling_level"
above = 0.5
"""


@pytest.fixture(autouse=True)
def bins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bin that is full for two hours, a day ago."""
    monkeypatch.setenv("KREISPULS_DATA_DIR", str(tmp_path / "data"))
    settings = load_settings()
    state, readings = open_state(settings.state_url), open_readings(settings)
    state.municipalities.ensure("marburg")
    state.devices.add(Device(device_id="bin-1", device_type="waste_bin", municipality="marburg", name="Markt"))
    begin = datetime.now(UTC) - timedelta(days=1)
    for hour, level in enumerate((0.2, 0.7, 0.8, 0.1)):
        at = begin + timedelta(hours=hour)
        readings.write([Reading("bin-1", "waste_bin", "marburg", at, at, {"filling_level": level})])
    readings.close()
    state.close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["rules", "try", *arguments])


def in_file(tmp_path: Path, text: str) -> str:
    file = tmp_path / "own.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("since", ["2d", "48h", "P2D"])
def test_lists_what_would_have_been_raised(tmp_path: Path, since: str) -> None:
    result = run(in_file(tmp_path, RULE), "--type", "waste_bin", "--since", since, "-m", "marburg")
    assert result.exit_code == 0, result.output
    alert, sums = result.output.splitlines()
    assert alert.endswith("2.0 h  info      nearly_full  bin-1  Markt is 70% full")
    assert sums.startswith("1 alerts (1 nearly_full) from 4 readings of 1 devices, ")
    state = open_state(load_settings().state_url)
    assert state.alerts.open_alerts() == []
    state.close()


def test_a_shorter_span_sees_less(tmp_path: Path) -> None:
    result = run(in_file(tmp_path, 'device_type = "waste_bin"\n' + RULE), "--since", "30m")
    assert result.output.startswith("0 alerts (none) from 0 readings of 0 devices")


@pytest.mark.parametrize(
    ("text", "options", "error", "says"),
    [
        (RULE, (), InvalidInputError, "does not say its device type: give --type, one of streetlight, waste_bin"),
        ("", ("--type", "waste_bin"), SettingsError, "own.toml: there is no rule in it"),
        (RULE + "colour = 1", ("--type", "waste_bin"), SettingsError, r"own.toml: rule 1 colour"),
        (RULE, ("--type", "waste_bin", "--since", "soon"), InvalidInputError, "--since: 'soon' is no span"),
        (RULE, ("--type", "waste_bin", "--since", "0d"), InvalidInputError, "--since: '0d' is not between"),
        (RULE, ("--type", "waste_bin", "--since", "9999d"), InvalidInputError, "--since: '9999d' is not between"),
        (RULE, ("--type", "waste_bin", "-m", "nowhere"), NotFoundError, "no municipality 'nowhere'"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    tmp_path: Path, text: str, options: tuple[str, ...], error: type[Exception], says: str
) -> None:
    result = run(in_file(tmp_path, text), *options)
    assert isinstance(result.exception, error)
    assert says.replace("\\", "") in str(result.exception)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    result = run(str(tmp_path / "none.toml"), "--type", "waste_bin")
    assert isinstance(result.exception, InvalidInputError)
    assert "none.toml cannot be read" in str(result.exception)


def test_the_shipped_rules_can_be_tried() -> None:
    result = run("devices/waste_bin/rules.toml", "--since", "2d")
    assert result.exit_code == 0, result.output
    assert "communication_failure" in result.output
