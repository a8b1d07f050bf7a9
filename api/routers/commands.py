"""Commands to devices."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from actions.lights.send_command import send_set_light
from api.dependencies import MqttDep, SettingsDep, StateDep, TopicsDep
from api.errors import problems
from api.filters import DeviceIdPath, IdPath, MunicipalityQuery
from api.paging import DEFAULT_LIMIT, Limit
from api.schemas.command import CommandShown, NewCommand
from api.schemas.fields import Items
from core.clock import utc_now
from core.errors import BrokerError

router = APIRouter(tags=["commands"])


@router.post(
    "/v1/devices/{device_id}/commands",
    status_code=HTTPStatus.ACCEPTED,
    responses=problems(400, 404, 409, 413) | {202: {"headers": {"Location": {"schema": {"type": "string"}}}}},
)
def send_command(
    *,
    device_id: DeviceIdPath,
    new: NewCommand,
    state: StateDep,
    mqtt: MqttDep,
    topics: TopicsDep,
    settings: SettingsDep,
    response: Response,
) -> CommandShown:
    """Send a light command; it outranks presence and schedule while it holds."""
    device = state.devices.get(device_id)
    if not mqtt.connected:  # a command kept back until the broker is there again would come too late
        raise BrokerError(f"the broker does not answer: {mqtt.last_error}")
    command = send_set_light(
        mqtt,
        topics,
        state,
        device,
        dim_level=new.dim_level,
        hold_s=new.duration_s,
        fade_s=settings.presence_fade_s if new.fade_s is None else new.fade_s,
        good_for_s=settings.command_expires_s,
        now=utc_now(),
    )
    response.headers["Location"] = f"/v1/commands/{command.command_id}"
    return CommandShown.model_validate(command)


@router.get("/v1/commands")
def list_commands(
    state: StateDep, municipality: MunicipalityQuery = None, limit: Limit = DEFAULT_LIMIT
) -> Items[CommandShown]:
    """List the newest commands of all reasons."""
    recent = state.commands.recent(limit, municipality)
    return Items(items=[CommandShown.model_validate(command) for command in recent], next_cursor=None)


@router.get("/v1/commands/{command_id}", responses=problems(404))
def get_command(command_id: IdPath, state: StateDep) -> CommandShown:
    """Give a command and what became of it."""
    return CommandShown.model_validate(state.commands.get(command_id))
