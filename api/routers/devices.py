"""The registry of devices."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.exceptions import HTTPException

from actions.register_devices import change_registered_device, odd_among, register_device, register_devices
from api.dependencies import ReadingsDep, StateDep
from api.errors import problems
from api.filters import DeviceFilterDep, DeviceIdPath
from api.paging import PagingDep
from api.schemas.device import DeviceChange, DeviceShown, Imported, NewDevice
from api.schemas.fields import Items
from core.clock import utc_now
from core.errors import InvalidInputError
from devices.files import parse_devices

router = APIRouter(prefix="/v1/devices", tags=["devices"])

IMPORT_PATH = "/v1/devices/import"
_FILE_TYPES: Final = ("text/csv", "application/geo+json", "application/json")
_FILE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string" if kind == "text/csv" else "object"}} for kind in _FILE_TYPES},
    }
}


@router.get("")
def list_devices(state: StateDep, paging: PagingDep, wanted: DeviceFilterDep) -> Items[DeviceShown]:
    """List devices by id."""
    page = state.devices.page(wanted, paging.limit, paging.cursor)
    return Items(items=[DeviceShown.model_validate(device) for device in page.items], next_cursor=page.next_cursor)


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    responses=problems(400, 409, 413) | {201: {"headers": {"Location": {"schema": {"type": "string"}}}}},
)
def add_device(new: NewDevice, state: StateDep, response: Response) -> DeviceShown:
    """Register a device; its municipality is made when it is not known yet."""
    added = register_device(state, new.device())
    response.headers["Location"] = f"/v1/devices/{added.device_id}"
    return DeviceShown.model_validate(added)


async def _body(request: Request) -> bytes:
    return await request.body()


@router.post(
    "/import", responses=problems(400, 413, 415), openapi_extra=_FILE_BODY, response_model_exclude_defaults=True
)
def import_devices(request: Request, body: Annotated[bytes, Depends(_body)], state: StateDep) -> Imported:
    """Add or replace the devices of a CSV or GeoJSON file (at most 10 MiB): all, or none with every bad row named."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _FILE_TYPES:
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type: expected one of {', '.join(_FILE_TYPES)}."
        )
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"the file is not UTF-8: {error.reason} at byte {error.start}") from error
    found = parse_devices(text, media_type)
    register_devices(state, found)
    return Imported(imported=len(found), odd_positions=odd_among(state, found))


@router.get("/{device_id}", responses=problems(404))
def get_device(device_id: DeviceIdPath, state: StateDep) -> DeviceShown:
    """Give one device."""
    return DeviceShown.model_validate(state.devices.get(device_id))


@router.patch("/{device_id}", responses=problems(400, 404, 413))
def change_device(device_id: DeviceIdPath, change: DeviceChange, state: StateDep) -> DeviceShown:
    """Change a device: what is missing stays, attributes are merged, null removes one."""
    return DeviceShown.model_validate(change_registered_device(state, device_id, change.applied_to))


@router.delete("/{device_id}", status_code=HTTPStatus.NO_CONTENT, responses=problems(404))
def delete_device(
    device_id: DeviceIdPath,
    state: StateDep,
    store: ReadingsDep,
    readings: Annotated[bool, Query(description="delete its readings too (data protection)")] = False,  # noqa: FBT002 - a query parameter
) -> None:
    """Forget a device; its readings stay unless asked for."""
    state.devices.get(device_id)
    if readings:  # first: should this fail, the device is still there and the request can be repeated
        state.erasures.note(device_id, utc_now())  # what ingest has spooled must not come after
        store.delete(device_id=device_id)
    state.devices.delete(device_id)
