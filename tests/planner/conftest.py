"""Real planners in processes of their own, on a state database that tests fill."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from actions.pickups.queue_plan import queue_plan
from core.clock import utc_now
from core.device import Device, Municipality, Place
from core.pickup import PickupRequest, Plan, PlanState
from core.reading import Reading
from core.settings import Settings, environment_name
from readings.open import open_readings
from state.state import State

Wait = Callable[..., Any]
MARBURG = Municipality(
    municipality="marburg",
    name="Marburg",
    depot=Place("Bauhof", 50.8, 8.76),
    planning_hour=24,  # never: tests ask for plans themselves
)
FOR_MINUTES_S = 300.0
ON_BOTH = pytest.mark.parametrize("state_url", ["sqlite", "postgresql"], indirect=True)


@dataclass
class Site:
    """Stores, and the planners that run on them."""

    settings: Settings
    state: State
    wait_until: Wait

    @property
    def log(self) -> Path:
        """What all programs logged."""
        return self.settings.data_dir / "programs.log"

    @contextmanager
    def program(
        self, *arguments: str, stdin: int | None = None, **environment: str
    ) -> Iterator[subprocess.Popen[bytes]]:
        """`kreispuls ARGUMENTS` runs and says what it logs in `log`; killed at the end if it still does."""
        changed = self.settings.model_dump(include=self.settings.model_fields_set)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "cli.main", *arguments],
                env=os.environ | {environment_name(name): str(value) for name, value in changed.items()} | environment,
                stdin=stdin,
                stderr=log,
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def bins(self, count: int, *, asked_for: bool = True) -> None:
        """So many bins in Marburg that hold something, and that somebody wants to be emptied."""
        for number in range(count):
            bin_id = f"bin-{number}"
            self.state.devices.add(
                Device(
                    device_id=bin_id,
                    device_type="waste_bin",
                    municipality="marburg",
                    latitude=50.8 + number / 10_000,
                    longitude=8.77,
                )
            )
            if asked_for:
                self.state.pickups.request(
                    PickupRequest(device_id=bin_id, municipality="marburg", requested_at=utc_now(), reason="test")
                )

    def levels(self, bin_id: str, days: int) -> None:
        """What a bin said every six hours for some days."""
        readings = open_readings(self.settings)
        instants = [utc_now() - timedelta(hours=6 * number) for number in range(1, 4 * days)]
        readings.write([Reading(bin_id, "waste_bin", "marburg", at, at, {"filling_level": 0.5}) for at in instants])
        readings.close()

    def queue(self, time_limit_s: float = 0.2) -> Plan:
        """A plan of today that somebody asked for."""
        today = utc_now().astimezone(self.settings.zone).date()
        return queue_plan(self.state, "marburg", today, utc_now(), time_limit_s=time_limit_s, asked_for=True)

    def wait_for(self, plan: Plan, *states: PlanState) -> Plan:
        """Wait until a plan has one of these states."""
        queue = self.state.pickups
        self.wait_until(lambda: queue.get_plan(plan.plan_id).state in states, f"the plan is {' or '.join(states)}", 120)
        return queue.get_plan(plan.plan_id)

    def wait_made(self, plan: Plan) -> Plan:
        """Wait until a plan is over, and see that it is done."""
        made = self.wait_for(plan, PlanState.DONE, PlanState.FAILED)
        assert (made.state, made.error) == (PlanState.DONE, None)
        return made

    def wait_for_child(self, planner: subprocess.Popen[bytes]) -> psutil.Process:
        """The process in which the planner makes a plan."""
        found: psutil.Process = self.wait_until(lambda: next(iter(children(planner)), None), "a process plans", 60)
        return found


def children(planner: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """What a planner has begun: processes that its server of processes has forked."""
    try:
        servers = psutil.Process(planner.pid).children()
        return [child for server in servers for child in server.children() if is_alive(child)]
    except psutil.NoSuchProcess:
        return []


def is_alive(process: psutil.Process) -> bool:
    """Whether a process runs; one that only waits for being noticed does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def state_url(request: pytest.FixtureRequest) -> str:
    """URL of an empty SQLite database; with `@ON_BOTH` of one in PostgreSQL too."""
    url: str = request.getfixturevalue(f"{getattr(request, 'param', 'sqlite')}_url")
    return url


@pytest.fixture
def site(state_url: str, state: State, tmp_path: Path, wait_until: Wait) -> Site:
    """A town."""
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path,
        state_url=state_url,
        readings_url=f"sqlite:///{tmp_path / 'readings.db'}",
        timezone="Europe/Berlin",
        log_level="warning",
    )
    state.municipalities.put(MARBURG)
    open_readings(settings).close()
    return Site(settings, state, wait_until)


@pytest.fixture
def free_ports() -> list[int]:
    """Two loopback ports on which nothing listens."""
    with socket.socket() as one, socket.socket() as another:
        for probe in (one, another):
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in (one, another)]


@pytest.fixture
def plans_today(site: Site) -> None:
    """Marburg plans today, whatever day and hour it is."""
    every_day = (1, 2, 3, 4, 5, 6, 7)
    site.state.municipalities.put(
        replace(MARBURG, planning_hour=0, collection_days=every_day, collects_on_holidays=True)
    )
