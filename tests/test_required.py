"""Servers that CI can install must not be missing there."""

import subprocess
from pathlib import Path

import pytest

from tests import conftest, postgresql, required

ROOT = Path(__file__).parents[1]
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
INSTALLED = {"mosquitto": "MOSQUITTO", "postgresql": "POSTGRESQL", "libfaketime": "LIBFAKETIME"}


def test_what_is_missing_is_a_skip_and_where_it_is_required_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KREISPULS_REQUIRE_MOSQUITTO", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install mosquitto"):
        required.missing("mosquitto", "apt-get install mosquitto", "KREISPULS_REQUIRE_MOSQUITTO")
    monkeypatch.setenv("KREISPULS_REQUIRE_MOSQUITTO", "1")
    with pytest.raises(pytest.fail.Exception, match="KREISPULS_REQUIRE_MOSQUITTO"):
        required.missing("mosquitto", "apt-get install mosquitto", "KREISPULS_REQUIRE_MOSQUITTO")


def test_a_missing_mosquitto_fails_where_it_is_required(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(conftest, "MOSQUITTO", None)
    monkeypatch.setenv("KREISPULS_REQUIRE_MOSQUITTO", "1")
    with pytest.raises(pytest.fail.Exception, match="KREISPULS_REQUIRE_MOSQUITTO"):
        request.getfixturevalue("mosquitto")


def test_a_missing_postgresql_fails_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "_binary", lambda _name: None)
    monkeypatch.setenv("KREISPULS_REQUIRE_POSTGRESQL", "1")
    with pytest.raises(pytest.fail.Exception, match="KREISPULS_REQUIRE_POSTGRESQL"):
        postgresql.Postgresql()


@pytest.mark.parametrize("package", INSTALLED)
def test_what_ci_installs_it_also_requires(package: str) -> None:
    assert package in (ROOT / "tests" / "install_servers.sh").read_text(encoding="utf-8")
    assert f"KREISPULS_REQUIRE_{INSTALLED[package]}=1" in CI


def test_the_newest_python_is_newer_than_the_one_that_all_tests_run_with() -> None:
    script = ROOT / "tests" / "newest_python.sh"
    found = subprocess.run(["sh", script], capture_output=True, text=True, check=True).stdout.strip()
    if found:
        said = subprocess.run(
            [found, "-c", "import sys; print(sys.version_info >= (3, 12))"], capture_output=True, check=True
        )
        assert said.stdout == b"True\n"
