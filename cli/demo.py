"""The commands `demo` and `up`: broker, ingest, API, planner (and a simulated county) in one go on this machine."""

import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.extras import require
from core.settings import load_settings

LAMPS_OF_DEFAULT: Final = 300
DEVICES_OF_DEFAULT: Final = 380


def demo(
    *,
    for_: Annotated[float | None, typer.Option("--for", min=1, metavar="SECONDS", help="End after so long.")] = None,
    devices: Annotated[int, typer.Option(min=2, max=50_000, help="How many devices; four fifths are lamps.")] = 380,
    speed: Annotated[float, typer.Option(min=0.01, max=3600, help="How many times as fast things happen.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Same seed, same county.")] = 0,
) -> None:
    """Watch a simulated county at work: everything in one go, nothing to configure. Ctrl-C stops all."""
    from cli.local_platform import SimulatedCounty, run_platform

    require("laptop", "planner")
    lamps = round(devices * LAMPS_OF_DEFAULT / DEVICES_OF_DEFAULT)
    fleet = SimulatedCounty(lamps, devices - lamps, speed, seed)
    with tempfile.TemporaryDirectory(prefix="kreispuls-demo-") as folder:
        chosen = load_settings()
        overrides: dict[str, object] = {}
        if "data_dir" not in chosen.model_fields_set:
            overrides["data_dir"] = Path(folder)
        if "auto_register" not in chosen.model_fields_set:
            overrides["auto_register"] = True
        run_platform(load_settings(**overrides), chosen, fleet, for_)


def up() -> None:
    """Run the platform without simulator; data is kept in KREISPULS_DATA_DIR (default ./data). Ctrl-C stops all."""
    from cli.local_platform import run_platform

    require("laptop", "planner")
    chosen = load_settings()
    run_platform(chosen, chosen, None, None)
