"""Lighting profiles and event nights of municipalities."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Path

from actions.lights.lighting_plan import municipal_profiles
from actions.lights.preview_profile import preview_profile
from api.dependencies import SettingsDep, StateDep, TodayDep
from api.errors import problems
from api.filters import DayQuery, MunicipalityPath
from api.paging import PagingDep, page_of
from api.schemas.fields import Items
from api.schemas.lighting import Event, EventShown, LightingName, ProfilePreviewShown, ProfileShown, show_preview
from core.errors import NotFoundError
from core.lighting import EventNights
from lights.catalogue import ProfileEntry, shipped_entries
from state.state import State

router = APIRouter(prefix="/v1/municipalities/{municipality}", tags=["lighting"])

ProfilePath = Annotated[LightingName, Path(description="the profile's name; `default` is the municipality's own")]
EventPath = Annotated[LightingName, Path(description="the event's name")]
_PROFILE: Final = "/lighting-profiles/{name}"
_EVENT: Final = "/event-nights/{name}"


@router.get("/lighting-profiles", responses=problems(404))
def list_lighting_profiles(municipality: MunicipalityPath, state: StateDep, paging: PagingDep) -> Items[ProfileShown]:
    """List the profiles that lamps of a municipality may follow: its own, and those that ship."""
    state.municipalities.get(municipality)
    shown = _profiles(state, municipality)
    page, cursor = page_of([shown[name] for name in sorted(shown)], lambda profile: profile.name, paging)
    return Items(items=page, next_cursor=cursor)


@router.get(_PROFILE, responses=problems(404))
def get_lighting_profile(municipality: MunicipalityPath, name: ProfilePath, state: StateDep) -> ProfileShown:
    """Give one profile."""
    state.municipalities.get(municipality)
    found = _profiles(state, municipality).get(name)
    if found is None:
        raise NotFoundError(f"no lighting profile {name!r} in municipality {municipality!r}, and none that ships")
    return found


@router.put(_PROFILE, responses=problems(400, 404, 409, 413))
def put_lighting_profile(
    municipality: MunicipalityPath, name: ProfilePath, profile: ProfileEntry, state: StateDep
) -> ProfileShown:
    """Set a municipality's profile as a whole; it covers a shipped one of its name, `default` is for all its lamps."""
    state.municipalities.get(municipality)
    state.lighting.put_profile(municipality, name, profile.model_dump(mode="json", exclude_unset=True))
    return ProfileShown(municipality=municipality, name=name, shipped=False, profile=profile)


@router.post(f"{_PROFILE}/preview", responses=problems(400, 404, 413))
def preview_lighting_profile(
    *,
    municipality: MunicipalityPath,
    name: ProfilePath,
    profile: ProfileEntry,
    state: StateDep,
    settings: SettingsDep,
    today: TodayDep,
    date: DayQuery = None,
) -> ProfilePreviewShown:
    """Preview a profile before it is saved: its night, how many lamps would follow it, what is hardly meant."""
    night = date or today
    preview = preview_profile(state, settings, municipality, name=name, entry=profile, night=night)
    return show_preview(preview, night, settings.zone)


@router.delete(_PROFILE, status_code=HTTPStatus.NO_CONTENT, responses=problems(404))
def delete_lighting_profile(municipality: MunicipalityPath, name: ProfilePath, state: StateDep) -> None:
    """Forget a municipality's profile: its lamps follow the shipped one of its name, or what is more general."""
    state.lighting.delete_profile(municipality, name)


@router.get("/event-nights", responses=problems(404))
def list_event_nights(municipality: MunicipalityPath, state: StateDep, paging: PagingDep) -> Items[EventShown]:
    """List the events of a municipality by their first night."""
    state.municipalities.get(municipality)
    events = [event for event in state.lighting.events() if event.municipality == municipality]
    page, cursor = page_of(events, lambda event: event.name, paging)
    return Items(items=[EventShown.model_validate(event) for event in page], next_cursor=cursor)


@router.put(_EVENT, responses=problems(400, 404, 409, 413))
def put_event_nights(municipality: MunicipalityPath, name: EventPath, event: Event, state: StateDep) -> EventShown:
    """Set the nights of an event: lamps have full light, unless their profile plans events otherwise."""
    state.municipalities.get(municipality)
    kept = EventNights(municipality=municipality, name=name, first=event.first, last=event.last)
    state.lighting.put_event(kept)
    return EventShown.model_validate(kept)


@router.delete(_EVENT, status_code=HTTPStatus.NO_CONTENT, responses=problems(404))
def delete_event_nights(municipality: MunicipalityPath, name: EventPath, state: StateDep) -> None:
    """Forget an event."""
    state.lighting.delete_event(municipality, name)


def _profiles(state: State, municipality: str) -> dict[str, ProfileShown]:
    shown = {
        name: ProfileShown(municipality=municipality, name=name, shipped=True, profile=entry)
        for name, entry in shipped_entries().items()
    }
    for (owner, name), entry in municipal_profiles(state).items():
        if owner == municipality:
            shown[name] = ProfileShown(municipality=municipality, name=name, shipped=False, profile=entry)
    return shown
