"""Whatever the order of wish, silence, answer, restart and return: a lamp ends at the level that holds."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.command import Command, CommandState, Reason
from core.device import Device
from lights.commands import LightCommands
from lights.control import LightControl
from lights.corridor import Corridor
from lights.lamp import Lamp
from lights.schedule import ScheduledLevel
from lights.wanted import WantedLevel
from state.state import State, open_state

NOW = datetime(2026, 11, 20, 21, tzinfo=UTC)
SCHEDULED = 0.3
GOOD_FOR_S = 30.0
numbers = count(1)


class Evening:
    """The schedule: one level all the time."""

    def at(self, _: datetime) -> ScheduledLevel:
        return ScheduledLevel(SCHEDULED, 0.0, NOW, NOW + timedelta(days=1), lit=True)


@dataclass
class World:
    """Light control, the kept commands and one lamp that hears only while it is connected."""

    state: State
    name: str
    second: int = 0
    connected: bool = True
    held: Command | None = None
    held_from: datetime = NOW
    control: LightControl = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    @property
    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.second)

    @property
    def device(self) -> Device:
        return Device(device_id=self.name, device_type="streetlight", municipality="marburg")

    def restart(self) -> None:
        self.control = LightControl(good_for_s=GOOD_FOR_S, command_id=lambda: f"c-{next(numbers)}")
        self.control.configure([Lamp(device=self.device, schedule=Evening())], Corridor(()), self.now)
        mine = [command for command in self.state.commands.held(self.now) if command.device_id == self.name]
        self.control.restore(mine, self.now)

    def wish(self, level: float, duration_s: float) -> None:
        wanted = WantedLevel(level, 0.0, Reason.OVERRIDE, self.now + timedelta(seconds=duration_s))
        command = LightCommands(GOOD_FOR_S, command_id=lambda: f"o-{next(numbers)}").make(self.device, wanted, self.now)
        self.state.commands.add([command])
        self.hear(command)

    def hear(self, command: Command) -> None:
        if not self.connected or command.expires_at <= self.now:
            return
        self.held, self.held_from = command, self.now
        self.state.commands.answer(command.command_id, CommandState.DONE, "", self.now)
        self.control.answered(self.name, command.command_id, CommandState.DONE, self.now)

    def connect(self) -> None:
        self.connected = True
        self.control.spoke(self.name, self.now)

    def report(self) -> None:
        if self.connected:
            self.control.reported(self.name, self.level, self.now)

    @property
    def level(self) -> float:
        """What the lamp shows: what it was told as long as it is to hold it, then its own schedule."""
        if self.held is None:
            return SCHEDULED
        hold_s = self.held.hold_s
        over = hold_s is not None and self.now >= self.held_from + timedelta(seconds=hold_s)
        return SCHEDULED if over else self.held.dim_level

    def override(self) -> Command | None:
        mine = [each for each in self.state.commands.active_overrides(self.now) if each.device_id == self.name]
        return mine[0] if mine else None

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.second += 1
            self.state.commands.expire(self.now)
            override = self.override()
            self.control.overridden({} if override is None else {self.name: override}, self.now)
            for command in self.control.due(self.now):
                self.state.commands.add([command])
                self.hear(command)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    folder: Path = tmp_path_factory.mktemp("overrides")
    return open_state(f"sqlite:///{folder / 'state.db'}")


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("wish"), st.sampled_from([0.0, 0.7, 1.0]), st.sampled_from([20, 90, 400])),
        st.tuples(st.sampled_from(["disconnect", "connect", "report", "restart"]), st.just(0), st.just(0)),
        st.tuples(st.just("wait"), st.sampled_from([1, 10, 45]), st.just(0)),
    ),
    max_size=12,
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(events=EVENTS)
def test_a_lamp_ends_at_the_level_that_holds(state: State, events: list[tuple[str, float, int]]) -> None:
    world = World(state, f"lamp-{next(numbers)}")
    wished: list[tuple[int, float, int]] = []
    for name, value, duration_s in events:
        match name:
            case "wish":
                world.wish(value, duration_s)
                wished.append((world.second, value, duration_s))
            case "disconnect":
                world.connected = False
            case "connect":
                world.connect()
            case "report":
                world.report()
            case "restart":
                world.restart()
            case _:
                world.run(int(value))
        world.run(1)
    world.run(40)
    world.connect()
    world.run(20)
    world.report()
    world.run(20)
    expected = SCHEDULED
    if wished:
        begun, level, duration_s = wished[-1]
        if world.second < begun + duration_s - 1:
            expected = level
        elif world.second <= begun + duration_s + 1:
            return  # it ends just now
    assert world.level == expected
