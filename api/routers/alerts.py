"""Alerts and their acknowledgement."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query

from api.dependencies import StateDep
from api.errors import problems
from api.filters import DeviceIdQuery, IdPath, MunicipalityQuery
from api.paging import PagingDep, page_of
from api.schemas.alert import Acknowledgement, AlertEventShown, AlertShown, show_alert
from api.schemas.fields import Items, RuleName, TimeIn
from core.alert import Alert, AlertState, Severity
from core.clock import format_rfc3339, utc_now
from state.alerts import AlertFilter
from state.state import State

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
    start: Annotated[TimeIn | None, Query(description="only started then or later")] = None,
    end: Annotated[TimeIn | None, Query(description="only started before then")] = None,
    muted: Annotated[bool | None, Query(description="only of devices in maintenance, or only of others")] = None,
) -> Items[AlertShown]:
    """List alerts, newest first."""
    wanted = AlertFilter(state, severity, municipality, device_id, rule, since=start, until=end, muted=muted)
    page = store.alerts.page(wanted, paging.limit, paging.cursor)
    return Items(items=_shown(page.items, store), next_cursor=page.next_cursor)


@router.get("/{alert_id}", responses=problems(404))
def get_alert(alert_id: IdPath, state: StateDep) -> AlertShown:
    """Give one alert."""
    (shown,) = _shown([state.alerts.get(alert_id)], state)
    return shown


@router.get("/{alert_id}/history", responses=problems(404))
def get_alert_history(alert_id: IdPath, state: StateDep, paging: PagingDep) -> Items[AlertEventShown]:
    """List what happened to an alert, in order of time: its states, and who acknowledged it with which words."""
    events = state.alerts.history(alert_id)
    page, cursor = page_of(events, lambda event: f"{format_rfc3339(event.at)} {event.state}", paging)
    return Items(items=[AlertEventShown.model_validate(event) for event in page], next_cursor=cursor)


@router.post("/{alert_id}/acknowledge", responses=problems(400, 404, 409, 413))
def acknowledge_alert(alert_id: IdPath, acknowledgement: Acknowledgement, state: StateDep) -> AlertShown:
    """Note that somebody has seen an alert and what they say about it."""
    by = acknowledgement.by or None
    alert = state.alerts.acknowledge(alert_id, comment=acknowledgement.comment, by=by, at=utc_now())
    (shown,) = _shown([alert], state)
    return shown


def _shown(alerts: Sequence[Alert], state: State) -> list[AlertShown]:
    muted = state.alerts.muted([alert.alert_id for alert in alerts])
    return [show_alert(alert, muted=alert.alert_id in muted) for alert in alerts]
