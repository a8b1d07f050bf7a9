"""The commands that run one program each, for compose and production (and the demo's broker)."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlsplit

import typer

from core.logs import configure_logging
from core.settings import load_settings

StopOnEof = Annotated[bool, typer.Option("--stop-on-eof", hidden=True, help="Stop when standard input ends.")]


def ingest(*, stop_on_eof: StopOnEof = False) -> None:
    """Take readings from the broker into the stores; run rules, lights and jobs. A second one stands by."""
    from ingest.program import run

    settings = load_settings()
    configure_logging(settings.log_level)
    run(settings, stop_event(on_eof=stop_on_eof))


def drain(
    sessions: Annotated[list[str], typer.Argument(metavar="SESSION...", help="Names as `kreispuls check` gives them.")],
) -> None:
    """Store what waits at the broker in sessions of ingests that are no more, then have them forgotten."""
    from ingest.drain import drain as drain_session

    settings = load_settings()
    configure_logging(settings.log_level)
    stop = stop_event()
    for session in sessions:
        count = drain_session(settings, session, stop)
        typer.echo(
            f"{session}: {count} messages stored, {'the rest stays' if stop.is_set() else 'the session is gone'}"
        )


def api(*, stop_on_eof: StopOnEof = False) -> None:
    """Serve the REST API."""
    from api.program import run

    settings = load_settings()
    configure_logging(settings.log_level)
    if stop_on_eof:
        when_input_ends(lambda: os.kill(os.getpid(), signal.SIGTERM))  # the server has its own signal handling
    run(settings)


def planner(*, stop_on_eof: StopOnEof = False) -> None:
    """Make the pickup plans that wait, and those of the day; learn how places fill."""
    from planner.program import run

    settings = load_settings()
    configure_logging(settings.log_level)
    run(settings, stop_event(on_eof=stop_on_eof))


def simulate(
    *,
    lamps: Annotated[int, typer.Option(min=0, help="How many streetlights.")] = 300,
    bins: Annotated[int, typer.Option(min=0, help="How many waste bins.")] = 80,
    seed: Annotated[int, typer.Option(help="Same seed, same fleet and behaviour.")] = 0,
    speed: Annotated[float, typer.Option(min=0.01, max=3600, help="How many times as fast things happen.")] = 1.0,
    history_days: Annotated[int, typer.Option(min=0, max=400, help="Write so many days of history first.")] = 0,
    region: Annotated[str, typer.Option(help="Region: a shipped name or a file.")] = "marburg-biedenkopf",
    progress_json: Annotated[bool, typer.Option(hidden=True)] = False,
    stop_on_eof: StopOnEof = False,
) -> None:
    """Stand in for a fleet of devices: register it, write its history if asked, publish as it would."""
    from simulators.program import run

    settings = load_settings()
    configure_logging(settings.log_level)
    run(
        settings,
        region=region,
        lamps=lamps,
        bins=bins,
        seed=seed,
        speed=speed,
        history_days=history_days,
        progress_json=progress_json,
        stop=stop_event(on_eof=stop_on_eof),
    )


def broker(*, stop_on_eof: StopOnEof = False) -> None:
    """Run the embedded broker alone, on 127.0.0.1 at the port of KREISPULS_MQTT_URL."""
    from cli.broker import run_broker

    settings = load_settings()
    configure_logging(settings.log_level)
    run_broker("127.0.0.1", urlsplit(settings.mqtt_url).port or 1883, stop_event(on_eof=stop_on_eof))


def stop_event(*, on_eof: bool = False) -> threading.Event:
    """An event that is set by SIGTERM or SIGINT, and when standard input ends (the supervisor is gone)."""
    stop = threading.Event()
    # The handlers do nothing: they wait for the main thread, which may have just fallen asleep in `stop.wait()`, or
    # hold the lock of that very event. The byte that is written with the signal itself wakes a thread of its own.
    hearing, telling = socket.socketpair()
    telling.setblocking(False)
    signal.set_wakeup_fd(telling.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)

    def wait_for_signal(_kept_open: socket.socket) -> None:
        while hearing.recv(1):  # to the end of the process: a second signal must not write into a closed file
            stop.set()

    threading.Thread(target=wait_for_signal, args=(telling,), name="stop-on-signal", daemon=True).start()
    if on_eof:
        when_input_ends(stop.set)
    return stop


def when_input_ends(act: Callable[[], None]) -> None:
    """Act when standard input ends: whoever started us has ended."""

    def wait_for_eof() -> None:
        while os.read(sys.stdin.fileno(), 4096):  # not through sys.stdin: its lock would be held for ever in a fork
            pass
        act()

    threading.Thread(target=wait_for_eof, name="stop-on-eof", daemon=True).start()
