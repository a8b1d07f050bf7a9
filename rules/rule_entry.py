"""The shape of rule files, as pydantic checks it; the same entries are what the API takes to try rules."""

from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.alert import Severity
from rules.rule import Action

LONGEST_S: Final = 366 * 86_400.0
MOST_PARTS: Final = 32
"""Comparisons in one rule."""
COMPARISONS: Final = ("above", "below", "equals", "contains")
OWN_PARAMETERS: Final = (
    "for_s",
    "for_reports",
    "keep_firing_s",
    "silent_s",
    "silent_reports",
    "unresponsive_s",
    "at_least",
    "share",
)
"""Numbers of a rule that are parameters of their own names."""

RuleName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
_Number = Annotated[float, Field(allow_inf_nan=False)]
_Limit = _Number | RuleName
_Text = Annotated[str, Field(min_length=1, max_length=300)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class OperandEntry(_Entry):
    """A value: exactly one of a quantity, an attribute of the device, and a derived value."""

    quantity: str | None = None
    attribute: str | None = None
    derived: str | None = None
    of: str | None = None
    over_s: _Limit | None = None


class ConditionEntry(OperandEntry):
    """A comparison, or parts joined by `all`, `any` or `not`."""

    above: _Limit | None = None
    below: _Limit | None = None
    hysteresis: _Limit | None = None
    equals: bool | _Number | str | None = None
    contains: str | list[str] | None = None
    all: Annotated[list["ConditionEntry"], Field(min_length=1, max_length=MOST_PARTS)] | None = None
    any: Annotated[list["ConditionEntry"], Field(min_length=1, max_length=MOST_PARTS)] | None = None
    not_: Annotated["ConditionEntry | None", Field(alias="not")] = None


class RuleEntry(ConditionEntry):
    """One `[[rule]]` of a rule file. A comparison may stand in the rule itself instead of in `when`."""

    name: RuleName
    severity: Annotated[Severity, Field(strict=False)]
    summary: _Text
    summary_de: _Text
    when: ConditionEntry | None = None
    given: ConditionEntry | None = None
    clear: ConditionEntry | None = None
    value: OperandEntry | None = None
    silent_s: Annotated[float, Field(gt=0, le=LONGEST_S)] | None = None
    silent_reports: Annotated[float, Field(ge=1, le=1000)] | None = None
    unresponsive_s: Annotated[float, Field(ge=0, le=LONGEST_S)] | None = None
    group_by: str | None = None
    explains: Annotated[list[RuleName], Field(min_length=1)] | None = None
    at_least: Annotated[int, Field(ge=2)] | None = None
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    for_s: Annotated[float, Field(ge=0, le=LONGEST_S)] | None = None
    for_reports: Annotated[int, Field(ge=1, le=1000)] | None = None
    keep_firing_s: Annotated[float, Field(ge=0, le=LONGEST_S)] | None = None
    parameters: dict[RuleName, _Number] = {}
    actions: list[Annotated[Action, Field(strict=False)]] = []

    @model_validator(mode="after")
    def _one_way_to_judge(self) -> Self:
        here = [name for name in COMPARISONS if getattr(self, name) is not None]
        ways = [
            *here,
            *(way for way in ("silent_s", "unresponsive_s", "when", "group_by") if getattr(self, way) is not None),
        ]
        if len(ways) != 1:
            raise ValueError(
                "expected exactly one of above, below, equals, contains, silent_s, unresponsive_s, when, group_by"
            )
        if (self.group_by is None) != (self.explains is None):
            raise ValueError("group_by and explains belong together")
        return self


class RuleFile(_Entry):
    """A whole file; `device_type` is only needed where the place of the file does not say it."""

    device_type: str | None = None
    rule: Annotated[list[RuleEntry], Field(max_length=200)] = []
