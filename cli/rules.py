"""The command `rules try`: what a rule file would have raised."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.options import read_text
from core.errors import InvalidInputError, SettingsError
from core.settings import load_settings

if TYPE_CHECKING:
    from actions.alerts.try_rules import Trial

MAX_FILE_MIB: Final = 1
_UNITS: Final = {"d": "days", "h": "hours", "m": "minutes"}
_LONGEST: Final = timedelta(days=366)

rules_app = typer.Typer(help="The rules that raise alerts.", no_args_is_help=True)


@rules_app.callback()
def _rules() -> None:
    """The rules that raise alerts."""


@rules_app.command("try")
def try_(
    file: Annotated[Path, typer.Argument(help="A rule file (TOML), such as devices/streetlight/rules.toml.")],
    *,
    since: Annotated[str, typer.Option(help="How far back, such as 30d, 12h or P30D.")] = "30d",
    municipality: Annotated[str | None, typer.Option("--municipality", "-m", help="Only its devices.")] = None,
    kind: Annotated[
        str | None, typer.Option("--type", help="Device type; default: the file's device_type, or its folder's name.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Stop after so many alerts.")] = 10_000,
) -> None:
    """List the alerts that the rules of a file would have raised; nothing is changed.

    One line per alert: when it fired, how long it was open, severity, rule, device, what it says. Municipalities'
    overrides are left out: the rules are tried as the file has them.
    """
    from actions.alerts.try_rules import Bounds, try_rules
    from core.clock import utc_now
    from core.logs import configure_logging
    from devices.registry import device_type, device_types
    from readings.open import open_readings
    from rules.rule_file import build_rules, read_rule_file
    from state.state import open_state

    span = _span(since)
    entries = read_rule_file(read_text(file, MAX_FILE_MIB), str(file))
    name = kind or entries.device_type or file.resolve().parent.name
    if name not in device_types():
        raise InvalidInputError(
            f"{file} does not say its device type: give --type, one of {', '.join(sorted(device_types()))}"
        )
    rules = build_rules(device_type(name), entries.rule, str(file))
    if not rules:
        raise SettingsError(f"{file}: there is no rule in it")
    settings = load_settings()
    configure_logging(settings.log_level)
    with closing(open_state(settings.state_url)) as state, closing(open_readings(settings)) as readings:
        end = utc_now()
        trial = try_rules(
            {name: rules},
            state,
            readings,
            start=end - span,
            end=end,
            municipality=municipality,
            bounds=Bounds(alerts=limit),
        )
    for line in trial_lines(trial):
        typer.echo(line)


def trial_lines(trial: "Trial") -> list[str]:
    """The alerts of a trial and its sums as lines."""
    from collections import Counter

    from core.clock import format_rfc3339

    lines = []
    for alert in trial.alerts:
        began = alert.fired_at or alert.started_at
        ended = f"{(alert.resolved_at - began) / timedelta(hours=1):.1f} h" if alert.resolved_at else "open"
        lines.append(
            f"{format_rfc3339(began.replace(microsecond=0))}  {ended:>8}  {alert.severity:8}  {alert.rule}"
            f"  {alert.device_id}  {alert.summary}"
        )
    sums = ", ".join(f"{count} {rule}" for rule, count in Counter(alert.rule for alert in trial.alerts).most_common())
    lines.append(
        f"{len(trial.alerts)} alerts ({sums or 'none'}) from {trial.readings} readings of {trial.devices} devices,"
        f" {format_rfc3339(trial.start.replace(microsecond=0))} to {format_rfc3339(trial.end.replace(microsecond=0))}"
        f"{'' if trial.complete else '; stopped there, --limit alerts or the most readings were reached'}"
    )
    return lines


def _span(text: str) -> timedelta:
    from core.clock import parse_duration

    number, unit = text[:-1], text[-1:]
    try:
        span = (
            timedelta(**{_UNITS[unit]: int(number)})
            if unit in _UNITS and number.isascii() and number.isdigit()
            else parse_duration(text)
        )
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(f"--since: {text[:80]!r} is no span such as 30d, 12h or P30D") from error
    if not timedelta(0) < span <= _LONGEST:
        raise InvalidInputError(f"--since: {text[:80]!r} is not between a minute and 366 days")
    return span
