"""The hooks before a commit run what `make check` runs, with the tools of the environment."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / ".pre-commit-config.yaml"


def test_they_run_what_make_check_runs() -> None:
    (local,) = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["repos"]
    assert local["repo"] == "local", "others are downloaded"
    assert {hook["language"] for hook in local["hooks"]} == {"system"}
    hooks = [hook["entry"].removesuffix(" --force-exclude") for hook in local["hooks"]]
    target = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert target is not None
    checks = [line.removesuffix(" .") for line in re.findall(r"@\$\(BIN\)/(.+)", target[1])]
    assert hooks == [f".venv/bin/{each}" for each in checks]


def test_the_file_is_valid() -> None:
    subprocess.run([sys.executable, "-m", "pre_commit", "validate-config", CONFIG], check=True)
