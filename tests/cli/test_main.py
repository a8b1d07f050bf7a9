"""The command line as a person meets it: help, one-sentence errors, exit statuses."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import cli.main
from core.pickup import Plan, PlanState
from state.plan_queue import LEASE
from state.state import open_state

Run = Callable[..., subprocess.CompletedProcess[str]]
COMMANDS = [name for name, (_, text) in cli.main.COMMANDS.items() if text]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run `kreispuls` in an empty folder."""

    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("KREISPULS_")}
        return subprocess.run(
            [sys.executable, "-P", "-m", "cli.main", *arguments],
            capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path, env=clean | environment,
        )  # fmt: skip

    return call


def test_help_lists_every_command_and_not_the_inner_ones(run: Run) -> None:
    ended = run("--help")
    assert ended.returncode == 0
    for command in COMMANDS:
        assert f"\n  {command} " in ended.stdout
    assert "\n  broker " not in ended.stdout


def test_the_list_of_commands_loads_none_of_them() -> None:
    """What `--help` loads, every start of a program loads too."""
    listed = "import sys; sys.argv = ['kreispuls', '--help']; import cli.main; "
    listed += "exec('try: cli.main.main()\\nexcept SystemExit: pass'); print([n for n in sys.modules if n in HEAVY])"
    heavy = ["pydantic", "numpy", "sqlalchemy", "fastapi", "paho", "alembic", "scipy"]
    code = f"HEAVY = {heavy}; {listed}"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run: Run, command: str) -> None:
    ended = run(command, "--help")
    assert ended.returncode == 0
    assert "Usage:" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (("ingest",), {"KREISPULS_API_PORT": "x"}, "kreispuls: KREISPULS_API_PORT: Input should be a valid integer"),
        (("api",), {"KREISPULS_TYPO": "1"}, "kreispuls: unknown setting KREISPULS_TYPO"),
        (("simulate", "--region", "nowhere.json"), {}, "nowhere.json"),
        (("ingest",), {"KREISPULS_STATE_URL": "sqlite:////proc/nowhere/state.db"}, "kreispuls: "),
        (("up",), {"KREISPULS_DATA_DIR": "/proc/nowhere"}, "kreispuls: "),
        (("planner",), {"KREISPULS_READINGS_URL": "sqlite:////proc/nowhere/readings.db"}, "kreispuls: "),
    ],
)
def test_what_is_wrong_is_one_sentence_and_a_status(
    run: Run, arguments: tuple[str, ...], environment: dict[str, str], says: str
) -> None:
    ended = run(*arguments, **environment)
    assert ended.returncode == 1
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_an_unknown_command_is_refused(run: Run) -> None:
    ended = run("dance")
    assert ended.returncode == 2
    assert "No such command 'dance'" in ended.stderr


def test_check_says_what_works_and_what_is_missing_and_fix_makes_it(run: Run, mosquitto: Any, tmp_path: Path) -> None:
    environment = {"KREISPULS_MQTT_URL": mosquitto.url}
    before = run("check", **environment)
    assert before.returncode == 1
    assert "works  broker: answers" in before.stdout
    assert "fails  state: data/state.db does not exist yet" in before.stdout
    assert not (tmp_path / "data").exists()
    fixed = run("check", "--fix", **environment)
    assert fixed.returncode == 0, fixed.stdout
    assert "fails" not in fixed.stdout
    assert run("check", **environment).returncode == 0


def test_check_says_when_plans_wait_and_no_planner_runs(run: Run, mosquitto: Any, tmp_path: Path) -> None:
    environment = {"KREISPULS_MQTT_URL": mosquitto.url}
    run("check", "--fix", **environment)
    state = open_state(f"sqlite:///{tmp_path / 'data' / 'state.db'}")
    state.municipalities.ensure("marburg")
    state.plan_queue.add(
        Plan(
            plan_id="p",
            municipality="marburg",
            date=date(2026, 5, 4),
            state=PlanState.QUEUED,
            created_at=datetime(2026, 5, 4, 2, tzinfo=UTC),
        ),
        time_limit_s=1,
        seed=0,
        asked_for=True,
    )
    ended = run("check", **environment)
    assert ended.returncode == 1
    assert "fails  planner: none runs, and 1 plans wait since 2026-05-04T02:00:00Z" in ended.stdout
    assert state.leases.acquire(LEASE, "a planner", hold=timedelta(hours=1))
    state.close()
    ended = run("check", **environment)
    assert (ended.returncode, "works  planner: runs, 1 plans wait" in ended.stdout) == (0, True)


def test_check_names_a_broker_that_does_not_answer(run: Run, free_port: int) -> None:
    ended = run("check", "--fix", KREISPULS_MQTT_URL=f"mqtt://127.0.0.1:{free_port}")
    assert ended.returncode == 1
    assert f"fails  broker: MQTT broker 127.0.0.1:{free_port}: nothing answers there" in ended.stdout
