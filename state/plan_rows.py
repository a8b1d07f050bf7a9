"""Plans as rows: a plan with its routes in one row, each stop in its own so that a driver can confirm it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select

from core.errors import ConflictError
from core.pickup import DueReason, Pause, PauseKind, Plan, PlanState, Route, Stop, StopState
from sql.transaction import insert_into
from state.tables import plan_partners, plans, stops

_DETAILS: Final = (
    "street",
    "remark",
    "waste_kind",
    "content_l",
    "weight_kg",
    "service_s",
    "overflow_probability",
    "municipality",
    "changed",
)
"""Of a stop: kept together, since nothing is looked for by them."""


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
                "start_s": route.start_s,
                "waste_kind": route.waste_kind,
                "pauses": [asdict(pause) for pause in route.pauses],
                "municipality": route.municipality,
            }
            for route in plan.routes
        ],
        "unplanned": list(plan.unplanned),
        "unplanned_reasons": dict(plan.unplanned_reasons),
        "notice": plan.notice,
        "replaces": plan.replaces,
        "legs": [route.legs for route in plan.routes],
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
            "skip_reason": stop.skip_reason,
            "details": {name: getattr(stop, name) for name in _DETAILS},
        }
        for route_number, route in enumerate(plan.routes)
        for place, stop in enumerate(route.stops)
    ]


def insert_plan(connection: Connection, plan: Plan, **job: Any) -> None:
    """Add a plan with its municipalities and stops; `job`: columns of its row that a `Plan` does not have.

    Raises:
        ConflictError: the id exists.
    """
    new = insert_into(connection, plans).values(plan_row(plan) | job).on_conflict_do_nothing()
    if connection.execute(new).rowcount == 0:
        raise ConflictError(f"plan {plan.plan_id!r} exists already")
    for table, rows in ((plan_partners, _partner_rows(plan)), (stops, stop_rows(plan))):
        if rows:
            connection.execute(insert(table), rows)


def plans_with_stops(connection: Connection, rows: Sequence[Row[Any]]) -> list[Plan]:
    """The plans of rows, in their order, with the stops they have now; with the lines of legs if the rows have them."""
    ids = [row.plan_id for row in rows]
    partners: defaultdict[str, list[str]] = defaultdict(list)
    joint = select(plan_partners).where(plan_partners.c.plan_id.in_(ids)).order_by(plan_partners.c.municipality)
    for row in connection.execute(joint):
        partners[row.plan_id].append(row.municipality)
    query = select(stops).where(stops.c.plan_id.in_(ids)).order_by(stops.c.place)
    of_route: defaultdict[tuple[str, int], list[Stop]] = defaultdict(list)
    for row in connection.execute(query):
        of_route[row.plan_id, row.route_number].append(stop_of_row(row))
    return [_plan(row, of_route, partners[row.plan_id]) for row in rows]


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
        skip_reason=row.skip_reason,
        **(row.details or {}),
    )


def _partner_rows(plan: Plan) -> list[dict[str, Any]]:
    """The rows of the municipalities of a joint plan."""
    return [{"plan_id": plan.plan_id, "municipality": municipality} for municipality in plan.municipalities]


def _plan(row: Row[Any], of_route: defaultdict[tuple[str, int], list[Stop]], partners: list[str]) -> Plan:
    legs = getattr(row, "legs", None) or [()] * len(row.routes)
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
            _route(route, tuple(of_route[row.plan_id, number]), legs[number]) for number, route in enumerate(row.routes)
        ),
        unplanned=tuple(row.unplanned),
        unplanned_reasons=row.unplanned_reasons or {},
        municipalities=tuple(partners),
        notice=row.notice,
        replaces=row.replaces,
    )


def _route(kept: dict[str, Any], of_it: tuple[Stop, ...], legs: Sequence[Sequence[tuple[float, float]]]) -> Route:
    pauses = tuple(Pause(**(pause | {"kind": PauseKind(pause["kind"])})) for pause in kept.get("pauses", ()))
    lines = tuple(tuple((latitude, longitude) for latitude, longitude in line) for line in legs)
    return Route(**(kept | {"stops": of_it, "pauses": pauses, "legs": lines}))
