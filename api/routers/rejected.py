"""Rejected messages and playing them again."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path

from api.dependencies import MqttDep, StateDep
from api.errors import problems
from api.filters import DeviceIdQuery, DeviceTypeQuery, MunicipalityQuery
from api.paging import PagingDep
from api.schemas.fields import Items
from api.schemas.rejected import RejectedShown, is_truncated, show_rejected
from core.clock import utc_now
from core.errors import BrokerError, ConflictError
from state.rejected import RejectedFilter

router = APIRouter(prefix="/v1/rejected-messages", tags=["rejected messages"])

RejectedIdPath = Annotated[int, Path(ge=1, le=2**63 - 1, description="the message's number")]


@router.get("")
def list_rejected_messages(
    state: StateDep,
    paging: PagingDep,
    municipality: MunicipalityQuery = None,
    device_type: DeviceTypeQuery = None,
    device_id: DeviceIdQuery = None,
) -> Items[RejectedShown]:
    """List messages that could not be used, newest first."""
    page = state.rejected.page(RejectedFilter(municipality, device_type, device_id), paging.limit, paging.cursor)
    return Items(items=[show_rejected(message) for message in page.items], next_cursor=page.next_cursor)


@router.get("/{rejected_id}", responses=problems(404))
def get_rejected_message(rejected_id: RejectedIdPath, state: StateDep) -> RejectedShown:
    """Give one rejected message."""
    return show_rejected(state.rejected.get(rejected_id))


@router.post("/{rejected_id}/replay", status_code=HTTPStatus.ACCEPTED, responses=problems(404, 409))
def replay_rejected_message(rejected_id: RejectedIdPath, state: StateDep, mqtt: MqttDep) -> RejectedShown:
    """Publish a message again on its topic, as when what was wrong with the platform's registry is now right."""
    message = state.rejected.get(rejected_id)
    if is_truncated(message):
        raise ConflictError(f"rejected message {rejected_id}: only the first part of its payload was kept")
    if not mqtt.connected:
        raise BrokerError(f"the broker does not answer: {mqtt.last_error}")
    mqtt.publish_confirmed(message.topic, message.payload)
    state.rejected.mark_replayed(rejected_id, utc_now())
    return show_rejected(state.rejected.get(rejected_id))
