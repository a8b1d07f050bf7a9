"""The command `kreispuls`: every subcommand is registered here; errors become one sentence and a non-zero status."""

import logging
import os
import sys

import typer

from cli.backup import backup, restore
from cli.check import check
from cli.demo import demo, up
from cli.devices import devices_app
from cli.lights import lights_app
from cli.pickups import pickups_app
from cli.plan import plan
from cli.programs import api, broker, drain, ingest, planner, simulate
from cli.replay import replay
from cli.roads import roads_app
from cli.rules import rules_app
from core.errors import KreispulsError

app = typer.Typer(
    name="kreispuls",
    help="Open data platform for smart regions: streetlights that follow people, bins that say how full they are.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(demo)
app.command()(up)
app.command()(ingest)
app.command()(api)
app.command()(planner)
app.command()(simulate)
app.command(hidden=True)(broker)
app.add_typer(devices_app, name="devices")
app.add_typer(lights_app, name="lights")
app.command()(replay)
app.command()(plan)
app.add_typer(roads_app, name="roads")
app.add_typer(pickups_app, name="pickups")
app.add_typer(rules_app, name="rules")
app.command()(check)
app.command()(drain)
app.command()(backup)
app.command()(restore)


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
        logging.getLogger(__name__).debug("unexpected", exc_info=True)
        _fail(f"unexpected {type(error).__name__}: {error} (KREISPULS_LOG_LEVEL=debug shows where)")


def _fail(sentence: str) -> None:
    sys.stderr.write(f"kreispuls: {' '.join(sentence.split())}\n")
    sys.exit(1)


if __name__ == "__main__":
    main()
