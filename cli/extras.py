"""Packages that only some commands need, and the extra of the project that brings each."""

from importlib.util import find_spec
from typing import Final

from core.errors import SettingsError

EXTRAS: Final = {
    "amqtt": "laptop",
    "matplotlib": "plot",
    "osmium": "planner",
    "pyvrp": "planner",
    "vrplib": "planner",
}


def missing_extra(error: BaseException) -> str | None:
    """The sentence that says what to install, if an error is that such a package is missing."""
    package = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return _sentence(package) if package in EXTRAS else None


def require(*extras: str) -> None:
    """Refuse to begin what would fail later.

    Raises:
        SettingsError: an extra is not installed.
    """
    for package, extra in EXTRAS.items():
        if extra in extras and find_spec(package) is None:
            raise SettingsError(_sentence(package))


def _sentence(package: str) -> str:
    return f"this needs {package}, which is not installed here: pip install 'kreispuls[{EXTRAS[package]}]'"
