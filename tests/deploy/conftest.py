"""The compose file as it is read, and its variables as compose fills them in."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?::?(?P<kind>[?-])(?P<rest>[^}]*))?\})")


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return loaded


def interpolate(text: str, values: dict[str, str]) -> str:
    """As compose does it: `$$` is a dollar; an empty or missing variable takes its default or is an error."""

    def fill(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return "$"
        if values.get(name):
            return values[name]
        if match["kind"] == "?":
            raise LookupError(name)
        return match["rest"] or ""

    return VARIABLE.sub(fill, text)


@pytest.fixture
def environment_of(compose: dict[str, Any]) -> Any:
    """What a service (first argument) gets when `.env` has certain values (second)."""

    def build(service: str, values: dict[str, str]) -> dict[str, str]:
        wanted = compose["services"][service].get("environment", {})
        filled = {
            name: values.get(name) if text is None else interpolate(text, values) for name, text in wanted.items()
        }
        return {name: text for name, text in filled.items() if text is not None}

    return build
