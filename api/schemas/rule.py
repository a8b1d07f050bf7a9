"""Rules as the API gives them, and what a municipality may change of them."""

from typing import Annotated

from pydantic import Field, StringConstraints

from api.schemas.fields import Body, Shown, Slug
from core.alert import Severity
from rules.rule import Action, Condition, Rule

ParameterName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Parameter = Annotated[float, Field(allow_inf_nan=False)]


class Override(Body):
    """What is different in this municipality; what is missing stays as shipped."""

    enabled: bool | None = None
    severity: Annotated[Severity, Field(strict=False)] | None = None
    parameters: Annotated[dict[ParameterName, Parameter], Field(max_length=16)] = Field({}, examples=[{"above": 0.7}])


class RuleShown(Shown):
    """A rule as it holds, in a municipality or as shipped."""

    name: str = Field(examples=["bin_full"])
    device_type: str = Field(examples=["waste_bin"])
    municipality: Slug | None = Field(description="where it holds so; null: as shipped")
    enabled: bool
    severity: Severity
    summary: str = Field(examples=["{name} is {value:.0%} full"])
    summary_de: str = Field(examples=["{name} ist zu {value:.0%} voll"])
    condition: Condition
    quantity: str | None = Field(examples=["filling_level"])
    equals: bool | float | str | None = None
    contains: str | None = None
    for_s: float = Field(description="how long the condition must hold before the alert fires, in seconds")
    parameters: dict[str, float] = Field(description="the numbers that a municipality may change")
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
        condition=rule.condition,
        quantity=rule.quantity,
        equals=rule.equals,
        contains=rule.contains,
        for_s=rule.for_s,
        parameters=dict(rule.parameters),
        actions=list(rule.actions),
        overridden=overridden,
    )
