"""Builds the application: routers, errors, limits, documentation, and what it holds open while it runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool

from api.errors import Problem, add_error_handlers, problems
from api.metrics import Metrics
from api.middleware import BodyLimit, Edge
from api.query import declared_queries, refuse_unknown_query
from api.resources import open_resources
from api.routers import (
    alerts,
    commands,
    devices,
    energy,
    forecasts,
    geojson,
    health,
    light_groups,
    lighting,
    live,
    municipalities,
    notifications,
    pickup_exports,
    pickup_reports,
    pickup_stops,
    pickups,
    readings,
    rejected,
    rules,
    totals,
)
from core.settings import Settings

MAX_IMPORT_BYTES: Final = 10 * 1024 * 1024
_LICENCE: Final = {"name": "European Union Public Licence 1.2", "identifier": "EUPL-1.2"}
_DESCRIPTION: Final = """
Devices, readings, alerts and pickups of a smart region.

Times are RFC 3339 in UTC. Lists are `{"items": [...], "next_cursor": ...}`: give `next_cursor` as `cursor` for the next
page. Errors are problem details (RFC 9457). Unknown query parameters are refused.
"""


def create_app(settings: Settings) -> FastAPI:
    """The application; stores and broker are opened when it starts and closed when it stops."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        opened = open_resources(settings, metrics)
        app.state.resources = await run_in_threadpool(opened.__enter__)
        try:
            yield
        finally:
            await run_in_threadpool(opened.__exit__, None, None, None)

    app = FastAPIOffline(
        title="Kreispuls",
        description=_DESCRIPTION,
        version=_version(),
        license_info=_LICENCE,
        lifespan=lifespan,
        dependencies=[Depends(refuse_unknown_query)],
        responses=problems(422, 500, 503),
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
    )
    # /v1/devices.geojson and the plan exports come before the paths with an id that would take them.
    for module in (
        health,
        geojson,
        readings,
        devices,
        forecasts,
        totals,
        energy,
        live,
        commands,
        alerts,
        rules,
        municipalities,
        lighting,
        light_groups,
        notifications,
        pickup_exports,
        pickup_reports,
        pickup_stops,
        pickups,
        rejected,
    ):
        app.include_router(module.router)
    add_error_handlers(app)
    app.add_middleware(BodyLimit, larger={devices.IMPORT_PATH: MAX_IMPORT_BYTES})
    app.add_middleware(Edge, metrics=metrics)
    _describe_problems(app)
    app.state.declared_queries = declared_queries(app)
    return app


def _version() -> str:
    try:
        return version("kreispuls")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"


def _operation_id(route: APIRoute) -> str:
    return route.name


def _describe_problems(app: FastAPI) -> None:
    """Add the schemas that `problems` refers to: FastAPI lists only models of JSON responses."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                license_info=app.license_info,
                routes=app.routes,
            )
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            document["components"]["schemas"] |= {**problem.pop("$defs"), "Problem": problem}
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # as FastAPI's documentation says to extend it
