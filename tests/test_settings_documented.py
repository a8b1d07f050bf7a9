"""`.env.example` and the settings say the same; nothing in it works as a password."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.settings import Settings, environment_name, load_settings

EXAMPLE = Path(__file__).parents[1] / ".env.example"
ENTRY = re.compile(r"# (?P<description>.+)\n(?P<off>#?)(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)\n")


def entries() -> dict[str, re.Match[str]]:
    found = {match["name"]: match for match in ENTRY.finditer(EXAMPLE.read_text(encoding="utf-8"))}
    assert found
    return found


def default(field: str) -> str:
    value = Settings.model_fields[field].default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_listed_with_its_default_and_description(field: str) -> None:
    entry = entries()[environment_name(field)]
    assert entry["value"] == default(field)
    assert entry["description"] == Settings.model_fields[field].description


def test_no_setting_is_listed_that_does_not_exist() -> None:
    known = {environment_name(field) for field in Settings.model_fields}
    listed = {name for name in entries() if name.startswith(("KREISPULS_", "INFLUXDB_V2_"))}
    assert listed == known


def test_no_secret_has_a_value() -> None:
    secrets = [entry for name, entry in entries().items() if name.endswith(("PASSWORD", "TOKEN"))]
    assert secrets
    for entry in secrets:
        assert not entry["off"], entry["name"]
        assert entry["value"] == "", entry["name"]


def test_a_copy_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(environment_name(field), raising=False)
    monkeypatch.chdir(tmp_path)
    before = load_settings()
    (tmp_path / ".env").write_bytes(EXAMPLE.read_bytes())
    assert load_settings() == before
