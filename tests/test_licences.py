"""The licence is whole, and every package that runs beside the project has one that goes with it."""

import re
import tomllib
from importlib.metadata import metadata

import pytest

from tests.licences import ALLOWED, PAGE, ROOT, identifiers, licence, locked, table

LICENCE = (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_the_licence_has_its_fifteen_articles_and_the_appendix() -> None:
    assert LICENCE.startswith("EUROPEAN UNION PUBLIC LICENCE v. 1.2\n")
    assert [int(number) for number in re.findall(r"^(\d+)\.[A-Z]", LICENCE, re.MULTILINE)] == list(range(1, 16))
    appendix = LICENCE.partition("according to Article 5 EUPL are:\n")[2]
    assert len(re.findall("^— ", appendix, re.MULTILINE)) == 10


def test_the_project_says_so_and_carries_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "EUPL-1.2"
    assert "LICENSE" in project["license-files"]
    assert metadata("kreispuls")["License-Expression"] == "EUPL-1.2"


@pytest.mark.parametrize("package", locked())
def test_a_package_has_a_licence_that_goes_with_ours(package: str) -> None:
    assert identifiers(licence(package)) <= ALLOWED


def test_the_table_is_as_make_licences_writes_it() -> None:
    assert PAGE.read_text(encoding="utf-8").endswith(table()), "run `make licences`"
