"""Reads the rule files of the device types and lays municipalities' overrides over them."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.alert import Severity
from core.device import DEFAULT_FILLING_THRESHOLD
from core.errors import InvalidInputError, NotFoundError, SettingsError
from core.quantity import CATALOGUE, Fault, Kind
from devices.base import DeviceType
from devices.registry import device_type_file, device_types
from rules.rule import FILLING_THRESHOLD, Action, Condition, Rule

_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
_PositiveSeconds = Annotated[float, Field(gt=0, le=366 * 86_400)]


class _RuleEntry(BaseModel):
    """One `[[rule]]` of a rule file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: _Name
    severity: Annotated[Severity, Field(strict=False)]
    summary: str
    summary_de: str
    quantity: str | None = None
    above: float | Literal["filling_threshold"] | None = None
    below: float | None = None
    hysteresis: Annotated[float, Field(ge=0)] = 0.0
    equals: bool | str | None = None
    contains: str | None = None
    silent_s: _PositiveSeconds | None = None
    for_s: Annotated[float, Field(ge=0, le=366 * 86_400)] = 0.0
    actions: list[Annotated[Action, Field(strict=False)]] = []

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        given = [
            name for name in ("above", "below", "equals", "contains", "silent_s") if getattr(self, name) is not None
        ]
        if len(given) != 1:
            raise ValueError("expected exactly one of above, below, equals, contains, silent_s")
        if (self.silent_s is None) == (self.quantity is None):
            raise ValueError("expected a quantity, or silent_s without one")
        return self


class _RuleFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rule: list[_RuleEntry] = []


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


def parse_rules(device_type: DeviceType, text: str) -> tuple[Rule, ...]:
    """Read the text of a device type's rule file.

    Raises:
        SettingsError: it is wrong; names file, rule and key.
    """
    file = f"devices/{device_type.name}/rules.toml"
    try:
        entries = _RuleFile.model_validate(tomllib.loads(text)).rule
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = " ".join(f"{part + 1}" if isinstance(part, int) else str(part) for part in first["loc"])
        raise SettingsError(f"{file}: {where}: {first['msg'].removeprefix('Value error, ')}") from error
    rules = tuple(_rule(device_type, entry, file) for entry in entries)
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"{file}: rule {name}: there are two of this name")
    return rules


def _rule(device_type: DeviceType, entry: _RuleEntry, file: str) -> Rule:
    where = f"{file}: rule {entry.name}"
    if entry.quantity is not None:
        if entry.quantity not in device_type.quantities:
            raise SettingsError(f"{where}: quantity: {entry.quantity} is none of a {device_type.name}")
        kind = CATALOGUE[entry.quantity].kind
        if (entry.above is not None or entry.below is not None) and kind not in (Kind.NUMBER, Kind.INTEGER):
            raise SettingsError(f"{where}: above and below need a number, {entry.quantity} is none")
        if entry.contains is not None and (kind is not Kind.FAULTS or entry.contains not in set(Fault)):
            raise SettingsError(f"{where}: contains: expected the quantity faults and the name of a fault")
    parameters: dict[str, float] = {}
    if entry.above is not None:
        condition = Condition.ABOVE
        parameters = {"hysteresis": entry.hysteresis}
        parameters["above"] = DEFAULT_FILLING_THRESHOLD if isinstance(entry.above, str) else entry.above
    elif entry.below is not None:
        condition, parameters = Condition.BELOW, {"below": entry.below, "hysteresis": entry.hysteresis}
    elif entry.silent_s is not None:
        condition, parameters = Condition.SILENT, {"silent_s": entry.silent_s}
    else:
        condition = Condition.CONTAINS if entry.contains is not None else Condition.EQUALS
    return Rule(
        name=entry.name,
        device_type=device_type.name,
        severity=entry.severity,
        summary=entry.summary,
        summary_de=entry.summary_de,
        condition=condition,
        quantity=entry.quantity,
        parameters=parameters,
        equals=entry.equals,
        contains=entry.contains,
        for_s=entry.for_s,
        actions=tuple(entry.actions),
        uses_filling_threshold=entry.above == FILLING_THRESHOLD,
    )


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
        InvalidInputError: the override has an unknown key or parameter, or a value of the wrong type.
    """
    if rule.uses_filling_threshold and filling_threshold is not None:
        rule = replace(rule, parameters={**rule.parameters, "above": filling_threshold})
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
        if name in ("hysteresis", "silent_s") and number < 0:
            raise InvalidInputError(f"override of rule {rule.name}: {name}: must not be negative")
    return replace(
        rule,
        enabled=rule.enabled if change.enabled is None else change.enabled,
        severity=change.severity or rule.severity,
        parameters={**rule.parameters, **change.parameters},
    )
