"""Plans as rows: a plan with its routes in one row, each stop in its own so that a driver can confirm it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select

from core.errors import ConflictError
from core.pickup import DueReason, OutOfService, Pause, PauseKind, Plan, Route, Stop
from sql.records import from_row, to_row
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
    row = to_row(plan) | {
        "routes": [_route_row(route) for route in plan.routes],
        "unplanned_reasons": dict(plan.unplanned_reasons),
        "legs": [route.legs for route in plan.routes],
        "out": [asdict(vehicle) for vehicle in plan.out],
    }
    del row["municipalities"]
    return row


def _route_row(route: Route) -> dict[str, Any]:
    row = to_row(route) | {"pauses": [asdict(pause) for pause in route.pauses]}
    del row["stops"], row["legs"]
    return row


def stop_rows(plan: Plan) -> list[dict[str, Any]]:
    """The rows of a plan's stops."""
    return [
        _stop_row(stop) | {"plan_id": plan.plan_id, "route_number": route_number, "place": place}
        for route_number, route in enumerate(plan.routes)
        for place, stop in enumerate(route.stops)
    ]


def _stop_row(stop: Stop) -> dict[str, Any]:
    row = to_row(stop)
    return row | {"details": {name: row.pop(name) for name in _DETAILS}}


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
    return from_row(Stop, row, reasons=tuple(map(DueReason, row.reasons)), **(row.details or {}))


def _partner_rows(plan: Plan) -> list[dict[str, Any]]:
    """The rows of the municipalities of a joint plan."""
    return [{"plan_id": plan.plan_id, "municipality": municipality} for municipality in plan.municipalities]


def _plan(row: Row[Any], of_route: defaultdict[tuple[str, int], list[Stop]], partners: list[str]) -> Plan:
    legs = getattr(row, "legs", None) or [()] * len(row.routes)
    routes = tuple(
        _route(route, tuple(of_route[row.plan_id, number]), legs[number]) for number, route in enumerate(row.routes)
    )
    return from_row(
        Plan,
        row,
        routes=routes,
        unplanned=tuple(row.unplanned),
        unplanned_reasons=row.unplanned_reasons or {},
        municipalities=tuple(partners),
        out=tuple(OutOfService(**vehicle) for vehicle in row.out or ()),
    )


def _route(kept: dict[str, Any], of_it: tuple[Stop, ...], legs: Sequence[Sequence[tuple[float, float]]]) -> Route:
    pauses = tuple(Pause(**(pause | {"kind": PauseKind(pause["kind"])})) for pause in kept.get("pauses", ()))
    lines = tuple(tuple((latitude, longitude) for latitude, longitude in line) for line in legs)
    return Route(**(kept | {"stops": of_it, "pauses": pauses, "legs": lines}))
