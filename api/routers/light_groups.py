"""Groups of lamps, and the preview of their nights."""

from http import HTTPStatus
from typing import Annotated, Final
from uuid import uuid4

from fastapi import APIRouter, Path, Response

from actions.lights.lighting_plan import read_lighting_plan
from actions.lights.override_group import plan_group_override, send_group_override
from api.dependencies import MqttDep, SettingsDep, StateDep, TodayDep, TopicsDep
from api.errors import problems
from api.filters import DayQuery, MunicipalityQuery
from api.paging import PagingDep
from api.schemas.fields import Id, Items
from api.schemas.lighting import (
    GroupMembers,
    GroupShown,
    LevelShown,
    NewGroup,
    NewOverride,
    NightShown,
    OverrideShown,
    PresenceShown,
    show_override,
    show_sun,
)
from core.clock import utc_now
from core.command import Command
from core.device import Device
from core.errors import BrokerError, InvalidInputError
from core.lighting import LightGroup
from lights.assignment import LightingPlan, group_schedule, schedules
from lights.catalogue import shipped_profiles
from state.devices import DeviceFilter
from state.state import State

router = APIRouter(prefix="/v1/light-groups", tags=["lighting"])

GroupPath = Annotated[Id, Path(description="the group's id")]
MAX_NAMED: Final = 5
"""How many wrong members an error names."""


@router.get("")
def list_light_groups(state: StateDep, paging: PagingDep, municipality: MunicipalityQuery = None) -> Items[GroupShown]:
    """List groups of lamps by id."""
    page = state.lighting.page_groups(municipality, paging.limit, paging.cursor)
    return Items(items=[GroupShown.model_validate(group) for group in page.items], next_cursor=page.next_cursor)


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    responses=problems(400, 404, 409, 413) | {201: {"headers": {"Location": {"schema": {"type": "string"}}}}},
)
def add_light_group(new: NewGroup, state: StateDep, response: Response) -> GroupShown:
    """Make a group of lamps."""
    state.municipalities.get(new.municipality)
    group = new.group(uuid4().hex, new.municipality)
    _check(group, state)
    state.lighting.add_group(group)
    response.headers["Location"] = f"/v1/light-groups/{group.light_group_id}"
    return GroupShown.model_validate(group)


@router.get("/{light_group_id}", responses=problems(404))
def get_light_group(light_group_id: GroupPath, state: StateDep) -> GroupShown:
    """Give one group."""
    return GroupShown.model_validate(state.lighting.group(light_group_id))


@router.put("/{light_group_id}", responses=problems(400, 404, 413))
def put_light_group(light_group_id: GroupPath, members: GroupMembers, state: StateDep) -> GroupShown:
    """Replace a group as a whole; its municipality stays."""
    group = members.group(light_group_id, state.lighting.group(light_group_id).municipality)
    _check(group, state)
    state.lighting.put_group(group)
    return GroupShown.model_validate(group)


@router.delete("/{light_group_id}", status_code=HTTPStatus.NO_CONTENT, responses=problems(404))
def delete_light_group(light_group_id: GroupPath, state: StateDep) -> None:
    """Forget a group: its lamps follow what is more general."""
    state.lighting.delete_group(light_group_id)


@router.get("/{light_group_id}/schedule", responses=problems(404))
def preview_schedule(
    light_group_id: GroupPath, state: StateDep, settings: SettingsDep, today: TodayDep, date: DayQuery = None
) -> NightShown:
    """Preview the night that begins on a day: the levels with their instants, before anything is sent."""
    group = state.lighting.group(light_group_id)
    plan = read_lighting_plan(state, settings)
    lamps = [lamp for lamp in _lamps(state, group.municipality) if group.includes(lamp)]
    schedule = group_schedule(group, plan, lamps)
    night, presence = date or today, schedule.profile.presence
    return NightShown(
        light_group_id=light_group_id,
        date=night,
        kind=schedule.calendar.kind(night),
        lighting_profile=schedule.profile.name,
        presence=None if presence is None else PresenceShown.model_validate(presence),
        sun=show_sun(schedule.sun(night)),
        levels=[LevelShown.model_validate(level) for level in schedule.night(night)],
        lamps=len(lamps),
        lamps_with_another_profile=_others(lamps, plan, schedule.profile.name),
    )


@router.post("/{light_group_id}/override", responses=problems(400, 404, 413))
def override_group(
    *,
    light_group_id: GroupPath,
    new: NewOverride,
    state: StateDep,
    mqtt: MqttDep,
    topics: TopicsDep,
    settings: SettingsDep,
) -> OverrideShown:
    """Override all lamps of a group, or only say which lamps would show which level until when (`dry_run`)."""
    now = utc_now()
    planned = plan_group_override(
        state, settings, light_group_id, dim_level=new.dim_level, duration_s=new.duration_s, now=now
    )
    commands: list[Command] = []
    if not new.dry_run:
        if not mqtt.connected:  # commands kept back until the broker is there again would come too late
            raise BrokerError(f"the broker does not answer: {mqtt.last_error}")
        fade_s = settings.presence_fade_s if new.fade_s is None else new.fade_s
        good_for_s = settings.command_expires_s
        commands = send_group_override(mqtt, topics, state, planned, fade_s=fade_s, good_for_s=good_for_s, now=now)
    return show_override(light_group_id, planned.override, commands, dry_run=new.dry_run)


def _others(lamps: list[Device], plan: LightingPlan, name: str) -> int:
    return sum(schedule.profile.name != name for schedule in schedules(lamps, plan).values())


def _lamps(state: State, municipality: str) -> list[Device]:
    return state.devices.all(DeviceFilter(municipality=municipality, device_type="streetlight"))


def _check(group: LightGroup, state: State) -> None:
    if group.device_ids:
        known = {lamp.device_id for lamp in _lamps(state, group.municipality)}
        wrong = sorted(group.device_ids - known)
        if wrong:
            more = f" and {len(wrong) - MAX_NAMED} more" if len(wrong) > MAX_NAMED else ""
            named = ", ".join(wrong[:MAX_NAMED])
            raise InvalidInputError(f"device_ids: no streetlight of {group.municipality}: {named}{more}")
    name = group.lighting_profile
    if name is not None and name not in shipped_profiles():
        own = sorted(profile for owner, profile in state.lighting.profiles() if owner == group.municipality)
        if name not in own:
            known_names = ", ".join([*own, *sorted(shipped_profiles())])
            raise InvalidInputError(f"lighting_profile {name!r} is none of {known_names}")
