"""What `demo` and `up` show in the terminal: a live table, plain lines where there is no terminal, a summary."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families
from rich.console import Group
from rich.table import Table
from rich.text import Text

from core.clock import utc_now
from core.command import Command
from core.errors import StorageError
from core.settings import Settings
from readings.store import ReadingStore
from state.state import State

LIT = 0.01
"""A lamp that shows more than this share of its light is lit."""
COMMANDS_SHOWN = 6


@dataclass(frozen=True, slots=True)
class View:
    """What there is to show at one moment."""

    messages: float
    messages_per_s: float
    stored: float
    rejected: float
    commands: float
    devices: int
    lamps: int
    lamps_lit: int
    bins: int
    bins_due: int
    alerts: int
    plans: int
    last_commands: Sequence[Command]


class Watcher:
    """Looks at ingest's counters and at the stores."""

    def __init__(self, settings: Settings, state: State, readings: ReadingStore) -> None:
        self._url = f"http://{settings.ingest_metrics_host}:{settings.ingest_metrics_port}/metrics"
        self._zone = settings.zone
        self._state = state
        self._readings = readings
        self._last = (time.monotonic(), 0.0)
        self._before_restart: dict[str, float] = {}
        self._counters: dict[str, float] = {}
        self._view: View | None = None

    def look(self) -> View:
        """The view now; what cannot be read keeps its last value."""
        counters = self._read_counters()
        now, messages = time.monotonic(), counters.get("kreispuls_messages_received", 0.0)
        elapsed = now - self._last[0]
        rate = max(0.0, messages - self._last[1]) / elapsed if elapsed > 0 else 0.0
        self._last = (now, messages)
        try:
            self._view = self._from_stores(counters, messages, rate)
        except StorageError:
            if self._view is None:
                raise
        return self._view

    def _from_stores(self, counters: dict[str, float], messages: float, rate: float) -> View:
        by_type: dict[str, int] = {}
        for (_, device_type, _), number in self._state.devices.count_by_status().items():
            by_type[device_type] = by_type.get(device_type, 0) + number
        lamps = self._readings.latest(device_type="streetlight")
        thresholds = {m.municipality: m.filling_threshold for m in self._state.municipalities.all()}
        bins = self._readings.latest(device_type="waste_bin")
        requested = {request.device_id for request in self._state.pickups.open_requests()}
        due = requested | {
            level.device_id
            for level in bins
            if level.quantity == "filling_level" and float(level.value) >= thresholds.get(level.municipality, 1.0)
        }
        return View(
            messages=messages,
            messages_per_s=rate,
            stored=counters.get("kreispuls_readings_stored", 0.0),
            rejected=counters.get("kreispuls_messages_rejected", 0.0),
            commands=counters.get("kreispuls_commands_sent", 0.0),
            devices=sum(by_type.values()),
            lamps=by_type.get("streetlight", 0),
            lamps_lit=sum(o.quantity == "dim_level" and float(o.value) > LIT for o in lamps),
            bins=by_type.get("waste_bin", 0),
            bins_due=len(due),
            alerts=sum(self._state.alerts.count_open().values()),
            plans=len(self._state.pickups.plans_in_force(utc_now().astimezone(self._zone).date())),
            last_commands=self._state.commands.recent(COMMANDS_SHOWN),
        )

    def _read_counters(self) -> dict[str, float]:
        """Counters of ingest; those of an ingest that died are added to those of its successor."""
        try:
            with urlopen(self._url, timeout=1) as answer:  # noqa: S310 - our own http address
                families = text_string_to_metric_families(answer.read().decode())
                read = {family.name: family.samples[0].value for family in families if family.type == "counter"}
        except (URLError, OSError, ValueError):
            return self._counters
        for name, value in read.items():
            so_far = self._counters.get(name, 0.0)
            if value + self._before_restart.get(name, 0.0) < so_far:
                self._before_restart[name] = so_far
        self._counters = {name: value + self._before_restart.get(name, 0.0) for name, value in read.items()}
        return self._counters


def table(view: View) -> Group:
    """The live table of a terminal."""
    numbers = Table.grid(padding=(0, 3))
    for _ in range(6):
        numbers.add_column(justify="right")
    numbers.add_row(*(Text(title, style="dim") for title in _TITLES))
    numbers.add_row(*(Text(cell, style="bold") for cell in _cells(view)))
    commands = Table(title="Last commands", title_justify="left", box=None, padding=(0, 2), header_style="dim")
    for title in ("sent", "lamp", "level", "reason", "state"):
        commands.add_column(title)
    for command in view.last_commands:
        commands.add_row(
            f"{command.issued_at.astimezone():%H:%M:%S}",
            command.device_id,
            f"{command.dim_level:.0%}",
            command.reason.value,
            command.state.value,
        )
    return Group("", numbers, "", commands)


_TITLES = ("messages/s", "lamps lit", "bins due", "open alerts", "plans today", "rejected")


def _cells(view: View) -> tuple[str, ...]:
    return (
        f"{view.messages_per_s:.1f}",
        f"{view.lamps_lit} of {view.lamps}",
        f"{view.bins_due} of {view.bins}",
        str(view.alerts),
        str(view.plans),
        f"{view.rejected:.0f}",
    )


def plain_line(view: View) -> str:
    """One line for a log."""
    cells = "  ".join(f"{title} {cell}" for title, cell in zip(_TITLES, _cells(view), strict=True))
    last = view.last_commands[0] if view.last_commands else None
    return cells + (f"  last command {last.device_id} {last.dim_level:.0%} {last.reason.value}" if last else "")


def summary(view: View) -> str:
    """What happened, at the end."""
    return (
        f"{view.devices} devices ({view.lamps} lamps, {view.bins} bins): {view.messages:.0f} messages received, "
        f"{view.stored:.0f} readings stored, {view.rejected:.0f} rejected, {view.commands:.0f} light commands sent, "
        f"{view.alerts} alerts open, {view.bins_due} bins due, {view.plans} pickup plans for today."
    )
