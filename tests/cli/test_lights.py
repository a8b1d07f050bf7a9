"""The command `lights replay` on a short street of one's own."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from core.errors import InvalidInputError

HEADER = "device_id,device_type,municipality,street,latitude,longitude\n"


@pytest.fixture
def street(tmp_path: Path) -> Path:
    file = tmp_path / "street.csv"
    rows = [f"l{index},streetlight,marburg,Am Grün,50.8,{8.77 + index * 0.0004:.4f}\n" for index in range(8)]
    file.write_text(HEADER + "".join(rows), encoding="utf-8")
    return file


def test_a_night_is_replayed_told_and_drawn(street: Path, tmp_path: Path) -> None:
    picture = tmp_path / "night.png"
    result = CliRunner().invoke(
        app, ["lights", "replay", "--street", str(street), "--passages", "6", "--plot", str(picture)]
    )
    assert result.exit_code == 0, result.output
    assert "Am Grün, 8 lamps, night of 2026-12-21: 14.7 h dark" in result.output
    assert "all:          6 of    6 lit as promised" in result.output
    assert "% saved" in result.output
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER, "street.csv: the file has no devices"),
        (HEADER + "a,streetlight,marburg,A,50.8,8.77\nb,streetlight,marburg,B,50.8,8.78\n", "found 2 rows"),
        (
            HEADER + "a,streetlight,berlin,A,50.8,8.77\nb,streetlight,berlin,A,50.8,8.7704\n",
            "municipality berlin is not of the region",
        ),
    ],
)
def test_a_file_that_is_no_street_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "street.csv"
    file.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(app, ["lights", "replay", "--street", str(file)])
    assert isinstance(result.exception, InvalidInputError)
    assert message in str(result.exception)


def test_a_date_or_picture_that_is_none_is_named(street: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["lights", "replay", "--date", "yesterday"])
    assert "--date: 'yesterday' is no date" in str(result.exception)
    result = CliRunner().invoke(
        app, ["lights", "replay", "--street", str(street), "--passages", "1", "--plot", str(tmp_path / "night.xyz")]
    )
    assert "night.xyz cannot be written" in str(result.exception)
