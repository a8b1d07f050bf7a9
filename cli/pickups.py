"""The commands `pickups ...`."""

import typer

from cli.backtest import backtest

pickups_app = typer.Typer(
    help="Pickups: what they cost and would cost.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
)
pickups_app.command()(backtest)


@pickups_app.callback()
def pickups() -> None:
    """Look at the pickups of a year."""
