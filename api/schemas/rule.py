"""Rules as the API gives them, and what a municipality may change of them."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from api.schemas.alert import AlertShown
from api.schemas.fields import Body, DeviceTypeName, Interval, Shown, Slug, TimeOut
from core.alert import Severity
from rules.rule import Action, Rule, RuleKind
from rules.rule_entry import RuleEntry

ParameterName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Parameter = Annotated[float, Field(allow_inf_nan=False)]


class Override(Body):
    """What is different in this municipality; what is missing stays as shipped."""

    enabled: bool | None = None
    severity: Annotated[Severity, Field(strict=False)] | None = None
    parameters: Annotated[dict[ParameterName, Parameter], Field(max_length=16)] = Field({}, examples=[{"above": 0.7}])


class TrialAsked(Body):
    """Rules to try on what devices have said; written as in a rule file."""

    device_type: DeviceTypeName
    rules: Annotated[list[RuleEntry], Field(min_length=1, max_length=50)] = Field(
        examples=[
            [
                {
                    "name": "bin_nearly_full",
                    "severity": "info",
                    "summary": "{name} is {value:.0%} full",
                    "summary_de": "{name} ist zu {value:.0%} voll",
                    "quantity": "filling_level",
                    "above": 0.7,
                    "hysteresis": 0.1,
                }
            ]
        ]
    )
    municipality: Slug | None = Field(None, description="only its devices")
    since: Interval = Field(timedelta(days=30), description="how far back, an ISO 8601 duration", examples=["P30D"])


class TrialShown(BaseModel):
    """What rules would have raised. Nothing of it is kept."""

    alerts: list[AlertShown] = Field(description="those that fired, in this order and in their last state")
    by_rule: dict[str, int]
    devices: int = Field(description="how many said something")
    readings: int = Field(description="how many were judged")
    start: TimeOut
    end: TimeOut = Field(description="until when was judged")
    complete: bool = Field(
        description="false: so many readings or alerts, or the time for an answer, ended it at `end`"
    )


class RuleShown(Shown):
    """A rule as it holds, in a municipality or as shipped."""

    name: str = Field(examples=["bin_full"])
    device_type: str = Field(examples=["waste_bin"])
    municipality: Slug | None = Field(description="where it holds so; null: as shipped")
    enabled: bool
    severity: Severity
    summary: str = Field(examples=["{name} is {value:.0%} full"])
    summary_de: str = Field(examples=["{name} ist zu {value:.0%} voll"])
    condition: RuleKind
    quantity: str | None = Field(examples=["filling_level"])
    equals: bool | float | str | None = None
    contains: str | None = None
    for_s: float = Field(description="how long the condition must hold before the alert fires, in seconds")
    parameters: dict[str, float] = Field(description="the numbers that a municipality may change")
    for_reports: int = Field(description="in how many reports in a row the condition must hold before the alert fires")
    keep_firing_s: float = Field(description="what comes back within so many seconds is the same alert")
    given: dict[str, Any] | None = Field(description="a reading for which this does not hold is not judged")
    when: dict[str, Any] | None = Field(description="the condition; a text in place of a number names a parameter")
    clear: dict[str, Any] | None = Field(
        description="when the alert resolves; null: when the condition no longer holds"
    )
    group_by: str | None = Field(description="one alert for all devices with the same value of this attribute")
    explains: list[str] = Field(description="rules that raise nothing while the alert of the group is open")
    actions: list[Action]
    overridden: bool = Field(description="the municipality has changed it")


def show_rule(rule: Rule, *, municipality: str | None, overridden: bool) -> RuleShown:
    """A rule as the API gives it."""
    return RuleShown(
        name=rule.name,
        device_type=rule.device_type,
        municipality=municipality,
        enabled=rule.enabled,
        severity=rule.severity,
        summary=rule.summary,
        summary_de=rule.summary_de,
        condition=rule.kind,
        quantity=rule.quantity,
        equals=rule.equals,
        contains=rule.contains,
        for_s=rule.for_s,
        parameters=dict(rule.parameters),
        for_reports=rule.for_reports,
        keep_firing_s=rule.keep_firing_s,
        given=rule.definition.get("given"),
        when=rule.definition.get("when"),
        clear=rule.definition.get("clear"),
        group_by=rule.group.attribute if rule.group else None,
        explains=list(rule.group.rules) if rule.group else [],
        actions=list(rule.actions),
        overridden=overridden,
    )
