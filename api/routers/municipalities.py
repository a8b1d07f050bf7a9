"""Municipalities with their counts, and their settings."""

from collections import Counter
from dataclasses import replace

from fastapi import APIRouter

from actions.pickups.due import due_for
from api.dependencies import ReadingsDep, SettingsDep, StateDep, TodayDep
from api.errors import problems
from api.filters import MunicipalityPath
from api.paging import PagingDep, page_of
from api.schemas.fields import Items
from api.schemas.municipality import MunicipalityChange, MunicipalitySettings, MunicipalityShown
from core.clock import utc_now
from core.device import DisposalSite, Place, Vehicle

router = APIRouter(prefix="/v1/municipalities", tags=["municipalities"])


@router.get("")
def list_municipalities(
    state: StateDep, readings: ReadingsDep, settings: SettingsDep, today: TodayDep, paging: PagingDep
) -> Items[MunicipalityShown]:
    """List municipalities with how many devices, open alerts and bins due today they have."""
    devices: dict[str, Counter[str]] = {}
    for (municipality, device_type, _), count in state.devices.count_by_status().items():
        devices.setdefault(municipality, Counter())[device_type] += count
    alerts = state.alerts.count_open()
    due = Counter(bin_.municipality for bin_ in due_for(state, readings, None, today, settings.zone, now=utc_now()))
    page, cursor = page_of(state.municipalities.all(), lambda place: place.municipality, paging)
    shown = [
        MunicipalityShown(
            **MunicipalitySettings.model_validate(place).model_dump(),
            devices=devices.get(place.municipality, Counter()).total(),
            devices_by_type=dict(devices.get(place.municipality, {})),
            alerts=alerts.get(place.municipality, 0),
            bins_due=due[place.municipality],
        )
        for place in page
    ]
    return Items(items=shown, next_cursor=cursor)


@router.get("/{municipality}", responses=problems(404))
def get_municipality(municipality: MunicipalityPath, state: StateDep) -> MunicipalitySettings:
    """Give the settings of one municipality."""
    return MunicipalitySettings.model_validate(state.municipalities.get(municipality))


@router.patch("/{municipality}", responses=problems(400, 404, 413))
def change_municipality(
    municipality: MunicipalityPath, change: MunicipalityChange, state: StateDep
) -> MunicipalitySettings:
    """Change settings of a municipality: from which level bins are due, when the day is planned, depot, vehicles."""
    changes = change.model_dump(exclude_unset=True)
    if changes.get("depot"):
        changes["depot"] = Place(**changes["depot"])
    for name, kind in (("disposal_sites", DisposalSite), ("vehicles", Vehicle)):
        if name in changes:
            changes[name] = tuple(
                kind(**(given | {"waste_kinds": tuple(given.get("waste_kinds", ()))})) for given in changes[name]
            )
    for name in ("collection_days", "replanning_hours"):
        if name in changes:
            changes[name] = tuple(sorted(set(changes[name])))
    if "planned_with" in changes:
        for partner in changes["planned_with"]:
            state.municipalities.get(partner)
        changes["planned_with"] = tuple(sorted(set(changes["planned_with"]) - {municipality}))
    changed = state.municipalities.change(municipality, lambda kept: replace(kept, **changes))
    return MunicipalitySettings.model_validate(changed)
