"""Plans as rows: a plan with its routes in one row, each stop in its own so that a driver can confirm it."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from core.pickup import DueReason, Plan, PlanState, Route, Stop, StopState
from storage.tables import stops


def plan_row(plan: Plan) -> dict[str, Any]:
    """The row of a plan, without its stops."""
    return {
        "plan_id": plan.plan_id,
        "municipality": plan.municipality,
        "date": plan.date,
        "state": plan.state,
        "progress": plan.progress,
        "error": plan.error,
        "created_at": plan.created_at,
        "finished_at": plan.finished_at,
        "distance_source": plan.distance_source,
        "distance_m": plan.distance_m,
        "duration_s": plan.duration_s,
        "depot_name": plan.depot_name,
        "depot_latitude": plan.depot_latitude,
        "depot_longitude": plan.depot_longitude,
        "disposal_name": plan.disposal_name,
        "disposal_latitude": plan.disposal_latitude,
        "disposal_longitude": plan.disposal_longitude,
        "routes": [
            {
                "route_id": route.route_id,
                "vehicle": route.vehicle,
                "distance_m": route.distance_m,
                "duration_s": route.duration_s,
                "load_l": route.load_l,
            }
            for route in plan.routes
        ],
        "unplanned": list(plan.unplanned),
    }


def stop_rows(plan: Plan) -> list[dict[str, Any]]:
    """The rows of a plan's stops."""
    return [
        {
            "stop_id": stop.stop_id,
            "plan_id": plan.plan_id,
            "route_number": route_number,
            "place": place,
            "sequence": stop.sequence,
            "device_id": stop.device_id,
            "name": stop.name,
            "latitude": stop.latitude,
            "longitude": stop.longitude,
            "filling_level": stop.filling_level,
            "volume_l": stop.volume_l,
            "reasons": list(stop.reasons),
            "arrival_s": stop.arrival_s,
            "distance_m": stop.distance_m,
            "state": stop.state,
            "done_at": stop.done_at,
        }
        for route_number, route in enumerate(plan.routes)
        for place, stop in enumerate(route.stops)
    ]


def plans_with_stops(connection: Connection, rows: Sequence[Row[Any]]) -> list[Plan]:
    """The plans of rows, in their order, with the stops they have now."""
    query = select(stops).where(stops.c.plan_id.in_([row.plan_id for row in rows])).order_by(stops.c.place)
    of_route: defaultdict[tuple[str, int], list[Stop]] = defaultdict(list)
    for row in connection.execute(query):
        of_route[row.plan_id, row.route_number].append(stop_of_row(row))
    return [_plan(row, of_route) for row in rows]


def stop_of_row(row: Row[Any]) -> Stop:
    """The stop of a row."""
    return Stop(
        stop_id=row.stop_id,
        sequence=row.sequence,
        device_id=row.device_id,
        name=row.name,
        latitude=row.latitude,
        longitude=row.longitude,
        filling_level=row.filling_level,
        volume_l=row.volume_l,
        reasons=tuple(DueReason(reason) for reason in row.reasons),
        arrival_s=row.arrival_s,
        distance_m=row.distance_m,
        state=StopState(row.state),
        done_at=row.done_at,
    )


def _plan(row: Row[Any], of_route: defaultdict[tuple[str, int], list[Stop]]) -> Plan:
    return Plan(
        plan_id=row.plan_id,
        municipality=row.municipality,
        date=row.date,
        state=PlanState(row.state),
        progress=row.progress,
        error=row.error,
        created_at=row.created_at,
        finished_at=row.finished_at,
        distance_source=row.distance_source,
        distance_m=row.distance_m,
        duration_s=row.duration_s,
        depot_name=row.depot_name,
        depot_latitude=row.depot_latitude,
        depot_longitude=row.depot_longitude,
        disposal_name=row.disposal_name,
        disposal_latitude=row.disposal_latitude,
        disposal_longitude=row.disposal_longitude,
        routes=tuple(
            Route(stops=tuple(of_route[row.plan_id, number]), **route) for number, route in enumerate(row.routes)
        ),
        unplanned=tuple(row.unplanned),
    )
