"""Query strings: only what a route documents is taken, single-valued parameters only once."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError

DeclaredQueries = dict[tuple[str, str], dict[str, bool]]
"""Query parameters by method and path, and whether each may repeat."""


async def refuse_unknown_query(request: Request) -> None:
    """Dependency of every route: what the OpenAPI document does not list as a query parameter is 422."""
    if not request.query_params:
        return
    queries: DeclaredQueries = request.app.state.declared_queries
    declared = queries.get((request.method, request.scope["route"].path_format))
    if declared is None:  # a route that is not documented, such as the documentation
        return
    errors = list(_wrong(request, declared))
    if errors:
        raise RequestValidationError(errors)


def declared_queries(app: FastAPI) -> DeclaredQueries:
    """What the OpenAPI document lists; `refuse_unknown_query` finds it in `app.state.declared_queries`."""
    return {
        (method.upper(), path): {
            parameter["name"]: _may_repeat(parameter["schema"])
            for parameter in operation.get("parameters", ())
            if parameter["in"] == "query"
        }
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
    }


def _may_repeat(schema: dict[str, Any]) -> bool:
    return any(variant.get("type") == "array" for variant in (schema, *schema.get("anyOf", ())))


def _wrong(request: Request, declared: dict[str, bool]) -> Iterator[dict[str, object]]:
    for name in request.query_params:
        if name not in declared:
            known = ", ".join(sorted(declared)) or "none"
            yield {"loc": ("query", name), "msg": f"unknown query parameter; known: {known}", "type": "unknown"}
        elif not declared[name] and len(request.query_params.getlist(name)) > 1:
            yield {"loc": ("query", name), "msg": "given more than once", "type": "repeated"}
