"""`kreispuls check`: settings, broker, stores, roads, planner: what works, what doesn't, why; `--fix` mends."""

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from rich.console import Console
from rich.markup import escape

from cli.extras import missing_extra
from core.clock import format_rfc3339, utc_now
from core.errors import KreispulsError
from core.settings import Settings, load_settings
from mqtt.client import MqttClient
from roads import open_roads
from rules.catalogue import load_rules

CONNECT_WITHIN_S = 5.0
MOST_NAMED = 10
WAITED_TOO_LONG = timedelta(minutes=2)
"""A plan that waits for so long while no planner runs waits for ever."""


def check(
    *,
    fix: Annotated[
        bool,
        typer.Option(
            "--fix",
            help="Make folders, tables and the bucket that are missing; renew what is kept beside it; prepare roads.",
        ),
    ] = False,
) -> None:
    """Look at settings, rules, broker, stores, roads and planner; the exit status is 1 when something does not work."""
    console = Console(soft_wrap=True)
    settings = load_settings()
    console.print(
        f"[green]works[/]  settings: data in {settings.data_dir}, API on {settings.api_host}:{settings.api_port}"
    )
    checks: list[tuple[str, Callable[[], str]]] = [
        ("rules", _rules),
        ("broker", lambda: _broker(settings)),
        ("state", lambda: _state(settings, fix=fix)),
        ("readings", lambda: _readings(settings, fix=fix)),
        ("ingests", lambda: _ingests(settings)),
        ("roads", lambda: open_roads(settings).check(fix=fix)),
        ("planner", lambda: _planner(settings, fix=fix)),
    ]
    failed = 0
    for name, run in checks:
        try:
            said = run()
        except (KreispulsError, ModuleNotFoundError) as error:
            failed += 1
            console.print(f"[red]fails[/]  {name}: {escape(missing_extra(error) or str(error))}")
        else:
            console.print(f"[green]works[/]  {name}: {escape(said)}")
    if failed:
        raise typer.Exit(1)


def _rules() -> str:
    return f"{sum(len(rules) for rules in load_rules().values())} rules of {len(load_rules())} device types"


def _broker(settings: Settings) -> str:
    mqtt = MqttClient(settings.mqtt_url, f"kreispuls-check-{uuid4().hex[:8]}", ca_file=settings.mqtt_ca_file)
    mqtt.start()
    try:
        mqtt.wait_connected(CONNECT_WITHIN_S)
    finally:
        mqtt.stop()
    return "answers and lets us in"


def _state(settings: Settings, *, fix: bool) -> str:
    from devices.positions import odd_positions
    from sql.engine import ping
    from state.state import open_state

    _must_exist(settings.state_url, fix=fix)
    with closing(open_state(settings.state_url)) as state:
        ping(state.engine)
        said = f"answers, {sum(state.devices.count_by_status().values())} devices registered"
        odd = odd_positions(state.devices.all())
    if odd:
        named = "; ".join(f"{device_id}: {reason}" for device_id, reason in list(odd.items())[:MOST_NAMED])
        more = f"; and {len(odd) - MOST_NAMED} more" if len(odd) > MOST_NAMED else ""
        said += f"; {len(odd)} at odd places: {named}{more}"
    return said


def _planner(settings: Settings, *, fix: bool) -> str:
    from state.plan_queue import LEASE
    from state.state import open_state

    _must_exist(settings.state_url, fix=fix)
    with closing(open_state(settings.state_url)) as state:
        waiting = state.plan_queue.waiting()
        runs = any(lease.name == LEASE and lease.live for lease in state.leases.all())
    if not runs and waiting.since is not None and utc_now() - waiting.since > WAITED_TOO_LONG:
        raise KreispulsError(
            f"none runs, and {waiting.plans} plans wait since {format_rfc3339(waiting.since)}: start kreispuls planner"
        )
    return f"{'runs' if runs else 'none runs'}, {waiting.plans or 'no'} plans wait"


def _readings(settings: Settings, *, fix: bool) -> str:
    from readings.open import open_readings

    _must_exist(settings.readings_url, fix=fix)
    with closing(open_readings(settings)) as readings:
        readings.ping()
        if fix:
            readings.renew(utc_now())
    return "answers"


def _ingests(settings: Settings) -> str:
    """Every session at the broker has an ingest that serves it, and no municipality is on two lists."""
    from ingest.keeping.share import listed_twice
    from state.state import open_state

    _must_exist(settings.state_url, fix=False)
    with closing(open_state(settings.state_url)) as state:
        rows, leases = state.ingests.all(), state.leases.all()
    served = {lease.name.removeprefix("ingest/") for lease in leases if lease.live}
    wrong = [
        f"{name} is on the lists of {' and '.join(sessions)}: both light its lamps"
        for name, sessions in listed_twice(rows).items()
    ]
    wrong += [
        f"nobody serves the session {row.session}: start its ingest again, or kreispuls drain {row.session}"
        for row in rows
        if row.session not in {*served, settings.ingest_session}
    ]
    wrong += [
        f"messages of workers of version 0.1 may wait: kreispuls drain {settings.mqtt_client_id}-{name}"
        for name in (lease.name.replace("/", "-") for lease in leases if lease.name.startswith("slot/"))
        if name != "slot-0"
    ]
    if wrong:
        raise KreispulsError("; ".join(wrong))
    return f"{len(rows)} sessions at the broker, each served" if rows else "none has run yet"


def _must_exist(url: str, *, fix: bool) -> None:
    """Opening an SQLite file makes it; a check without --fix must not."""
    if not url.startswith("sqlite:///"):
        return
    file = Path(url.removeprefix("sqlite:///"))
    if not fix and not file.exists():
        raise KreispulsError(f"{file} does not exist yet; --fix or the first start makes it")
