"""Runs the platform on this machine: its programs and, if asked, a simulated county as supervised processes."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cli.dashboard import Watcher, plain_line, summary, table
from cli.ports import choose_port
from cli.programs import stop_event
from cli.supervisor import Program, Supervisor
from core.errors import KreispulsError
from core.logs import configure_logging
from core.settings import Settings
from readings.open import open_readings
from state.state import State, open_state

HISTORY_DAYS: Final = 14
READY_WITHIN_S: Final = 60.0
HISTORY_WITHIN_S: Final = 600.0
LOOK_EVERY_S: Final = 1.0
PLAIN_EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class SimulatedCounty:
    """The fleet that `demo` simulates."""

    lamps: int
    bins: int
    speed: float
    seed: int


def run_platform(settings: Settings, chosen: Settings, fleet: SimulatedCounty | None, for_s: float | None) -> None:
    """Run everything until Ctrl-C, or for so many seconds after it is ready; show what happens, then a summary.

    `chosen` are the settings that somebody made: a port among them is not replaced when it is taken.

    Raises:
        SettingsError: a configured port is taken.
        KreispulsError: a program did not start; with its last log line.
    """
    console = Console(soft_wrap=True)
    configure_logging("warning" if settings.log_level == "info" else settings.log_level)
    settings = _with_free_ports(settings, chosen, console)
    stop = stop_event()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    state = open_state(settings.state_url)
    supervisor = Supervisor(_environment(settings), settings.data_dir / "logs")
    try:
        supervisor.start("broker")
        supervisor.start("ingest")
        supervisor.start("api")
        if fleet:
            simulator = supervisor.start(
                "simulate",
                f"--lamps={fleet.lamps}",
                f"--bins={fleet.bins}",
                f"--seed={fleet.seed}",
                f"--speed={fleet.speed}",
                f"--history-days={HISTORY_DAYS}",
                "--progress-json",
                pipe_output=True,
            )
            _show_history(console, simulator, stop)
            _plan_today(state)
        supervisor.start("planner")  # not earlier: it would learn from half a history
        _wait_ready(settings, supervisor, stop)
        if not stop.is_set():
            _watch(console, settings, state, supervisor, stop=stop, for_s=for_s)
    finally:
        with _no_interruption():
            supervisor.stop()
            state.close()


def _with_free_ports(settings: Settings, chosen: Settings, console: Console) -> Settings:
    fields = chosen.model_fields_set
    broker_port = choose_port(
        urlsplit(settings.mqtt_url).port or 1883, setting="KREISPULS_MQTT_URL", configured="mqtt_url" in fields
    )
    api_port = choose_port(
        settings.api_port, setting="KREISPULS_API_PORT", configured="api_port" in fields, host=settings.api_host
    )
    metrics_port = settings.ingest_metrics_port and choose_port(
        settings.ingest_metrics_port,
        setting="KREISPULS_INGEST_METRICS_PORT",
        configured="ingest_metrics_port" in fields,
    )
    for name, wanted, got in (
        ("broker", urlsplit(settings.mqtt_url).port or 1883, broker_port),
        ("API", settings.api_port, api_port),
        ("metrics", settings.ingest_metrics_port, metrics_port),
    ):
        if wanted != got:
            console.print(f"Port {wanted} is taken: the {name} listens on {got} instead.")
    return settings.model_copy(
        update={
            "mqtt_url": f"mqtt://127.0.0.1:{broker_port}",
            "api_port": api_port,
            "ingest_metrics_port": metrics_port,
        }
    )


def _environment(settings: Settings) -> dict[str, str]:
    return {
        "KREISPULS_DATA_DIR": str(settings.data_dir.resolve()),
        "KREISPULS_MQTT_URL": settings.mqtt_url,
        "KREISPULS_READINGS_URL": settings.readings_url,
        "KREISPULS_STATE_URL": settings.state_url,
        "KREISPULS_API_PORT": str(settings.api_port),
        "KREISPULS_INGEST_METRICS_PORT": str(settings.ingest_metrics_port),
        "KREISPULS_AUTO_REGISTER": str(settings.auto_register).lower(),
    }


def _show_history(console: Console, simulator: Program, stop: threading.Event) -> None:
    """Follow the simulator's history up to its end; a terminal sees a bar, a file one line."""
    process = simulator.process
    if process is None or simulator.output is None:
        return
    watchdog = threading.Timer(HISTORY_WITHIN_S, process.kill)
    watchdog.start()
    began = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
    )
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task(f"Writing {HISTORY_DAYS} days of history", total=1.0)
            for line in simulator.output:
                done = float(json.loads(line).get("progress", 0.0))
                progress.update(task, completed=done)
                if done >= 1.0 or stop.is_set():
                    break
    except json.JSONDecodeError as error:
        raise KreispulsError(f"the simulator said something unexpected: {error}") from error
    finally:
        watchdog.cancel()
    if process.poll() not in (None, 0) and not stop.is_set():
        raise KreispulsError(f"the simulator ended before its history was written: {simulator.last_words()}")
    if not console.is_terminal:
        console.print(f"Wrote {HISTORY_DAYS} days of history in {time.monotonic() - began:.1f} s.")


def _plan_today(state: State) -> None:
    """In the demo the day's plans are made at once, whatever the hour."""
    for municipality in state.municipalities.all():
        state.municipalities.put(replace(municipality, planning_hour=0))


def _wait_ready(settings: Settings, supervisor: Supervisor, stop: threading.Event) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    reason = "no answer"
    while time.monotonic() < deadline and not stop.is_set():
        supervisor.restart_dead()
        try:
            with urlopen(f"{address(settings)}/readyz", timeout=2):  # noqa: S310 - our own http address
                return
        except (URLError, OSError) as error:
            reason = str(error)
        stop.wait(0.1)
    if not stop.is_set():
        words = "; ".join(f"{program.name}: {program.last_words()}" for program in supervisor.programs.values())
        raise KreispulsError(f"the API is not ready after {READY_WITHIN_S:.0f} s ({reason}); last log lines: {words}")


def address(settings: Settings) -> str:
    """Where the API is."""
    host = f"[{settings.api_host}]" if ":" in settings.api_host else settings.api_host
    return f"http://{host}:{settings.api_port}"


def _watch(
    console: Console,
    settings: Settings,
    state: State,
    supervisor: Supervisor,
    *,
    stop: threading.Event,
    for_s: float | None,
) -> None:
    console.print(f"API        {address(settings)}/docs")
    console.print(f"MQTT       {settings.mqtt_url}   topics {settings.mqtt_topic_root}/...")
    console.print(f"Data, logs {settings.data_dir}")
    readings = open_readings(settings)
    watcher = Watcher(settings, state, readings)
    deadline = None if for_s is None else time.monotonic() + for_s
    try:
        if console.is_terminal:
            with Live(console=console, refresh_per_second=4, transient=False) as live:
                while not _over(stop, deadline):
                    _report_restarts(live.console, supervisor)
                    live.update(table(watcher.look()))
        else:
            shown_at = 0.0
            while not _over(stop, deadline):
                _report_restarts(console, supervisor)
                if time.monotonic() >= shown_at + PLAIN_EVERY_S:
                    shown_at = time.monotonic()
                    console.print(plain_line(watcher.look()))
        console.print(summary(watcher.look()))
    finally:
        readings.close()


def _over(stop: threading.Event, deadline: float | None) -> bool:
    """Wait a little; whether it is time to end."""
    left = LOOK_EVERY_S if deadline is None else min(LOOK_EVERY_S, deadline - time.monotonic())
    return stop.wait(max(0.0, left)) or (deadline is not None and time.monotonic() >= deadline)


def _report_restarts(console: Console, supervisor: Supervisor) -> None:
    for program in supervisor.restart_dead():
        console.print(f"{program.name} had ended and was started again (its log: {program.log_file})")


@contextmanager
def _no_interruption() -> Iterator[None]:
    """A second Ctrl-C while stopping must not leave programs behind."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
