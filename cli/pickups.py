"""The commands `pickups ...`."""

import typer

from cli.backtest import backtest
from cli.pickup_report import report

pickups_app = typer.Typer(
    help="Pickups: what they cost and would cost.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
)
pickups_app.command()(report)
pickups_app.command()(backtest)


@pickups_app.callback()
def pickups() -> None:
    """Look at the pickups of a year."""
