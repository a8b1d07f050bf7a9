"""Alerts as the API gives them."""

from typing import Annotated

from pydantic import Field

from api.schemas.fields import Body, DeviceId, Line, Shown, Slug, Text, TimeOut
from core.alert import Alert, AlertState, Severity


class Acknowledgement(Body):
    """Somebody has seen an alert."""

    comment: Annotated[Text, Field(min_length=1)] = Field(examples=["Lamp ordered, comes on Tuesday"])
    by: Line | None = Field(None, description="who", examples=["Bauhof Marburg"])


class AlertShown(Shown):
    """What a rule found, and where in its life it stands."""

    alert_id: str
    rule: str = Field(examples=["bin_full"])
    device_id: DeviceId
    device_type: str = Field(examples=["waste_bin"])
    municipality: Slug
    severity: Severity
    state: AlertState
    summary: str = Field(examples=["Marktplatz 4 is 92% full"])
    value: float | None
    started_at: TimeOut = Field(description="when the condition became true")
    fired_at: TimeOut | None
    resolved_at: TimeOut | None
    acknowledged_at: TimeOut | None
    acknowledged_by: str | None
    comment: str | None
    summary_de: str | None = Field(description="the summary in German")
    circuit: str | None = Field(
        description="the circuit that the alert is about as a whole; `device_id` is then the lamp by which it was found"
    )
    muted: bool = Field(description="the device is in maintenance: nobody is notified, and no new alert begins")


class AlertEventShown(Shown):
    """An alert got into a state, or was acknowledged once more."""

    at: TimeOut
    state: AlertState
    by: str | None = Field(description="who acknowledged, as far as they said")
    comment: str | None


def show_alert(alert: Alert, *, muted: bool) -> AlertShown:
    """An alert as the API gives it."""
    fields = AlertShown.model_fields.keys() - {"muted"}
    return AlertShown.model_validate({name: getattr(alert, name) for name in fields} | {"muted": muted})
