"""The live stream as server-sent events."""

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter, Query
from sse_starlette import EventSourceResponse, ServerSentEvent

from api.dependencies import LiveDep
from api.errors import problems
from api.filters import DeviceTypeQuery, MunicipalityQuery
from api.live import Listener, LiveFilter, LiveHub
from api.schemas.fields import DeviceId

router = APIRouter(tags=["live"])

HEARTBEAT_S: Final = 15
SEND_TIMEOUT_S: Final = 60.0
"""A listener that takes nothing for so long is given up."""


class LiveKind(StrEnum):
    """What may happen."""

    READING = "reading"
    COMMAND = "command"
    ALERT = "alert"


@router.get(
    "/v1/live",
    response_class=EventSourceResponse,
    responses=problems(409)
    | {200: {"description": "Events without end.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def listen(
    live: LiveDep,
    event: Annotated[list[LiveKind] | None, Query(description="only these kinds", max_length=3)] = None,
    municipality: MunicipalityQuery = None,
    device_type: DeviceTypeQuery = None,
    device_id: Annotated[list[DeviceId] | None, Query(description="only of these devices", max_length=100)] = None,
) -> EventSourceResponse:
    """Listen to what happens: events `reading`, `command` and `alert` with JSON data.

    A listener that is too slow loses the oldest events and is told how many with an event `dropped`. A comment every
    15 seconds keeps the connection open.
    """
    wanted = LiveFilter(kinds=event, municipality=municipality, device_type=device_type, device_ids=device_id)
    listener = live.listen(wanted)
    return EventSourceResponse(
        _events(live, listener),
        ping=HEARTBEAT_S,
        send_timeout=SEND_TIMEOUT_S,
        headers={"X-Accel-Buffering": "no"},
    )


async def _events(live: LiveHub, listener: Listener) -> AsyncIterator[ServerSentEvent]:
    try:
        while True:
            event = await listener.next()
            yield ServerSentEvent(event.data, event=event.kind)
    finally:
        live.leave(listener)
