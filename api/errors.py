"""Errors to HTTP: one table, RFC 9457 problem details, and how the OpenAPI document describes them."""

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from core.errors import (
    BrokerError,
    ConflictError,
    InvalidInputError,
    KreispulsError,
    NotFoundError,
    PayloadError,
    PlanningError,
    RoadsError,
    StorageUnavailableError,
)
from devices.files import InvalidDevicesError

logger = logging.getLogger(__name__)

PROBLEM_JSON: Final = "application/problem+json"
MAX_SHOWN: Final = 200
"""Characters of a part of the request that an error repeats."""

STATUS: Final[Mapping[type[KreispulsError], HTTPStatus]] = {
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    PlanningError: HTTPStatus.CONFLICT,
    RoadsError: HTTPStatus.SERVICE_UNAVAILABLE,
    InvalidInputError: HTTPStatus.UNPROCESSABLE_ENTITY,
    PayloadError: HTTPStatus.UNPROCESSABLE_ENTITY,
    StorageUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    BrokerError: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The status of an error is that of its nearest class here; others are 500 and only the log says why."""

_INTERNAL_DETAIL: Final = "Something went wrong here; the log of the API says what."
_DESCRIPTIONS: Final[Mapping[int, str]] = {
    400: "The request cannot be read as HTTP or JSON.",
    404: "There is no such thing.",
    409: "It exists already, or its state does not allow this.",
    413: "The body is larger than this path takes.",
    415: "The body's media type is none that this path takes.",
    422: "A parameter or the body is wrong, or a query parameter is unknown; `errors` names each.",
    500: "An error of the platform itself.",
    503: "A store or the broker does not answer now; the same request may work later.",
}


class InvalidPart(BaseModel):
    """One part of a request that is wrong."""

    location: str = Field(description="where: `query.limit`, `body.dim_level`, `row 7`", examples=["query.limit"])
    detail: str = Field(description="what is wrong there", examples=["Input should be less than or equal to 1000"])


class Problem(BaseModel):
    """An error as RFC 9457 problem details."""

    type: str = Field(description="kind of problem; `about:blank`: the status says it all", examples=["about:blank"])
    title: str = Field(description="the status in words", examples=["Not Found"])
    status: int = Field(description="HTTP status", examples=[404])
    detail: str = Field(description="one sentence: what and where", examples=["There is no device lamp-7."])
    instance: str = Field(description="path of the request", examples=["/v1/devices/lamp-7"])
    errors: list[InvalidPart] | None = Field(None, description="each wrong part of the request, with status 422")


def problem(
    status: int,
    detail: str,
    path: str,
    *,
    errors: Sequence[InvalidPart] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem details response."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": _clean(detail),
        "instance": quote(_clean(path)),
    }
    if errors is not None:
        body["errors"] = [
            {"location": _clean(error.location)[:MAX_SHOWN], "detail": _clean(error.detail)} for error in errors
        ]
    content = json.dumps(body, ensure_ascii=False).encode()
    return Response(content, status_code=status, media_type=PROBLEM_JSON, headers=dict(headers or {}))


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these problems."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": _DESCRIPTIONS[status], "content": {PROBLEM_JSON: {"schema": schema}}}
        for status in statuses
    }


def add_error_handlers(app: FastAPI) -> None:
    """Turn every error that a route raises into problem details (what nobody expected: `api.middleware`)."""
    app.add_exception_handler(KreispulsError, _kreispuls_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)


async def _kreispuls_error(request: Request, error: Exception) -> Response:
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), HTTPStatus.INTERNAL_SERVER_ERROR)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("%s %s: %s", request.method, request.url.path, error)
        return problem(status, _INTERNAL_DETAIL, request.url.path)
    errors = None
    if isinstance(error, InvalidDevicesError):
        errors = [InvalidPart(location=row.place, detail=row.reason) for row in error.rows]
    elif status is HTTPStatus.UNPROCESSABLE_ENTITY:
        errors = [InvalidPart(location="request", detail=str(error))]
    return problem(status, str(error), request.url.path, errors=errors)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    phrase = HTTPStatus(error.status_code).phrase
    detail = f"{request.method} {request.url.path}: {phrase}." if error.detail == phrase else str(error.detail)
    return problem(error.status_code, detail, request.url.path, headers=error.headers)


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    errors = [
        InvalidPart(
            location=".".join(str(part) for part in found["loc"])[:MAX_SHOWN],
            detail=str(found["msg"]).removeprefix("Value error, "),
        )
        for found in error.errors()
    ]
    detail = "; ".join(f"{part.location}: {part.detail}" for part in errors)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, request.url.path, errors=errors)


def internal_problem(path: str) -> Response:
    """The answer when something happened that nobody expected."""
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, _INTERNAL_DETAIL, path)


def _clean(text: str) -> str:
    """Text that can be written as UTF-8: a request may hold half surrogate pairs."""
    return text.encode("utf-8", "replace").decode()
