"""A plan for other programs: GeoJSON for maps, GPX for navigation, CSV for spreadsheets, JSON for everything else."""

import re
from itertools import pairwise
from typing import Any, Final

import gpxpy.gpx

from core.clock import format_rfc3339
from core.csv_text import write_csv
from core.pickup import Plan, Route, Stop

CSV_COLUMNS: Final = (
    "route",
    "vehicle",
    "sequence",
    "device_id",
    "name",
    "latitude",
    "longitude",
    "filling_level",
    "volume_l",
    "reasons",
    "arrival_s",
    "distance_m",
    "state",
    "stop_id",
)
_NOT_IN_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to write (its production 2, Char)."""


def plan_geojson(plan: Plan) -> dict[str, Any]:
    """A FeatureCollection (RFC 7946): a LineString for each route, Points for stops, depot and disposal site."""
    features: list[dict[str, Any]] = []
    for number, route in enumerate(plan.routes, start=1):
        features.append(
            _feature(
                {
                    "type": "LineString",
                    "coordinates": [[longitude, latitude] for latitude, longitude in _way(plan, route)],
                },
                kind="route",
                route=number,
                route_id=route.route_id,
                vehicle=route.vehicle,
                stops=len(route.stops),
                distance_m=route.distance_m,
                duration_s=route.duration_s,
                load_l=route.load_l,
            )
        )
        features += [
            _feature(_point(stop.latitude, stop.longitude), kind="stop", route=number, **_stop(stop))
            for stop in route.stops
        ]
    for kind, name, latitude, longitude in (
        ("depot", plan.depot_name, plan.depot_latitude, plan.depot_longitude),
        ("disposal_site", plan.disposal_name, plan.disposal_latitude, plan.disposal_longitude),
    ):
        if latitude is not None and longitude is not None:
            features.append(_feature(_point(latitude, longitude), kind=kind, name=name))
    return {"type": "FeatureCollection", "features": features, **_head(plan)}


def plan_gpx(plan: Plan) -> str:
    """GPX 1.1: each route with depot, stops and disposal site as its points, each stop a waypoint too."""
    gpx = gpxpy.gpx.GPX()
    gpx.creator = "Kreispuls"
    gpx.name = _xml(f"{plan.municipality} {plan.date.isoformat()}")
    gpx.time = plan.created_at
    for number, route in enumerate(plan.routes, start=1):
        line = gpxpy.gpx.GPXRoute(name=_xml(f"{number} {route.vehicle}"), number=number)
        stops = [
            (f"{stop.sequence} {stop.name or stop.device_id}", stop.latitude, stop.longitude) for stop in route.stops
        ]
        gpx.waypoints += [
            gpxpy.gpx.GPXWaypoint(latitude, longitude, name=_xml(name)) for name, latitude, longitude in stops
        ]
        line.points = [
            gpxpy.gpx.GPXRoutePoint(latitude, longitude, name=_xml(name))
            for name, latitude, longitude in (*_depot(plan), *stops, *_disposal(plan), *_depot(plan))
        ]
        gpx.routes.append(line)
    return str(gpx.to_xml(version="1.1"))


def plan_csv(plan: Plan) -> str:
    """A row a stop in driving order; reasons are joined by a space, text is guarded against formulas."""
    return write_csv(
        CSV_COLUMNS,
        (
            (
                number,
                route.vehicle,
                stop.sequence,
                stop.device_id,
                stop.name,
                stop.latitude,
                stop.longitude,
                stop.filling_level,
                stop.volume_l,
                " ".join(stop.reasons),
                stop.arrival_s,
                stop.distance_m,
                stop.state.value,
                stop.stop_id,
            )
            for number, route in enumerate(plan.routes, start=1)
            for stop in route.stops
        ),
    )


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
                "stops": [
                    {**_stop(stop), "latitude": stop.latitude, "longitude": stop.longitude} for stop in route.stops
                ],
            }
            for route in plan.routes
        ],
    }


def _head(plan: Plan) -> dict[str, Any]:
    return {
        "plan_id": plan.plan_id,
        "municipality": plan.municipality,
        "date": plan.date.isoformat(),
        "state": plan.state.value,
        "progress": plan.progress,
        "error": plan.error,
        "created_at": format_rfc3339(plan.created_at),
        "finished_at": format_rfc3339(plan.finished_at) if plan.finished_at else None,
        "distance_source": plan.distance_source,
        "distance_m": plan.distance_m,
        "duration_s": plan.duration_s,
        "unplanned": list(plan.unplanned),
    }


def _stop(stop: Stop) -> dict[str, Any]:
    return {
        "stop_id": stop.stop_id,
        "sequence": stop.sequence,
        "device_id": stop.device_id,
        "name": stop.name,
        "filling_level": stop.filling_level,
        "volume_l": stop.volume_l,
        "reasons": [reason.value for reason in stop.reasons],
        "arrival_s": stop.arrival_s,
        "distance_m": stop.distance_m,
        "state": stop.state.value,
        "done_at": format_rfc3339(stop.done_at) if stop.done_at else None,
    }


def _way(plan: Plan, route: Route) -> list[tuple[float, float]]:
    """Positions along a route; a LineString needs two different ones at least, so one is doubled if need be."""
    stops = [("", stop.latitude, stop.longitude) for stop in route.stops]
    places = [
        (latitude, longitude) for _, latitude, longitude in (*_depot(plan), *stops, *_disposal(plan), *_depot(plan))
    ]
    way = [places[0], *(after for before, after in pairwise(places) if after != before)]
    return way if len(way) > 1 else way * 2


def _depot(plan: Plan) -> list[tuple[str, float, float]]:
    if plan.depot_latitude is None or plan.depot_longitude is None:
        return []
    return [(plan.depot_name, plan.depot_latitude, plan.depot_longitude)]


def _disposal(plan: Plan) -> list[tuple[str, float, float]]:
    if plan.disposal_latitude is None or plan.disposal_longitude is None:
        return []
    return [(plan.disposal_name, plan.disposal_latitude, plan.disposal_longitude)]


def _place(name: str, latitude: float | None, longitude: float | None) -> dict[str, Any] | None:
    return None if latitude is None else {"name": name, "latitude": latitude, "longitude": longitude}


def _point(latitude: float, longitude: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [longitude, latitude]}


def _feature(geometry: dict[str, Any], **properties: object) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _xml(text: str) -> str:
    return _NOT_IN_XML.sub("", text)
