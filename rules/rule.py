"""A rule: what to look at, when it is wrong, when it is right again, and what to do then."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from core.alert import Severity
from core.quantity import Value, split_faults


class Condition(StrEnum):
    """How a rule judges; the parameters each one has stand beside it."""

    ABOVE = "above"
    """`above`, `hysteresis`: true from `above` on, false again below `above - hysteresis`."""
    BELOW = "below"
    """`below`, `hysteresis`: true at `below` and less, false again above `below + hysteresis`."""
    EQUALS = "equals"
    CONTAINS = "contains"
    SILENT = "silent"
    """`silent_s`: nothing has come from the device for so many seconds."""


class Action(StrEnum):
    """What is done when an alert of the rule fires (and undone when it resolves)."""

    REQUEST_PICKUP = "request_pickup"


FILLING_THRESHOLD = "filling_threshold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of one device type, with the numbers that a municipality may change in `parameters`."""

    name: str
    device_type: str
    severity: Severity
    summary: str
    summary_de: str
    condition: Condition
    quantity: str | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)
    equals: Value | None = None
    contains: str | None = None
    for_s: float = 0.0
    """How long the condition must hold before the alert fires, in seconds of observed time."""
    actions: tuple[Action, ...] = ()
    enabled: bool = True
    uses_filling_threshold: bool = False
    """`above` is the municipality's filling threshold unless overridden."""

    def is_met(self, value: Value, *, met_before: bool) -> bool:
        """Whether the condition holds for a value; `met_before` decides within the hysteresis."""
        match self.condition:
            case Condition.ABOVE:
                limit = self.parameters["above"]
                return float(value) >= (limit - self.parameters["hysteresis"] if met_before else limit)
            case Condition.BELOW:
                limit = self.parameters["below"]
                return float(value) <= (limit + self.parameters["hysteresis"] if met_before else limit)
            case Condition.EQUALS:
                return value == self.equals
            case Condition.CONTAINS:
                return self.contains in split_faults(str(value))
            case Condition.SILENT:
                return False
