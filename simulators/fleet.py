"""A fleet of simulated devices: what is due next, in order of time; pure, the time is an argument."""

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from core.clock import from_epoch_us
from core.command import CommandState
from core.device import Connection, Device, Municipality
from core.errors import NotFoundError, PayloadError
from core.topics import Topics
from devices.base import parse_object
from devices.streetlight.codec import decode_set_light, decode_set_profile
from simulators.faults import FaultKind, choose_faults
from simulators.placement import Row, place_bins, place_lamps
from simulators.region import Region, municipalities
from simulators.streetlight import Lamp
from simulators.traffic import LONGEST_PASSAGE_H, Traffic
from simulators.uplink import Outgoing, Uplink
from simulators.waste_bin import Bin
from simulators.world import HOUR_S, SimulatedClock, World

FIRST_WORDS_S: Final = 30.0
"""Devices without history are well for so long, so that everybody has heard of them before they fail."""


class PassersBy:
    """Plays the traffic of one row of lamps: who is at which lamp when."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._lamps = [lamp.device_id for lamp in traffic.row.lamps]
        self._detections: list[tuple[float, int]] = []
        self._clock = SimulatedClock(0.0, 1.0)
        self._hour = 0

    def start(self, clock: SimulatedClock) -> None:
        """Begin at the clock's anchor, with those who are on their way."""
        self._clock = clock
        self._hour = math.floor(clock.anchor_s / HOUR_S) - LONGEST_PASSAGE_H
        self._detections = []
        while self._hour <= math.floor(clock.anchor_s / HOUR_S):
            self._load()
        self._detections = [found for found in self._detections if found[0] > clock.anchor_s]
        heapq.heapify(self._detections)

    @property
    def next_s(self) -> float:
        """When somebody is at a lamp, or the next hour is to be drawn."""
        hour_s = self._clock.real(self._hour * HOUR_S)
        return min(hour_s, self._detections[0][0]) if self._detections else hour_s

    def due_detections(self, now_s: float) -> Iterator[tuple[str, float]]:
        """The lamps that somebody has come to, with the instant."""
        while self.next_s <= now_s:
            if self._clock.real(self._hour * HOUR_S) <= self.next_s:
                self._load()
                continue
            at_s, lamp = heapq.heappop(self._detections)
            yield self._lamps[lamp], at_s

    def _load(self) -> None:
        passages = self._traffic.passages(self._hour)
        self._hour += 1
        for lamp in range(len(self._lamps)):
            for simulated_s in passages.at_lamp(lamp):
                heapq.heappush(self._detections, (self._clock.real(float(simulated_s)), lamp))


class Fleet:
    """All devices of a region. Call `start` once, then `due`, `receive` and `empty` in order of time.

    The same region, numbers, seed, start, speed and commands give the same messages, byte by byte.
    """

    def __init__(
        self, region: Region, rows: Iterable[Row], bins: Iterable[Device], *, seed: int, topic_root: str
    ) -> None:
        self.region = region
        self.seed = seed
        self.world = World(region, seed)
        self.topics = Topics(topic_root)
        self.traffic = [Traffic(row, self.world, seed) for row in rows]
        lamps = [lamp for traffic in self.traffic for lamp in traffic.row.lamps]
        bins = list(bins)
        self.devices: list[Device] = [*lamps, *bins]
        self.injections = {**choose_faults(lamps, seed), **choose_faults(bins, seed)}
        self._uplinks = {
            device.device_id: Uplink(device, self.topics, self.injections.get(device.device_id))
            for device in self.devices
        }
        self.lamps = {lamp.device_id: Lamp(lamp, self.world, self._uplinks[lamp.device_id], seed) for lamp in lamps}
        self.bins = {bin_.device_id: Bin(bin_, self.world, self._uplinks[bin_.device_id], seed) for bin_ in bins}
        self._passers_by = [PassersBy(traffic) for traffic in self.traffic]
        self._actors: list[Lamp | Bin | PassersBy] = [*self.lamps.values(), *self.bins.values(), *self._passers_by]
        self._rank = {device.device_id: index for index, device in enumerate(self.devices)}
        self._heap: list[tuple[float, int]] = []

    @property
    def faults(self) -> Mapping[str, FaultKind]:
        """The devices with a fault, and which."""
        return {device_id: injection.kind for device_id, injection in self.injections.items()}

    @property
    def municipalities(self) -> list[Municipality]:
        """The tenants of the region."""
        return municipalities(self.region)

    def start(self, now: datetime, speed: float = 1.0) -> None:
        """Come to life; from now on the simulated world runs `speed` times as fast as the real one."""
        clock = SimulatedClock(now.timestamp(), speed)
        for injection in self.injections.values():
            if math.isinf(injection.since_s):
                injection.since_s = clock.anchor_s + FIRST_WORDS_S
        for actor in self._actors:
            actor.start(clock)
        self._heap = [(actor.next_s, rank) for rank, actor in enumerate(self._actors)]
        heapq.heapify(self._heap)

    @property
    def next_at(self) -> datetime | None:
        """When `due_messages` has something to give; None for an empty fleet."""
        if not self._heap:
            return None
        return from_epoch_us(math.floor(self._heap[0][0] * 1e6) + 1)  # not before it, however the float was rounded

    def due_messages(self, now: datetime) -> list[Outgoing]:
        """All that the devices have said up to now since the last call, in order, dated when it was due."""
        now_s = now.timestamp()
        said: list[Outgoing] = []
        while self._heap and self._heap[0][0] <= now_s:
            at_s, rank = heapq.heappop(self._heap)
            actor = self._actors[rank]
            if actor.next_s > at_s:
                continue  # it has changed its mind, and an entry for that is in the heap
            if isinstance(actor, PassersBy):
                for lamp, passed_s in actor.due_detections(at_s):
                    said += self.lamps[lamp].detected(passed_s)
                    self._reschedule(self._rank[lamp])
            else:
                said += actor.due_messages(at_s)
            self._reschedule(rank)
        return said

    def status(self, connection: Connection, now: datetime) -> list[Outgoing]:
        """The retained `event/status` of every device that is not silent."""
        now_s = now.timestamp()
        return [message for uplink in self._uplinks.values() for message in uplink.status(connection, now_s)]

    def receive(self, topic: str, payload: bytes, now: datetime) -> list[Outgoing]:
        """A message on a command topic: what the device answers; nothing when it is for none of our lamps."""
        try:
            parts = self.topics.parse(topic)
        except PayloadError:
            return []
        lamp = self.lamps.get(parts.device_id)
        if lamp is None or parts.channel != "command" or parts.municipality != lamp.device.municipality:
            return []
        try:
            if parts.name == "set_light":
                said = lamp.command(decode_set_light(payload), now)
            elif parts.name == "set_profile":
                said = lamp.follow(decode_set_profile(payload), now)
            else:
                return self._refuse(parts.device_id, payload, now, "unknown command")
        except PayloadError as error:
            return self._refuse(parts.device_id, payload, now, str(error))
        self._reschedule(self._rank[parts.device_id])
        return said

    def empty(self, device_id: str, at: datetime) -> None:
        """Somebody empties a bin.

        Raises:
            NotFoundError: the fleet has no such bin.
        """
        if device_id not in self.bins:
            raise NotFoundError(f"the simulated fleet has no bin {ascii(device_id)[:80]}")
        self.bins[device_id].empty(at.timestamp())
        self._reschedule(self._rank[device_id])

    def _reschedule(self, rank: int) -> None:
        heapq.heappush(self._heap, (self._actors[rank].next_s, rank))

    def _refuse(self, device_id: str, payload: bytes, now: datetime, why: str) -> list[Outgoing]:
        try:
            command_id = parse_object(payload).get("command_id")
        except PayloadError:
            return []
        if not isinstance(command_id, str):
            return []
        return self._uplinks[device_id].ack(command_id, CommandState.REJECTED, now.timestamp(), why)


def build_fleet(
    region: Region, *, lamps: int = 300, bins: int = 80, seed: int = 0, topic_root: str = "kreispuls/v1"
) -> Fleet:
    """A fleet for a region: lamps in rows, the pilot street's first, and bins by population."""
    return Fleet(region, place_lamps(region, lamps), place_bins(region, bins, seed), seed=seed, topic_root=topic_root)
