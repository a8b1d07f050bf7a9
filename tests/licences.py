"""The table of docs/licences.md: every package that is installed to run Kreispuls, and its licence.

`make licences` writes it, test_licences.py compares.
"""

import re
from importlib.metadata import PackageNotFoundError, metadata
from itertools import groupby
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "licences.md"
_LOCKED: Final = re.compile(r"^([\w.-]+)(?:\[[\w,-]*\])?==(\S+)", re.MULTILINE)
_HEAD: Final = "| package | version | licence |\n|---|---|---|\n"
ALLOWED: Final = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "EPL-2.0", "ISC", "LGPL-3.0-only",
    "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Zlib",
}  # fmt: skip
"""SPDX identifiers of licences that go with EUPL-1.2."""
_READ_IN_THEIR_LICENCE_FILES: Final = {
    "colorama": "BSD-3-Clause",  # only on Windows
    "contourpy": "BSD-3-Clause",
    "cycler": "BSD-3-Clause",
    "defusedxml": "PSF-2.0",
    "gpxpy": "Apache-2.0",
    "influxdb-client": "MIT",
    "kiwisolver": "BSD-3-Clause",
    "markdown-it-py": "MIT",
    "matplotlib": "PSF-2.0",
    "mdurl": "MIT",
    "pwdlib": "MIT",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "scipy": "BSD-3-Clause",
    "segno": "BSD-3-Clause",
    "shellingham": "ISC",
}
"""Licences of packages whose metadata give no SPDX expression."""


def identifiers(expression: str) -> set[str]:
    """The licences of an SPDX expression."""
    return set(re.split(r" (?:AND|OR) ", re.sub(r"[()]", "", expression)))


def licence(package: str) -> str:
    """The licence of a package as an SPDX expression: what it was read to be, or what its metadata say."""
    if package in _READ_IN_THEIR_LICENCE_FILES:
        return _READ_IN_THEIR_LICENCE_FILES[package]
    try:
        said = metadata(package)
    except PackageNotFoundError:
        return f"not installed here: read it and name it in {Path(__file__).name}"
    named = [said[field] for field in ("License-Expression", "License") if field in said]
    return next(filter(None, named), "its metadata name none")


def locked() -> dict[str, str]:
    """Package -> version; another Python may get another version of the same package."""
    found = _LOCKED.findall((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    return {
        name: ", ".join(version for _, version in versions) for name, versions in groupby(found, lambda each: each[0])
    }


def table() -> str:
    """The table as it should be."""
    return _HEAD + "".join(f"| {name} | {version} | {licence(name)} |\n" for name, version in locked().items())


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8").partition(_HEAD)[0]
    PAGE.write_text(text + table(), encoding="utf-8")
