"""The base install runs the API and ingest; what needs more says so in one sentence."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cli.extras import EXTRAS

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WITHOUT = f"import sys; sys.modules |= dict.fromkeys({list(EXTRAS)}); "


def locked(lock: str) -> set[str]:
    """Every `package==version`."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    return set(map("".join, re.findall(r"^([\w.-]+)(?:\[[\w,-]*\])?(==\S+)", text, re.MULTILINE)))


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
    )


def test_the_project_and_the_sentences_name_the_same_extras() -> None:
    packages = {
        re.split(r"[<>=]", wanted)[0]: extra
        for extra, all_wanted in PROJECT["optional-dependencies"].items()
        for wanted in all_wanted
        if extra != "all"
    }
    assert packages == EXTRAS
    assert PROJECT["optional-dependencies"]["all"] == [f"kreispuls[{','.join(sorted(set(EXTRAS.values())))}]"]


def test_the_base_is_locked_to_the_same_versions_without_the_extras() -> None:
    base, everything = locked("requirements-base.lock"), locked("requirements.lock")
    assert base < everything
    assert {each.partition("==")[0] for each in everything - base} >= EXTRAS.keys()


@pytest.mark.parametrize("program", ["api.program, api.app", "ingest.program, ingest.keeping.process, ingest.drain"])
def test_api_and_ingest_load_none_of_them(program: str) -> None:
    done = python(f"{WITHOUT}import {program}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (["planner"], "planner"),
        (["plan", "--vrp", "README.md"], "planner"),
        (["plan", "--municipality", "marburg"], "planner"),
        (["broker"], "laptop"),
        (["demo"], "laptop"),
        (["up"], "laptop"),
        (["lights", "replay", "--plot", "night.png"], "plot"),
        (["pickups", "backtest", "--simulate", "--plot", "year.png"], "plot"),
    ],
)
def test_a_command_that_needs_one_says_which(command: list[str], extra: str) -> None:
    done = python(f"{WITHOUT}sys.argv = {['kreispuls', *command]}; import cli.main; cli.main.main()")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.endswith(f"is not installed here: pip install 'kreispuls[{extra}]'\n")
