"""No failure leaves a street dark: light control with simulated lamps, while engine, broker or messages fail."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from core.command import Command, CommandState, Reason, SetLight
from core.device import Device
from core.topics import Topics
from lights.commands import HOLD_MARGIN_S
from lights.control import LightControl
from lights.corridor import Corridor
from lights.lamp import Lamp
from lights.lamp_state import SPREAD_S
from lights.profile import PresenceResponse
from lights.schedule import ScheduledLevel
from lights.street import street_rows
from simulators.region import load_region
from simulators.streetlight import OWN_FADE_S, STANDBY_LEVEL
from simulators.streetlight import Lamp as SimulatedLamp
from simulators.uplink import Uplink
from simulators.world import SimulatedClock, World

BEFORE_DUSK = datetime(2026, 3, 2, 17, 35, tzinfo=UTC)
"""Civil twilight in Marburg ends about 17:42 UTC."""
NIGHT = datetime(2026, 3, 2, 22, tzinfo=UTC)
FADE_S = 1.0
PRESENCE = PresenceResponse(dim_level=1.0, standby_dim_level=0.2, hold_s=20, fade_s=FADE_S, lamps_ahead=2)
LAMPS = 4
SETTLED_S = HOLD_MARGIN_S + SPREAD_S + OWN_FADE_S + FADE_S + 1.0
"""How much later than a step a lamp may show it: held a little longer, taken one after the other, faded."""


@dataclass(frozen=True)
class Steps:
    """Levels from instants on."""

    steps: tuple[tuple[datetime, float], ...]

    def at(self, now: datetime) -> ScheduledLevel:
        place = max(place for place, (since, _) in enumerate(self.steps) if since <= now)
        until = self.steps[place + 1][0] if place + 1 < len(self.steps) else self.steps[-1][0] + timedelta(days=1)
        since, level = self.steps[place]
        return ScheduledLevel(level, FADE_S, since, until, level > 0)


@dataclass(frozen=True)
class Failure:
    """The engine is killed or the broker away, from a second on for so many."""

    what: str
    from_s: int
    for_s: int

    def lasts(self, second: int) -> bool:
        return self.from_s <= second < self.from_s + self.for_s


@cache
def world() -> World:
    return World(load_region("marburg-biedenkopf"), 0)


def devices() -> list[Device]:
    return [
        Device(
            device_id=f"lamp-{order}",
            device_type="streetlight",
            municipality="marburg",
            street="Beltershäuser Straße",
            latitude=50.8,
            longitude=8.78 + order * 0.00042,
            attributes={"rated_power_w": 26, "street_order": order, "circuit": "marburg-001"},
        )
        for order in range(LAMPS)
    ]


@dataclass
class Street:
    """Simulated lamps, an engine that may be killed, a broker that may be away, and the stored commands."""

    start: datetime
    schedule: Steps | None = None
    failures: Sequence[Failure] = ()
    lost_share: float = 0.0
    seed: int = 0
    stored: dict[str, Command] = field(default_factory=dict)
    engine: LightControl | None = None

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self.lamps = {
            device.device_id: SimulatedLamp(device, world(), Uplink(device, Topics("kreispuls/v1"), None), 0)
            for device in devices()
        }
        for lamp in self.lamps.values():
            lamp.start(SimulatedClock(self.start.timestamp(), 1.0))

    def second(self, second: int, present: str | None = None) -> datetime:
        """One second of the street's life; `present`: somebody is at that lamp."""
        now = self.start + timedelta(seconds=second)
        if any(failure.what == "engine" and failure.lasts(second) for failure in self.failures):
            self.engine = None
        elif self.engine is None:
            self.engine = self._started(now)
        is_away = any(failure.what == "broker" and failure.lasts(second) for failure in self.failures)
        if self.engine is not None:
            commands = []
            self.engine.overridden(self._overrides(now), now)
            if present is not None and self._arrives(is_away):
                commands += self.engine.detected(present, now)
            commands += self.engine.due(now)
            for command in commands:
                self.stored[command.command_id] = command
                if self._arrives(is_away):
                    self.tell(command, now, answers=self._arrives(is_away))
        for lamp in self.lamps.values():
            if lamp.next_s <= now.timestamp():
                lamp.due_messages(now.timestamp())
        return now

    def tell(self, command: Command, now: datetime, *, answers: bool = True) -> None:
        order = SetLight(**{name: getattr(command, name) for name in SetLight.__slots__})
        said = self.lamps[command.device_id].command(order, now)
        if answers and self.engine is not None:
            answer = json.loads(said[0].payload)
            result = CommandState(answer["result"])
            self.stored[command.command_id] = replace(command, state=result)
            self.engine.answered(command.device_id, answer["command_id"], result, now)

    def level(self, lamp: str, now: datetime) -> float:
        return self.lamps[lamp].level(now.timestamp())

    def own_level(self, lamp: str, now: datetime) -> float:
        return self.lamps[lamp].scheduled_level(now.timestamp())

    def _overrides(self, now: datetime) -> dict[str, Command]:
        return {
            command.device_id: command
            for command in self.stored.values()
            if command.reason is Reason.OVERRIDE and now < command.issued_at + timedelta(seconds=command.hold_s or 0)
        }

    def _arrives(self, is_away: bool) -> bool:  # noqa: FBT001 - reads well where it is called
        return not is_away and self._random.random() >= self.lost_share

    def _started(self, now: datetime) -> LightControl:
        engine = LightControl()
        lamps = devices()
        engine.configure(
            [Lamp(device=device, presence=PRESENCE, schedule=self.schedule) for device in lamps],
            Corridor(street_rows(lamps)),
            now,
        )
        engine.restore(self.stored.values(), now)
        return engine


def test_when_the_platform_dies_lamps_hold_the_light_and_return_to_their_own_schedule() -> None:
    street = Street(NIGHT, failures=[Failure("engine", 5, 10_000)])
    street.second(0)
    street.second(4, present="lamp-1")
    hold_s = PRESENCE.hold_s
    for second in range(5, 120):
        now = street.second(second)
        if 6 <= second < 4 + hold_s:
            assert street.level("lamp-1", now) == 1.0
        if second > 60 + 4 + HOLD_MARGIN_S + OWN_FADE_S:  # lamps ahead wait for slow walkers
            assert [street.level(lamp, now) for lamp in street.lamps] == [STANDBY_LEVEL] * LAMPS


def test_when_the_platform_dies_by_day_the_lamps_come_on_at_dusk() -> None:
    dusk = BEFORE_DUSK + timedelta(minutes=7)
    schedule = Steps(((BEFORE_DUSK - timedelta(hours=9), 0.0), (dusk, 1.0)))
    street = Street(BEFORE_DUSK, schedule, [Failure("engine", 60, 10_000)])
    for second in range(900):
        now = street.second(second)
    assert all(command.dim_level == 0 for command in street.stored.values())
    assert [street.level(lamp, now) for lamp in street.lamps] == [STANDBY_LEVEL] * LAMPS


def test_when_the_platform_dies_its_schedule_is_followed_for_an_hour_at_most() -> None:
    street = Street(NIGHT, Steps(((NIGHT - timedelta(hours=1), 0.5),)), [Failure("engine", 30, 100_000)])
    for second in (*range(40), 3500, 3501):
        now = street.second(second)
    assert [street.level(lamp, now) for lamp in street.lamps] == [0.5] * LAMPS
    for second in range(3602, 3650):
        now = street.second(second)
    assert [street.level(lamp, now) for lamp in street.lamps] == [STANDBY_LEVEL] * LAMPS


def test_when_the_broker_comes_back_lamps_get_what_they_missed() -> None:
    schedule = Steps(((NIGHT - timedelta(hours=1), 0.5), (NIGHT + timedelta(seconds=100), 0.8)))
    street = Street(NIGHT, schedule, [Failure("broker", 95, 20)])
    for second in range(140):
        now = street.second(second)
    assert [street.level(lamp, now) for lamp in street.lamps] == [0.8] * LAMPS


def test_after_a_restart_an_override_is_taken_up() -> None:
    street = Street(NIGHT, failures=[Failure("engine", 20, 10)])
    street.second(0)
    command = Command(
        command_id="o-1",
        device_id="lamp-1",
        device_type="streetlight",
        municipality="marburg",
        name="set_light",
        dim_level=0.6,
        fade_s=0,
        hold_s=100,
        reason=Reason.OVERRIDE,
        state=CommandState.SENT,
        issued_at=NOW_OF_OVERRIDE,
        expires_at=NOW_OF_OVERRIDE + timedelta(seconds=30),
    )
    street.stored["o-1"] = command
    street.tell(command, NOW_OF_OVERRIDE)
    levels = [street.level("lamp-1", street.second(second, present="lamp-1")) for second in range(11, 140)]
    assert set(levels[:98]) == {0.6}  # until 110 s, with somebody there all the time
    assert levels[-1] == 1.0


NOW_OF_OVERRIDE = NIGHT + timedelta(seconds=10)
FAILURES = st.builds(Failure, st.sampled_from(["engine", "broker"]), st.integers(0, 900), st.integers(1, 900))
LEVELS = st.sampled_from([0.1, 0.2, 0.5, 1.0])


@settings(max_examples=25)
@given(
    failures=st.lists(FAILURES, max_size=4),
    lost_share=st.sampled_from([0.0, 0.2, 0.7]),
    present=st.dictionaries(st.integers(0, 899), st.integers(0, LAMPS - 1), max_size=40),
    evening=LEVELS,
    later=LEVELS,
    is_scheduled=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_a_street_is_never_left_dark_by_a_failure(  # noqa: PLR0917 - hypothesis gives them by name
    failures: list[Failure],
    lost_share: float,
    present: dict[int, int],
    evening: float,
    later: float,
    is_scheduled: bool,  # noqa: FBT001 - hypothesis gives it by name
    seed: int,
) -> None:
    """Over dusk: no lamp shows less than its own schedule says, but where the platform's schedule wants less."""
    dusk = BEFORE_DUSK + timedelta(minutes=7)
    schedule = Steps(((dusk - timedelta(hours=9), 0.0), (dusk, evening), (dusk + timedelta(minutes=4), later)))
    street = Street(BEFORE_DUSK, schedule if is_scheduled else None, failures, lost_share, seed)
    wanted: list[dict[str, float]] = []
    for second in range(900):
        now = street.second(second, f"lamp-{present[second]}" if second in present else None)
        planned = schedule.at(now).dim_level if is_scheduled else 1.0
        wanted.append({lamp: min(planned, street.own_level(lamp, now)) for lamp in street.lamps})
        for lamp in street.lamps:
            least = min(earlier[lamp] for earlier in wanted[-round(SETTLED_S) :])
            assert street.level(lamp, now) >= least - 1e-9, f"{lamp} is too dark in second {second}"
