"""A rule: when to look, when it is wrong, when it is right again, and what to do then."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from core.alert import Severity
from core.quantity import Value
from rules.condition import Above, Below, Comparison, Condition, Contains, Equals, Kind, Operand, comparisons

SILENT_REPORTS: Final = 3.0
"""How many reports must be missing before a device counts as silent, where the rule does not say (chosen)."""


class RuleKind(StrEnum):
    """How a rule judges."""

    ABOVE = "above"
    BELOW = "below"
    EQUALS = "equals"
    CONTAINS = "contains"
    SILENT = "silent"
    """Nothing has come from the device for `silent_s` seconds and `silent_reports` of its intervals."""
    UNRESPONSIVE = "unresponsive"
    """Light control has given the lamp up: it has answered no command, however often repeated."""
    COMPOSED = "composed"
    """A tree of comparisons."""
    GROUP = "group"
    """Many devices that share an attribute have what other rules find, at once."""


class Action(StrEnum):
    """What is done when an alert of the rule fires (and undone when it resolves)."""

    REQUEST_PICKUP = "request_pickup"


@dataclass(frozen=True, slots=True)
class Group:
    """The devices with the same value of `attribute`, and the rules whose alerts one alert of the group replaces."""

    attribute: str
    rules: tuple[str, ...]


_KINDS: Final = {
    Above: RuleKind.ABOVE,
    Below: RuleKind.BELOW,
    Equals: RuleKind.EQUALS,
    Contains: RuleKind.CONTAINS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of one device type, with the numbers that a municipality may change in `parameters`.

    Exactly one of `when`, `silent`, `unresponsive` and `group` says what it looks for.
    """

    name: str
    device_type: str
    severity: Severity
    summary: str
    summary_de: str
    when: Condition | None = None
    given: Condition | None = None
    """A reading for which this does not hold is not judged: an open alert stays, a pending one is not counted on."""
    clear: Condition | None = None
    """When an open alert resolves; None: when `when` no longer holds."""
    value: Operand | None = None
    """What an alert shows as its value."""
    silent: bool = False
    unresponsive: bool = False
    group: Group | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)
    actions: tuple[Action, ...] = ()
    enabled: bool = True
    filling_threshold: str | None = None
    """The parameter that is the municipality's filling threshold unless overridden."""
    definition: Mapping[str, Any] = field(default_factory=dict)
    """`given`, `when` and `clear` as the rule file has them."""

    @property
    def kind(self) -> RuleKind:
        """How it judges, in a word."""
        if self.silent:
            return RuleKind.SILENT
        if self.unresponsive:
            return RuleKind.UNRESPONSIVE
        if self.group is not None:
            return RuleKind.GROUP
        leaf = self._only_comparison
        return RuleKind.COMPOSED if leaf is None else _KINDS[type(leaf)]

    @property
    def quantity(self) -> str | None:
        """The quantity of a rule that compares just one, or what is derived of just one."""
        leaf = self._only_comparison
        quantities = leaf.operand.quantities() if leaf is not None else frozenset()
        return min(quantities) if len(quantities) == 1 else None

    @property
    def equals(self) -> Value | None:
        """What a rule that compares just one quantity wants it to be."""
        leaf = self._only_comparison
        return leaf.value if isinstance(leaf, Equals) else None

    @property
    def contains(self) -> str | None:
        """The fault that a rule about just one looks for."""
        leaf = self._only_comparison
        return min(leaf.faults) if isinstance(leaf, Contains) and len(leaf.faults) == 1 else None

    @property
    def for_s(self) -> float:
        """How long the condition must hold before the alert fires, in seconds of observed time."""
        return self.parameters.get("for_s", 0.0)

    @property
    def for_reports(self) -> int:
        """In how many judged reports in a row the condition must hold before the alert fires."""
        return int(self.parameters.get("for_reports", 1))

    @property
    def keep_firing_s(self) -> float:
        """How long it must not hold before the alert resolves: what comes back sooner is the same alert."""
        return self.parameters.get("keep_firing_s", 0.0)

    def quantities(self) -> frozenset[str]:
        """A reading that has none of these is not looked at."""
        if self.when is None:
            return frozenset()
        return frozenset().union(*(leaf.operand.quantities() for leaf in comparisons(self.when)))

    def needed(self) -> frozenset[str] | None:
        """All quantities that can change what it says; None: every word of a device can."""
        if self.silent or self.unresponsive or self.group is not None:
            return None
        operands = [self.value] if self.value else []
        for condition in (self.given, self.when, self.clear):
            if condition is not None:
                operands += [leaf.operand for leaf in comparisons(condition)]
        is_derived = any(operand.kind is Kind.DERIVED for operand in operands)
        presence = frozenset({"presence", "presence_count"} if is_derived else ())
        return presence.union(*(operand.quantities() for operand in operands))

    @property
    def _only_comparison(self) -> Comparison | None:
        return self.when if isinstance(self.when, Above | Below | Equals | Contains) else None
