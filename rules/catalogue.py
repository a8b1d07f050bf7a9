"""The rules that ship with the device types, and as they hold in a municipality."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.alert import Severity
from core.errors import InvalidInputError, NotFoundError
from devices.registry import device_type_file, device_types
from rules.rule import Rule
from rules.rule_file import parse_rules

_AT_LEAST_ONE: Final = frozenset({"for_reports", "silent_reports", "at_least"})


class RuleOverride(BaseModel):
    """What a municipality may change of a rule; what is missing stays as it is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    enabled: bool | None = None
    severity: Annotated[Severity | None, Field(strict=False)] = None
    parameters: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = {}


@cache
def load_rules() -> Mapping[str, tuple[Rule, ...]]:
    """The shipped rules by device type.

    Raises:
        SettingsError: a rule file is wrong; names file, rule and key.
    """
    return MappingProxyType(
        {name: parse_rules(device_type, _text_of(name)) for name, device_type in device_types().items()}
    )


def _text_of(device_type: str) -> str:
    return device_type_file(device_type, "rules.toml").read_text(encoding="utf-8")


def rule_named(name: str) -> list[Rule]:
    """The rules of this name, one per device type that has it.

    Raises:
        NotFoundError: there is none.
    """
    found = [rule for rules in load_rules().values() for rule in rules if rule.name == name]
    if not found:
        raise NotFoundError(f"unknown rule {ascii(name)[:80]}")
    return found


def effective_rule(rule: Rule, override: Mapping[str, object], *, filling_threshold: float | None = None) -> Rule:
    """The rule as it holds in a municipality: its filling threshold, then its override, laid over the shipped rule.

    Raises:
        InvalidInputError: the override has an unknown key or parameter, or a value of the wrong type or range.
    """
    if rule.filling_threshold is not None and filling_threshold is not None:
        rule = replace(rule, parameters={**rule.parameters, rule.filling_threshold: filling_threshold})
    if not override:
        return rule
    try:
        change = RuleOverride.model_validate(override)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInputError(f"override of rule {rule.name}: {where}: {first['msg']}") from error
    for name, number in change.parameters.items():
        if name not in rule.parameters:
            known = ", ".join(sorted(rule.parameters)) or "none"
            raise InvalidInputError(
                f"override of rule {rule.name}: unknown parameter {ascii(name)[:80]}; known: {known}"
            )
        if (why := _out_of_range(name, number)) is not None:
            raise InvalidInputError(f"override of rule {rule.name}: {name}: {why}")
    return replace(
        rule,
        enabled=rule.enabled if change.enabled is None else change.enabled,
        severity=change.severity or rule.severity,
        parameters={**rule.parameters, **change.parameters},
    )


def _out_of_range(name: str, number: float) -> str | None:
    if name in _AT_LEAST_ONE and number < 1:
        return "must be at least 1"
    if name == "share" and not 0 < number <= 1:
        return "must be above 0 and at most 1"
    if name.endswith(("hysteresis", "_s")) and number < 0:
        return "must not be negative"
    return None
