"""The command `kreispuls`: its subcommands; errors become one sentence and a non-zero status."""

import importlib
import logging
import os
import sys
from typing import Any, Final

import typer
from typer.core import TyperGroup

from cli.extras import missing_extra
from core.errors import KreispulsError
from core.processes import give_way

COMMANDS: Final = {
    "demo": ("cli.demo:demo", "Watch a simulated county at work: everything in one go, nothing to configure."),
    "up": ("cli.demo:up", "Run the platform without simulator; data is kept in KREISPULS_DATA_DIR (default ./data)."),
    "ingest": ("cli.programs:ingest", "Take readings from the broker into the stores; run rules, lights and jobs."),
    "api": ("cli.programs:api", "Serve the REST API."),
    "planner": ("cli.programs:planner", "Make the pickup plans that wait; queue the day's, learn how places fill."),
    "simulate": ("cli.programs:simulate", "Stand in for a fleet of devices: register it, publish as it would."),
    "broker": ("cli.programs:broker", ""),
    "devices": ("cli.devices:devices_app", "The registry of devices as files."),
    "lights": ("cli.lights:lights_app", "Light control: try it out."),
    "replay": ("cli.replay:replay", "Play a recording into the platform, over MQTT or straight into the stores."),
    "plan": ("cli.plan:plan", "Print a pickup plan, or solve a CVRPLIB file."),
    "roads": ("cli.roads:roads_app", "Ways by road as the planner sees them."),
    "pickups": ("cli.pickups:pickups_app", "Pickups: report, backtest."),
    "rules": ("cli.rules:rules_app", "Rules: try them on history."),
    "check": ("cli.check:check", "Look at settings, rules, broker, stores, ingests, planner and roads."),
    "drain": ("cli.programs:drain", "Store what waits at the broker in sessions of ingests that are no more."),
    "backup": ("cli.backup:backup", "Write both stores into one archive, each as of one instant."),
    "restore": ("cli.backup:restore", "Put back what an archive holds, all or nothing."),
}
"""Where each command is, and a line for the list of all; one without a line is for the programs themselves."""
_AT_ONCE: Final = frozenset({"ingest", "broker", "demo", "up"})
"""Commands that light waits for, or that start those; all others give way to it."""


class _Commands(TyperGroup):
    """Loads the command that is asked for, and no other: a program that starts again has people in the dark."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        del ctx
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in _AT_ONCE:
            give_way()
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        found = getattr(importlib.import_module(module), name)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
            alone.command(cmd_name)(found)
            found = alone
        found.rich_markup_mode = None
        command = typer.main.get_command(found)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items() if text])


app = typer.Typer(
    name="kreispuls",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _kreispuls() -> None:
    """Open data platform for smart regions: streetlights that follow people, bins that say how full they are."""


def main() -> None:
    """Run the command line; never shows a traceback unless KREISPULS_LOG_LEVEL is debug."""
    try:
        app()  # shows wrong usage itself, with exit status 2
    except KeyboardInterrupt:
        sys.exit(130)
    except KreispulsError as error:
        _fail(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("KREISPULS_LOG_LEVEL", "").lower() == "debug":
            raise
        if sentence := missing_extra(error):
            _fail(sentence)
        logging.getLogger(__name__).debug("unexpected", exc_info=True)
        _fail(f"unexpected {type(error).__name__}: {error} (KREISPULS_LOG_LEVEL=debug shows where)")


def _fail(sentence: str) -> None:
    sys.stderr.write(f"kreispuls: {' '.join(sentence.split())}\n")
    sys.exit(1)


if __name__ == "__main__":
    main()
