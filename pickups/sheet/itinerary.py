"""A route as it is driven: depot, stops, unloadings and breaks in order with times of day, and the line on the map."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, pairwise
from typing import Final

from core.errors import NotFoundError
from core.pickup import Pause, PauseKind, Plan, Route, Stop
from core.travel import Position

_CROW: Final = "great_circle"
_MINUTE_S: Final = 60
_MINUTES_A_DAY: Final = 24 * 60


class HaltKind(StrEnum):
    """What happens at a halt."""

    START = "start"
    STOP = "stop"
    UNLOADING = "unloading"
    BREAK = "break"
    END = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """One place on a route where something happens; seconds and metres count from the route's start, None: unknown."""

    kind: HaltKind
    name: str
    latitude: float
    longitude: float
    arrival_s: int | None
    distance_m: int | None
    duration_s: int = 0
    stop: Stop | None = None

    @property
    def position(self) -> Position:
        """Latitude and longitude in degrees WGS 84."""
        return self.latitude, self.longitude


def numbered_routes(plan: Plan, route_id: str | None = None) -> list[tuple[int, Route]]:
    """The routes of a plan with their numbers from 1; only one of them with `route_id`.

    Raises:
        NotFoundError: the plan has no such route.
    """
    found = [(number, route) for number, route in enumerate(plan.routes, 1) if route_id in (None, route.route_id)]
    if not found and route_id is not None:
        raise NotFoundError(f"plan {plan.plan_id} has no route {route_id!r}")
    return found


def itinerary(plan: Plan, route: Route) -> list[Halt]:
    """Where the vehicle halts, in driving order; a place that the plan does not know is left out.

    A break has the place of the halt before it. The last unloading of a route that names none is at the plan's disposal
    site, at a time not known.
    """
    halts = list(_depot(plan, HaltKind.START, 0, 0))
    pauses: defaultdict[int, list[Pause]] = defaultdict(list)
    for pause in sorted(route.pauses, key=lambda each: each.arrival_s):
        pauses[pause.after].append(pause)
    for pause in pauses[0]:
        halts += _pause(pause, halts)
    for stop in route.stops:
        halts.append(_stop(stop))
        for pause in pauses[stop.sequence]:
            halts += _pause(pause, halts)
    if all(pause.kind is not PauseKind.UNLOADING for pause in route.pauses):
        halts += _place(HaltKind.UNLOADING, plan.disposal_name, plan.disposal_latitude, plan.disposal_longitude)
    halts += _depot(plan, HaltKind.END, route.duration_s, route.distance_m)
    return halts


def knows_roads(plan: Plan, route: Route) -> bool:
    """Whether the lines of a route's legs follow roads; else they are as the crow flies."""
    return bool(route.legs) and not plan.distance_source.startswith(_CROW)


def line(plan: Plan, route: Route) -> list[Position]:
    """The way of a route for a map: along the roads where they are known, else straight from halt to halt."""
    places: Iterable[Position] = chain.from_iterable(route.legs)
    if not route.legs:
        places = (halt.position for halt in itinerary(plan, route))
    way = list(places)
    return way[:1] + [after for before, after in pairwise(way) if after != before]


def time_of_day(route: Route, after_s: int) -> str:
    """The local time so long after the route's start, to the minute below: `06:05`."""
    hours, minutes = divmod((route.start_s + after_s) // _MINUTE_S % _MINUTES_A_DAY, 60)
    return f"{hours:02}:{minutes:02}"


def _depot(plan: Plan, kind: HaltKind, arrival_s: int, distance_m: int) -> list[Halt]:
    return _place(
        kind, plan.depot_name, plan.depot_latitude, plan.depot_longitude, arrival_s=arrival_s, distance_m=distance_m
    )


def _stop(stop: Stop) -> Halt:
    return Halt(
        kind=HaltKind.STOP,
        name=stop.name or stop.device_id,
        latitude=stop.latitude,
        longitude=stop.longitude,
        arrival_s=stop.arrival_s,
        distance_m=stop.distance_m,
        duration_s=stop.service_s,
        stop=stop,
    )


def _pause(pause: Pause, before: list[Halt]) -> list[Halt]:
    here: tuple[float | None, float | None] = (pause.latitude, pause.longitude)
    if None in here and before:
        here = before[-1].position
    return _place(
        HaltKind(pause.kind.value),
        pause.name,
        *here,
        arrival_s=pause.arrival_s,
        distance_m=pause.distance_m,
        duration_s=pause.duration_s,
    )


def _place(
    kind: HaltKind,
    name: str,
    latitude: float | None,
    longitude: float | None,
    *,
    arrival_s: int | None = None,
    distance_m: int | None = None,
    duration_s: int = 0,
) -> list[Halt]:
    if latitude is None or longitude is None:
        return []
    return [
        Halt(
            kind=kind,
            name=name,
            latitude=latitude,
            longitude=longitude,
            arrival_s=arrival_s,
            distance_m=distance_m,
            duration_s=duration_s,
        )
    ]
