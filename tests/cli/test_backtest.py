"""`kreispuls pickups backtest`: a table of policies from a simulated county or a recording."""

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.backtest_runs import Row, savings
from cli.main import app
from core.errors import InvalidInputError
from pickups.backtest.replay import Outcome

DATA = Path(__file__).parents[3] / "shared" / "data" / "wyndham"
WYNDHAM = (
    DATA / "smartbin_filllevel_2018_2019.csv", "--containers", DATA / "containers.csv", "--kind", "stream",
    "--map", "device_id=Bin ID", "--map", "observed_at=timestamp", "--map", "filling_level=Fullness",
    "--container-map", "device_id=serial", "--container-map", "name=description",
    "--time-format", "%d-%m-%Y", "--timezone", "Australia/Melbourne", "--holidays", "AU-VIC",
)  # fmt: skip
FAST = ("--processes", 1, "--time-limit", 0.02)


def backtest(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["pickups", "backtest", *map(str, arguments)])


def failure(*arguments: object) -> str:
    result = backtest(*arguments)
    assert result.exit_code != 0
    assert isinstance(result.exception, InvalidInputError)
    return str(result.exception)


def test_a_simulated_county(tmp_path: Path) -> None:
    """One municipality, twelve days: the table, its files and the picture."""
    files = ("--json", tmp_path / "a.json", "--csv", tmp_path / "a.csv", "--plot", tmp_path / "a.png")
    policies = ("--policy", "fixed:0.95", "--policy", "threshold:0.75", "--policy", "ours:20:0.2:2")
    result = backtest(
        "--simulate", "--bins", 22, "--municipalities", 1, "--days", 12, "--seed", 3, *policies, *files, *FAST
    )
    assert result.exit_code == 0, result.exception or result.output
    assert "12 days from 2026-01-01, great_circle_x1.35" in result.stdout
    document = json.loads((tmp_path / "a.json").read_text())
    assert [row["policy"] for row in document["policies"]] == ["fixed:0.95", "threshold:0.75", "ours:20:0.2:2"]
    assert all(row["km"] > 0 and row["stops"] >= row["tours"] > 0 for row in document["policies"])
    assert {saving["than"] for saving in document["savings"]} == {"fixed:0.95", "threshold:0.75"}
    with (tmp_path / "a.csv").open() as file:
        assert [float(row["km"]) for row in csv.DictReader(file)] == [row["km"] for row in document["policies"]]
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the recording is not there: {DATA}")
def test_the_wyndham_recording(tmp_path: Path) -> None:
    """Two weeks: threshold and ours empty nearly all that comes in; general and recycling drive apart."""
    span = ("--from", "2019-07-01", "--until", "2019-07-15")
    policies = ("--policy", "threshold:0.75", "--policy", "ours:20")
    result = backtest(*WYNDHAM, *span, *policies, *FAST, "--json", tmp_path / "w.json")
    assert result.exit_code == 0, result.exception or result.output
    assert "33 bins in 2 areas, 14 days from 2019-07-01" in result.stdout
    threshold, ours = json.loads((tmp_path / "w.json").read_text())["policies"]
    assert threshold["level_at_emptying"] >= 0.8
    assert ours["overflow_days"] <= threshold["overflow_days"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param((), "name either a recording or --simulate", id="nothing to replay"),
        pytest.param(("levels.csv",), "--containers FILE is missing", id="no positions"),
        pytest.param(("--simulate", "--policy", "random:1"), "'random:1' is none of fixed:SERVICE", id="no policy"),
        pytest.param(("--simulate", "--policy", "threshold:75"), "'threshold:75' is none of", id="percent"),
        pytest.param(("--simulate", "--policy", "ours:"), "'ours:' is none of", id="no number"),
        pytest.param(
            ("--simulate", "--bins", 22, "--days", 5, "--from", "soon"), "--from: 'soon' is no date", id="date"
        ),
        pytest.param(
            ("--simulate", "--bins", 22, "--days", 5, "--from", "2030-01-01"),
            "--from 2030-01-01: no bin is known on that day",
            id="after the year",
        ),
    ],
)
def test_wrong_use_is_one_sentence(arguments: tuple[object, ...], sentence: str) -> None:
    assert sentence in failure(*arguments, *FAST)


def test_a_recording_whose_bins_have_no_position_is_named(tmp_path: Path) -> None:
    levels, bins = tmp_path / "levels.csv", tmp_path / "bins.csv"
    levels.write_text("device_id,observed_at,level\na,2026-03-02,0.5\na,2026-03-03,0.7\n")
    bins.write_text("device_id,latitude,longitude\nb,50.8,8.77\n")
    maps = ("--map", "device_id=device_id", "--map", "observed_at=observed_at", "--map", "filling_level=level")
    assert failure(levels, "--containers", bins, *maps, *FAST) == f"no bin of {levels} has a position in {bins}"


def row(policy: str, km: int, overflow_days: int, overflowed: float) -> Row:
    outcome = Outcome(
        distance_m=km * 1000, overflow_days=overflow_days, overflowed=overflowed, deposited=100, bin_days=100
    )
    return Row(policy, policy.partition(":")[0], outcome)


def test_ours_is_compared_at_no_worse_service_by_days_and_by_waste() -> None:
    rows = [
        row("threshold:0.75", 100, 10, 5),
        row("fixed:1", 100, 0, 0),
        row("ours:1", 20, 11, 4),
        row("ours:2", 30, 9, 6),
        row("ours:3", 60, 10, 5),
        row("ours:4", 70, 1, 1),
    ]
    against_threshold, against_fixed = savings(rows)
    assert (against_threshold.ours, against_threshold.saved) == ("ours:3", pytest.approx(0.4))
    assert against_fixed.sentence == "than fixed:1: none of ours serves as well"
