"""Alerts and their acknowledgement."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.dependencies import StateDep
from api.errors import problems
from api.filters import DeviceIdQuery, IdPath, MunicipalityQuery
from api.paging import PagingDep
from api.schemas.alert import Acknowledgement, AlertShown
from api.schemas.fields import Items, RuleName
from core.alert import AlertState, Severity
from core.clock import utc_now
from storage.alerts import AlertFilter

router = APIRouter(prefix="/v1/alerts", tags=["alerts"])


@router.get("")
def list_alerts(
    *,
    store: StateDep,
    paging: PagingDep,
    state: Annotated[AlertState | None, Query(description="only in this state")] = None,
    severity: Annotated[Severity | None, Query(description="only of this severity")] = None,
    municipality: MunicipalityQuery = None,
    device_id: DeviceIdQuery = None,
    rule: Annotated[RuleName | None, Query(description="only of this rule")] = None,
) -> Items[AlertShown]:
    """List alerts, newest first."""
    page = store.alerts.page(AlertFilter(state, severity, municipality, device_id, rule), paging.limit, paging.cursor)
    return Items(items=[AlertShown.model_validate(alert) for alert in page.items], next_cursor=page.next_cursor)


@router.get("/{alert_id}", responses=problems(404))
def get_alert(alert_id: IdPath, state: StateDep) -> AlertShown:
    """Give one alert."""
    return AlertShown.model_validate(state.alerts.get(alert_id))


@router.post("/{alert_id}/acknowledge", responses=problems(400, 404, 409, 413))
def acknowledge_alert(alert_id: IdPath, acknowledgement: Acknowledgement, state: StateDep) -> AlertShown:
    """Note that somebody has seen an alert and what they say about it."""
    alert = state.alerts.acknowledge(
        alert_id, comment=acknowledgement.comment, by=acknowledgement.by or "", at=utc_now()
    )
    return AlertShown.model_validate(alert)
