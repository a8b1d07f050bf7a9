"""A night in a street: simulated lamps under the real light control, passers-by, and who had the light promised.

Every passage is watched: whether the next two lamps ahead shine, lamp after lamp. Messages take their time, some may be
lost; the control is told of them as the platform would be. All in order of time, without waiting for it.
"""

import heapq
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from core.command import Command, CommandState, SetLight
from core.device import Device
from core.topics import Topics
from lights.calendar import Calendar
from lights.control import LightControl
from lights.corridor import Corridor
from lights.lamp import Lamp as ControlledLamp
from lights.profile import LightingProfile
from lights.schedule import Schedule
from lights.street import StreetRow
from simulators.placement import Row
from simulators.randomness import generator
from simulators.streetlight import Lamp, power_w
from simulators.traffic import KINDS, Traffic
from simulators.uplink import Outgoing, Uplink
from simulators.world import SimulatedClock, World

TICK_S: Final = 0.25
"""How often the control looks what is due, as ingest does."""
LONGEST_DELAY_S: Final = 0.3
"""A message takes between nothing and so long, each way."""
PROMISED: Final = 2
"""So many lamps ahead of everybody are to shine."""
DUSK_MARGIN_S: Final = 180.0
"""At dusk and dawn lamps switch one after the other: nobody is watched then."""
WATCHED: Final = (0.02, 0.35, 0.65, 0.98)
"""Where on the way from one lamp to the next it is looked whether light is there."""
TOLERANCE: Final = 0.02
FASTEST_UNKNOWN_MPS: Final = 25 / 3.6
"""Who is faster has the light promised from the second lamp on: until then nobody knows."""
COLUMN_S: Final = 5.0

Levels = npt.NDArray[np.float32]


class Passage(NamedTuple):
    """Somebody who goes along the street: when they pass which lamps (places in the row), in order."""

    kind: str
    speed_mps: float
    lamps: tuple[int, ...]
    at_s: tuple[float, ...]


@dataclass(slots=True)
class Watched:
    """What a passage saw: looks that found the promised light, and of those that did not the darkest."""

    passage: Passage
    looks: int = 0
    dark: int = 0
    least: float = 1.0


@dataclass(frozen=True, slots=True)
class NightReport:
    """The night: passages as they were lit, energy in kWh, commands sent, and levels (lamps by columns of time)."""

    passages: tuple[Watched, ...]
    energy_kwh: float
    always_on_kwh: float
    commands: int
    lost: int
    start_s: float
    column_s: float
    along_m: tuple[float, ...]
    levels: Levels

    @property
    def lit(self) -> int:
        """How many passages had the promised light all the way."""
        return sum(watched.dark == 0 for watched in self.passages)


class StreetNight:
    """Plays one night; make a new one for another.

    Args:
        row: the street; `order` tells how far along it each lamp stands.
        lost_share: so many of the messages of sensors are lost, no two of one passage in succession.
    """

    def __init__(
        self,
        row: Row,
        order: StreetRow,
        world: World,
        profile: LightingProfile,
        *,
        seed: int,
        lost_share: float = 0.0,
    ) -> None:
        self._row = row
        self._order = order
        self._world = world
        self._presence = profile.presence
        first = row.lamps[0]
        self._schedule = Schedule(profile, Calendar(), first.latitude, first.longitude, world.zone)
        self._fade_s = 0.0 if profile.presence is None else profile.presence.fade_s
        self._seed = seed
        self._lost_share = lost_share
        self._rng = generator(seed, "night", row.street)
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._numbers = count()
        self._commands = 0
        self._lost = 0
        self._next_tick_s = float("inf")
        self._control = LightControl()
        self._lamps = [Lamp(device, world, Uplink(device, Topics("replay"), None), seed) for device in row.lamps]
        self._by_id = {lamp.device.device_id: lamp for lamp in self._lamps}

    def run(self, dusk_s: float, dawn_s: float, passages: int) -> NightReport:
        """From dusk until dawn (seconds since 1970-01-01T00:00:00Z) with so many passages."""
        start_s, end_s = dusk_s - DUSK_MARGIN_S, dawn_s + DUSK_MARGIN_S
        self._begin(start_s)
        watched = [Watched(passage) for passage in self._passages(dusk_s + DUSK_MARGIN_S, dawn_s, passages)]
        for each in watched:
            self._walk(each, dawn_s - DUSK_MARGIN_S)
        columns = np.arange(start_s, end_s, COLUMN_S)
        levels = np.zeros((len(self._lamps), len(columns)), dtype=np.float32)
        for place, column_s in enumerate(columns):
            self._at(float(column_s), partial(self._look, levels, place))
        before = sum(lamp.energy_kwh for lamp in self._lamps)
        while self._events and self._events[0][0] <= end_s:
            at_s, _, happen = heapq.heappop(self._events)
            happen(at_s)
        for lamp in self._lamps:
            lamp.values(end_s)
        return NightReport(
            passages=tuple(watched),
            energy_kwh=sum(lamp.energy_kwh for lamp in self._lamps) - before,
            always_on_kwh=self._always_on_kwh(dusk_s, dawn_s),
            commands=self._commands,
            lost=self._lost,
            start_s=start_s,
            column_s=COLUMN_S,
            along_m=self._order.along_m,
            levels=levels,
        )

    def _begin(self, start_s: float) -> None:
        for lamp in self._lamps:
            lamp.start(SimulatedClock(start_s, 1.0))
            self._wake(lamp)
        lamps = [
            ControlledLamp(device=device, presence=self._presence, schedule=self._schedule)
            for device in self._row.lamps
        ]
        self._control.configure(lamps, Corridor([self._order]), _instant(start_s))
        self._plan_tick(start_s)

    def _passages(self, start_s: float, end_s: float, wanted: int) -> list[Passage]:
        drawn = Traffic(self._row, self._world, self._seed).between(start_s, end_s, wanted)
        along_m = self._order.along_m
        found = []
        for begin_s, pace_s, first, last, kind in zip(
            drawn.start_s, drawn.pace_s, drawn.first, drawn.last, drawn.kind, strict=True
        ):
            way = 1 if last >= first else -1
            lamps = tuple(range(int(first), int(last) + way, way))
            speed_mps = self._row.spacing_m / float(pace_s)
            at_s = tuple(float(begin_s) + abs(along_m[lamp] - along_m[lamps[0]]) / speed_mps for lamp in lamps)
            found.append(Passage(KINDS[int(kind)], speed_mps, lamps, at_s))
        return found

    def _walk(self, watched: Watched, until_s: float) -> None:
        passage = watched.passage
        known_from = 0 if passage.speed_mps <= FASTEST_UNKNOWN_MPS else 1
        was_lost = True  # the first message comes
        heard = 0
        promised_s = float("inf")
        for place, (lamp, at_s) in enumerate(zip(passage.lamps, passage.at_s, strict=True)):
            was_lost = not was_lost and bool(self._rng.random() < self._lost_share)
            self._at(at_s, partial(self._lose if was_lost else self._pass, self._lamps[lamp]))
            if not was_lost:
                if heard == known_from:
                    promised_s = at_s + 2 * LONGEST_DELAY_S + TICK_S + self._fade_s
                heard += 1
            ahead = passage.lamps[place + 1 : place + 1 + PROMISED]
            for share in WATCHED:
                if ahead:
                    look_s = at_s + share * (passage.at_s[place + 1] - at_s)
                    if promised_s <= look_s < until_s:
                        self._at(look_s, partial(self._check, watched, ahead))

    def _lose(self, lamp: Lamp, at_s: float) -> None:
        lamp.detected(at_s)
        self._wake(lamp)
        self._lost += 1

    def _pass(self, lamp: Lamp, at_s: float) -> None:
        said = lamp.detected(at_s)
        self._wake(lamp)
        if any(json.loads(message.payload).get("presence") is True for message in said):
            self._at(at_s + self._delay_s(), partial(self._hear, lamp))

    def _hear(self, lamp: Lamp, at_s: float) -> None:
        self._send(self._control.detected(lamp.device.device_id, _instant(at_s)), at_s)
        self._plan_tick(at_s)

    def _tick(self, at_s: float) -> None:
        if at_s != self._next_tick_s:
            return  # an earlier one has come instead
        self._next_tick_s = float("inf")
        self._send(self._control.due(_instant(at_s)), at_s)
        self._plan_tick(at_s)

    def _plan_tick(self, at_s: float) -> None:
        due = self._control.next_due
        if due is None or due.year > _instant(at_s).year + 1:
            return
        ticks = max(np.ceil(due.timestamp() / TICK_S), np.floor(at_s / TICK_S) + 1)
        if ticks * TICK_S < self._next_tick_s:
            self._next_tick_s = float(ticks * TICK_S)
            self._at(self._next_tick_s, self._tick)

    def _send(self, commands: Sequence[Command], at_s: float) -> None:
        self._commands += len(commands)
        for command in commands:
            self._at(at_s + self._delay_s(), partial(self._obey, command))

    def _obey(self, command: Command, at_s: float) -> None:
        lamp = self._by_id[command.device_id]
        order = SetLight(**{name: getattr(command, name) for name in SetLight.__slots__})
        answer = json.loads(lamp.command(order, _instant(at_s))[0].payload)
        self._wake(lamp)
        self._at(at_s + self._delay_s(), partial(self._answered, lamp.device, answer))

    def _answered(self, lamp: Device, answer: dict[str, str], at_s: float) -> None:
        result = CommandState(answer["result"])
        self._control.answered(lamp.device_id, answer["command_id"], result, _instant(at_s))

    def _wake(self, lamp: Lamp) -> None:
        self._at(lamp.next_s, partial(self._live, lamp))

    def _live(self, lamp: Lamp, at_s: float) -> None:
        if lamp.next_s <= at_s:
            said: list[Outgoing] = lamp.due_messages(at_s)
            for message in said:
                level = json.loads(message.payload).get("dim_level")
                if level is not None:
                    self._control.reported(lamp.device.device_id, level, _instant(at_s))
            self._plan_tick(at_s)
            self._wake(lamp)

    def _check(self, watched: Watched, ahead: tuple[int, ...], at_s: float) -> None:
        least = min(self._lamps[lamp].level(at_s) for lamp in ahead)
        watched.looks += 1
        promised = self._schedule.at(_instant(at_s)).dim_level
        if self._presence is not None:
            promised = max(promised, self._presence.dim_level)
        if least < promised - TOLERANCE:
            watched.dark += 1
        watched.least = min(watched.least, least)

    def _look(self, levels: Levels, column: int, at_s: float) -> None:
        levels[:, column] = [lamp.level(at_s) for lamp in self._lamps]

    def _always_on_kwh(self, dusk_s: float, dawn_s: float) -> float:
        by_day_s = 2 * DUSK_MARGIN_S
        joules = sum(
            power_w(1.0, lamp.hours_h, lamp.rated_w) * (dawn_s - dusk_s)
            + power_w(0.0, lamp.hours_h, lamp.rated_w) * by_day_s
            for lamp in self._lamps
        )
        return joules / 3.6e6

    def _at(self, at_s: float, happen: Callable[[float], None]) -> None:
        if at_s < float("inf"):
            heapq.heappush(self._events, (at_s, next(self._numbers), happen))

    def _delay_s(self) -> float:
        return float(self._rng.uniform(0, LONGEST_DELAY_S))


def _instant(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)
