"""docs/first-change.md, followed to the letter in a copy of the project."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "first-change.md").read_text(encoding="utf-8")
APPENDED = re.findall(r"^Append to `(\S+)`:\n\n```\w+\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
TESTS = re.findall(r'^make test ARGS="(tests/.+)"$', PAGE, re.MULTILINE)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "kreispuls"
    no_source = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "data", "benchmarks", "grafana")
    shutil.copytree(ROOT, folder, ignore=no_source)
    return folder


def last_line_of_pytest(folder: Path, arguments: str) -> str:
    """The last line of pytest."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments.split()],
        capture_output=True, text=True, timeout=300, check=False, cwd=folder,
    )  # fmt: skip
    return done.stdout.splitlines()[-1]


def test_the_page_is_true(copy: Path) -> None:
    (test_file, test), (rule_file, rule) = APPENDED
    new, all_of_them = TESTS
    with (copy / test_file).open("a", encoding="utf-8") as file:
        file.write(f"\n\n{test}")
    assert re.match("1 failed, 1 passed", last_line_of_pytest(copy, new))
    with (copy / rule_file).open("a", encoding="utf-8") as file:
        file.write(f"\n{rule}")
    assert re.match("2 passed", last_line_of_pytest(copy, new))
    assert re.match(r"\d+ passed in", last_line_of_pytest(copy, all_of_them))
    subprocess.run([sys.executable, "-m", "ruff", "check", "--no-cache", test_file], check=True, cwd=copy)
    subprocess.run([sys.executable, "-m", "ruff", "format", "--no-cache", "--check", test_file], check=True, cwd=copy)


def test_every_link_of_the_page_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
