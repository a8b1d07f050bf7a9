"""Whether the process lives, whether it can work, and its metrics."""

from collections.abc import Callable
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from api.dependencies import MetricsDep, MqttDep, ReadingsDep, StateDep
from api.errors import InvalidPart, problem, problems
from core.errors import BrokerError, KreispulsError
from mqtt.client import MqttClient
from sql.engine import ping

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """The process lives."""

    status: str = Field("ok", examples=["ok"])


class Readiness(Health):
    """All that the API needs answers."""

    checks: dict[str, str] = Field(examples=[{"state": "ok", "readings": "ok", "broker": "ok"}])


@router.get("/healthz")
async def get_health() -> Health:
    """Answer while the process lives; nothing else is looked at."""
    return Health(status="ok")


@router.get("/readyz", responses=problems(503))
def get_readiness(request: Request, state: StateDep, readings: ReadingsDep, mqtt: MqttDep) -> Readiness:
    """Ask the stores and the broker; 503 names what fails."""
    checks: dict[str, Callable[[], None]] = {
        "state": lambda: ping(state.engine),
        "readings": readings.ping,
        "broker": lambda: _check_broker(mqtt),
    }
    failures: list[InvalidPart] = []
    for name, check in checks.items():
        try:
            check()
        except KreispulsError as error:
            failures.append(InvalidPart(location=name, detail=str(error)))
    if failures:
        detail = "; ".join(f"{failure.location}: {failure.detail}" for failure in failures)
        return problem(  # type: ignore[return-value] # a response goes out as it is
            HTTPStatus.SERVICE_UNAVAILABLE, detail, request.url.path, errors=failures
        )
    return Readiness(status="ok", checks=dict.fromkeys(checks, "ok"))


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def get_metrics(metrics: MetricsDep) -> Response:
    """Give the metrics in Prometheus' text format."""
    return Response(metrics.render(), media_type=CONTENT_TYPE_LATEST)


def _check_broker(mqtt: MqttClient) -> None:
    if not mqtt.connected:
        raise BrokerError(mqtt.last_error)
