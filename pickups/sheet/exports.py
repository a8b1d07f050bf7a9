"""A plan for other programs: GeoJSON for maps, GPX for navigation, CSV for spreadsheets, JSON for everything else."""

import re
from dataclasses import asdict
from typing import Any, Final

import gpxpy.gpx

from core.clock import format_rfc3339
from core.csv_text import write_csv
from core.pickup import Plan, Route, Stop
from core.travel import Position
from pickups.sheet.itinerary import Halt, HaltKind, itinerary, knows_roads, line, numbered_routes, time_of_day

CSV_COLUMNS: Final = (
    "route", "vehicle", "sequence", "device_id", "name", "latitude", "longitude", "filling_level", "volume_l",
    "reasons", "arrival_s", "distance_m", "state", "stop_id", "time", "street", "waste_kind", "remark", "skip_reason",
    "done_at",
)  # fmt: skip
_OF_PLAN: Final = (
    "plan_id", "municipality", "date", "state", "progress", "error", "created_at", "finished_at", "distance_source",
    "distance_m", "duration_s", "unplanned", "unplanned_reasons", "municipalities", "notice", "replaces",
)  # fmt: skip
_OF_STOP: Final = (
    "stop_id", "sequence", "device_id", "name", "filling_level", "volume_l", "reasons", "arrival_s", "distance_m",
    "state", "done_at", "skip_reason", "street", "waste_kind", "remark", "content_l", "weight_kg", "service_s",
)  # fmt: skip
"""What is told of a plan and of a stop, in this order."""
ATTRIBUTION: Final = "Roads © OpenStreetMap contributors, ODbL"
"""Where lines follow roads they are from OpenStreetMap, whichever engine found them; its licence asks to say so."""
_NOT_IN_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to write (its production 2, Char)."""


def plan_geojson(plan: Plan, route_id: str | None = None) -> dict[str, Any]:
    """A FeatureCollection (RFC 7946) of all routes or one: a LineString each, Points where vehicles halt.

    `time` is the local time of day. The lines follow the roads where those are known.

    Raises:
        NotFoundError: the plan has no such route.
    """
    features: list[dict[str, Any]] = []
    for number, route in numbered_routes(plan, route_id):
        features.append(
            _feature(
                {"type": "LineString", "coordinates": _coordinates(line(plan, route))},
                kind="route",
                route=number,
                route_id=route.route_id,
                vehicle=route.vehicle,
                waste_kind=route.waste_kind,
                stops=len(route.stops),
                distance_m=route.distance_m,
                duration_s=route.duration_s,
                load_l=route.load_l,
                start_time=time_of_day(route, 0),
                end_time=time_of_day(route, route.duration_s),
            )
        )
        for halt in itinerary(plan, route):
            if halt.stop is not None:
                properties = _stop(halt.stop) | {"time": time_of_day(route, halt.stop.arrival_s)}
                features.append(_feature(_point(halt), kind="stop", route=number, **properties))
            elif halt.arrival_s is not None and halt.kind in (HaltKind.UNLOADING, HaltKind.BREAK):
                features.append(
                    _feature(
                        _point(halt),
                        kind=halt.kind.value,
                        route=number,
                        name=halt.name,
                        time=time_of_day(route, halt.arrival_s),
                        arrival_s=halt.arrival_s,
                        duration_s=halt.duration_s,
                        distance_m=halt.distance_m,
                    )
                )
    for kind, name, latitude, longitude in (
        ("depot", plan.depot_name, plan.depot_latitude, plan.depot_longitude),
        ("disposal_site", plan.disposal_name, plan.disposal_latitude, plan.disposal_longitude),
    ):
        if latitude is not None and longitude is not None:
            features.append(_feature({"type": "Point", "coordinates": [longitude, latitude]}, kind=kind, name=name))
    whose = {"attribution": ATTRIBUTION} if any(knows_roads(plan, route) for route in plan.routes) else {}
    return {"type": "FeatureCollection", "features": features, **_head(plan), **whose}


def plan_gpx(plan: Plan, route_id: str | None = None) -> str:
    """GPX 1.1 of all routes or one: a waypoint for each stop, a `rte` with all halts, a `trk` where roads are known.

    Devices that navigate follow the `rte`, those that show a line the `trk`.

    Raises:
        NotFoundError: the plan has no such route.
    """
    gpx = gpxpy.gpx.GPX()
    gpx.creator = "Kreispuls"
    gpx.name = _xml(f"{plan.municipality} {plan.date.isoformat()}")
    gpx.time = plan.created_at
    if any(knows_roads(plan, route) for route in plan.routes):
        gpx.description = ATTRIBUTION
    for number, route in numbered_routes(plan, route_id):
        name = _xml(f"{number} {route.vehicle}")
        way = gpxpy.gpx.GPXRoute(name=name, number=number)
        for halt in itinerary(plan, route):
            if halt.kind is HaltKind.BREAK:
                continue  # it is where the stop before it is
            named = _xml(f"{halt.stop.sequence} {halt.name}" if halt.stop else halt.name)
            told = _xml(_told(route, halt))
            way.points.append(gpxpy.gpx.GPXRoutePoint(*halt.position, name=named, description=told))
            if halt.stop is not None:
                gpx.waypoints.append(gpxpy.gpx.GPXWaypoint(*halt.position, name=named, description=told))
        gpx.routes.append(way)
        if knows_roads(plan, route):
            points = [gpxpy.gpx.GPXTrackPoint(latitude, longitude) for latitude, longitude in line(plan, route)]
            track = gpxpy.gpx.GPXTrack(name=name, number=number)
            track.segments.append(gpxpy.gpx.GPXTrackSegment(points))
            gpx.tracks.append(track)
    return str(gpx.to_xml(version="1.1"))


def plan_csv(plan: Plan, route_id: str | None = None) -> str:
    """A row a stop in driving order; reasons are joined by a space, text is guarded against formulas.

    `time` is the local time of arrival, `done_at` UTC.

    Raises:
        NotFoundError: the plan has no such route.
    """
    rows = (_csv_row(number, route, stop) for number, route in numbered_routes(plan, route_id) for stop in route.stops)
    return write_csv(CSV_COLUMNS, rows)


def _csv_row(number: int, route: Route, stop: Stop) -> list[Any]:
    told = _stop(stop) | {
        "route": number,
        "vehicle": route.vehicle,
        "latitude": stop.latitude,
        "longitude": stop.longitude,
        "reasons": " ".join(stop.reasons),
        "time": time_of_day(route, stop.arrival_s),
    }
    return [told[name] for name in CSV_COLUMNS]


def plan_document(plan: Plan) -> dict[str, Any]:
    """The plan as JSON values: times RFC 3339 UTC, metres, seconds, litres, levels 0-1."""
    return {
        **_head(plan),
        "depot": _place(plan.depot_name, plan.depot_latitude, plan.depot_longitude),
        "disposal_site": _place(plan.disposal_name, plan.disposal_latitude, plan.disposal_longitude),
        "routes": [
            {
                "route_id": route.route_id,
                "vehicle": route.vehicle,
                "distance_m": route.distance_m,
                "duration_s": route.duration_s,
                "load_l": route.load_l,
                "start_s": route.start_s,
                "waste_kind": route.waste_kind,
                "pauses": [asdict(pause) for pause in route.pauses],
                "legs": [[list(position) for position in leg] for leg in route.legs],
                "stops": [
                    {**_stop(stop), "latitude": stop.latitude, "longitude": stop.longitude} for stop in route.stops
                ],
            }
            for route in plan.routes
        ],
    }


def _head(plan: Plan) -> dict[str, Any]:
    return {name: getattr(plan, name) for name in _OF_PLAN} | {
        "date": plan.date.isoformat(),
        "state": plan.state.value,
        "created_at": format_rfc3339(plan.created_at),
        "finished_at": format_rfc3339(plan.finished_at) if plan.finished_at else None,
        "unplanned": list(plan.unplanned),
        "unplanned_reasons": dict(plan.unplanned_reasons),
        "municipalities": list(plan.municipalities),
    }


def _stop(stop: Stop) -> dict[str, Any]:
    return {name: getattr(stop, name) for name in _OF_STOP} | {
        "reasons": [reason.value for reason in stop.reasons],
        "state": stop.state.value,
        "done_at": format_rfc3339(stop.done_at) if stop.done_at else None,
    }


def _told(route: Route, halt: Halt) -> str:
    """When, where and what, for the small display of a navigation device."""
    parts = [] if halt.arrival_s is None else [time_of_day(route, halt.arrival_s)]
    if halt.stop is not None:
        parts += [part for part in (halt.stop.street, halt.stop.waste_kind, halt.stop.remark) if part]
    return ", ".join(parts)


def _coordinates(way: list[Position]) -> list[list[float]]:
    """As GeoJSON has them; a LineString has two positions at least (RFC 7946, 3.1.4): one alone is doubled."""
    return [[longitude, latitude] for latitude, longitude in (way if len(way) > 1 else way * 2)]


def _place(name: str, latitude: float | None, longitude: float | None) -> dict[str, Any] | None:
    return None if latitude is None else {"name": name, "latitude": latitude, "longitude": longitude}


def _point(halt: Halt) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [halt.longitude, halt.latitude]}


def _feature(geometry: dict[str, Any], **properties: object) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _xml(text: str) -> str:
    return _NOT_IN_XML.sub("", text)
