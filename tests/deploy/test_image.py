"""The image: pinned, not root, and made of everything that the programs are."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
FINAL = DOCKERFILE.rpartition("\nFROM ")[2]


def test_the_base_is_pinned_to_a_patch_version_and_the_same_in_both_stages() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", bases[0])


def test_only_locked_packages_are_installed() -> None:
    installs = re.findall(r"pip (?:--python \S+ )?install (.+?)(?: \\)?$", DOCKERFILE, re.MULTILINE)
    assert installs
    for arguments in installs:
        assert (
            "--require-hashes" in arguments
            or "--no-index" in arguments
            or re.fullmatch(r"setuptools==\d+\.\d+\.\d+", arguments)
        ), arguments


def test_the_final_stage_only_copies_and_is_not_root() -> None:
    assert "pip" not in FINAL
    assert "apt-get" not in FINAL
    assert re.search(r"^USER [1-9]\d*$", FINAL, re.MULTILINE)
    assert "HEALTHCHECK" in FINAL


def test_nothing_but_the_project_reaches_the_build() -> None:
    """Above all no .env."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["importlinter"]["root_packages"]
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "requirements.lock",
        "requirements-base.lock",
        *packages,
    }
