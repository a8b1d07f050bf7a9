"""Reads rule files (TOML): structured conditions, checked against the catalogue; nothing in them is ever evaluated."""

import re
import string
import tomllib
from typing import Any, Final, Never

from pydantic import ValidationError

from core.device import DEFAULT_FILLING_THRESHOLD
from core.errors import SettingsError
from core.quantity import CATALOGUE, Fault
from core.quantity import Kind as QuantityKind
from devices.base import DeviceType
from rules.condition import (
    Above,
    AllOf,
    AnyOf,
    Below,
    Comparison,
    Condition,
    Contains,
    Equals,
    Kind,
    Not,
    Number,
    Operand,
    comparisons,
)
from rules.derived import DERIVED
from rules.rule import SILENT_REPORTS, Group, Rule
from rules.rule_entry import (
    COMPARISONS,
    MOST_PARTS,
    OWN_PARAMETERS,
    ConditionEntry,
    OperandEntry,
    RuleEntry,
    RuleFile,
)

FILLING_THRESHOLD: Final = "filling_threshold"
"""Where a limit is this text, it is the municipality's own."""
_FIELDS: Final = frozenset({"name", "value", "since", "count", "members", "circuit"})
_FORMAT: Final = re.compile(r"(\.\d)?[%fg]?")


def parse_rules(device_type: DeviceType, text: str, file: str = "") -> tuple[Rule, ...]:
    """Read the text of a rule file; `file` is what errors call it (default: the device type's own).

    Raises:
        SettingsError: it is wrong; names file, rule and key.
    """
    file = file or f"devices/{device_type.name}/rules.toml"
    return build_rules(device_type, read_rule_file(text, file).rule, file)


def read_rule_file(text: str, file: str) -> RuleFile:
    """Read TOML and check its shape.

    Raises:
        SettingsError: it is wrong; names file, rule and key.
    """
    try:
        return RuleFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = " ".join(f"{part + 1}" if isinstance(part, int) else str(part) for part in first["loc"])
        raise SettingsError(f"{file}: {where}: {first['msg'].removeprefix('Value error, ')}") from error


def build_rules(device_type: DeviceType, entries: list[RuleEntry], file: str) -> tuple[Rule, ...]:
    """Make rules of entries.

    Raises:
        SettingsError: one is wrong; names file, rule and key.
    """
    names = [entry.name for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"{file}: rule {name}: there are two of this name")
    return tuple(
        _Builder(device_type, entry, frozenset(names), f"{file}: rule {entry.name}").rule() for entry in entries
    )


class _Builder:
    """Makes one rule of its entry; every mistake is a SettingsError that says where."""

    def __init__(self, device_type: DeviceType, entry: RuleEntry, names: frozenset[str], where: str) -> None:
        self._type = device_type
        self._entry = entry
        self._names = names
        self._where = where
        self._parameters: dict[str, float] = dict(entry.parameters)
        self._used: set[str] = set()
        self._filling_threshold: str | None = None

    def rule(self) -> Rule:
        entry = self._entry
        for key in ("summary", "summary_de"):
            self._check_text(key, getattr(entry, key))
        for key in OWN_PARAMETERS:
            if (number := getattr(entry, key)) is not None:
                self._parameters[key] = float(number)
        if entry.silent_s is not None:
            self._parameters.setdefault("silent_reports", SILENT_REPORTS)
        if entry.group_by is not None:
            self._parameters = {"at_least": 3.0, "share": 0.5, **self._parameters}
        self._used.update(OWN_PARAMETERS)
        when = self._condition(entry.when, "when") if entry.when else self._own_comparison()
        rule = Rule(
            name=entry.name,
            device_type=self._type.name,
            severity=entry.severity,
            summary=entry.summary,
            summary_de=entry.summary_de,
            when=when,
            given=self._condition(entry.given, "given") if entry.given else None,
            clear=self._condition(entry.clear, "clear") if entry.clear else None,
            value=self._operand(entry.value, "value") if entry.value else _shown(when),
            silent=entry.silent_s is not None,
            unresponsive=entry.unresponsive_s is not None,
            group=self._group(),
            parameters=self._parameters,
            actions=tuple(entry.actions),
            filling_threshold=self._filling_threshold,
            definition=self._definition(),
        )
        if when is not None and not rule.quantities():
            self._refuse("when", "expected at least one quantity: a rule is judged when one of its quantities comes")
        for name in entry.parameters:
            if name not in self._used:
                self._refuse(f"parameters {name}", "nothing in the rule uses it")
        return rule

    def _definition(self) -> dict[str, Any]:
        """The conditions as the file has them; a comparison of the rule's own stands as `when`."""
        definition = self._entry.model_dump(include={"given", "when", "clear"}, exclude_none=True, by_alias=True)
        own = self._entry.model_dump(include=set(ConditionEntry.model_fields), exclude_none=True, by_alias=True)
        return {"when": own, **definition} if own else definition

    def _own_comparison(self) -> Condition | None:
        entry = self._entry
        if (entry.silent_s, entry.unresponsive_s, entry.group_by) != (None, None, None):
            if entry.quantity is not None:
                self._refuse("quantity", "expected none beside silent_s, unresponsive_s or group_by")
            return None
        # Its numbers become parameters of their own names, so that a municipality can change them.
        changes: dict[str, object] = {}
        for key in ("above", "below"):
            limit = getattr(entry, key)
            if limit is not None:
                changes[key], changes["hysteresis"] = key, "hysteresis"
                if limit == FILLING_THRESHOLD:
                    self._filling_threshold = key
                    limit = DEFAULT_FILLING_THRESHOLD
                self._parameters[key] = self._number(limit, key)
                self._parameters["hysteresis"] = self._number(entry.hysteresis or 0.0, "hysteresis")
        return self._comparison(entry.model_copy(update=changes), "")

    def _condition(self, entry: ConditionEntry, at: str, *, inside_not: bool = False) -> Condition:
        joined = [key for key in ("all", "any", "not_") if getattr(entry, key) is not None]
        compared = [key for key in COMPARISONS if getattr(entry, key) is not None]
        if len(joined) + len(compared) != 1:
            self._refuse(at, "expected exactly one of all, any, not, above, below, equals, contains")
        if joined and entry.model_fields_set != {joined[0]}:
            self._refuse(at, f"expected nothing beside {joined[0].rstrip('_')}")
        if inside_not and entry.hysteresis is not None:
            self._refuse(f"{at} hysteresis", "cannot stand inside not; use clear")
        if entry.not_ is not None:
            return Not(self._condition(entry.not_, f"{at} not", inside_not=True))
        for key, join in (("all", AllOf), ("any", AnyOf)):
            parts: list[ConditionEntry] | None = getattr(entry, key)
            if parts is not None:
                condition = join(
                    tuple(
                        self._condition(part, f"{at} {key} {number}", inside_not=inside_not)
                        for number, part in enumerate(parts, start=1)
                    )
                )
                if sum(1 for _ in comparisons(condition)) > MOST_PARTS:
                    self._refuse(at, f"more than {MOST_PARTS} comparisons")
                return condition
        return self._comparison(entry, at)

    def _comparison(self, entry: ConditionEntry, at: str) -> Comparison:
        operand = self._operand(entry, at)
        kind = self._kind_of(operand)
        if entry.above is not None or entry.below is not None:
            key = "above" if entry.above is not None else "below"
            if kind not in (QuantityKind.NUMBER, QuantityKind.INTEGER, None):
                self._refuse(at, f"above and below need a number, {operand.name} is none")
            limit = self._limit(entry.above if entry.above is not None else entry.below, f"{at} {key}")
            hysteresis = self._limit(entry.hysteresis or 0.0, f"{at} hysteresis")
            if (hysteresis if isinstance(hysteresis, float) else self._parameters[hysteresis]) < 0:
                self._refuse(f"{at} hysteresis", "must not be negative")
            return (Above if entry.above is not None else Below)(operand, limit, hysteresis)
        if entry.hysteresis:
            self._refuse(f"{at} hysteresis", "needs above or below")
        if entry.contains is not None:
            faults = frozenset([entry.contains] if isinstance(entry.contains, str) else entry.contains)
            if kind is not QuantityKind.FAULTS or not faults or not faults <= set(Fault):
                self._refuse(f"{at} contains", "expected the quantity faults and names of faults")
            return Contains(operand, faults)
        assert entry.equals is not None  # noqa: S101 - one of the four is given
        if (kind is QuantityKind.BOOLEAN) != isinstance(entry.equals, bool) and kind is not None:
            self._refuse(f"{at} equals", f"is no value of {operand.name}")
        return Equals(operand, entry.equals)

    def _operand(self, entry: OperandEntry, at: str) -> Operand:
        named = [key for key in Kind if getattr(entry, key) is not None]
        if len(named) != 1:
            self._refuse(at, "expected exactly one of quantity, attribute, derived")
        kind = named[0]
        name: str = getattr(entry, kind)
        if kind is Kind.QUANTITY and name not in self._type.quantities:
            self._refuse(f"{at} quantity", f"{name[:80]} is none of a {self._type.name}")
        derived = DERIVED.get(name) if kind is Kind.DERIVED else None
        if kind is Kind.DERIVED and (
            derived is None or self._type.name not in (derived.device_types or {self._type.name})
        ):
            self._refuse(f"{at} derived", f"{name[:80]} is no derived value of a {self._type.name}")
        if ((derived.of if derived else "") != "") != (entry.of is not None):
            self._refuse(f"{at} of", f"expected it where a derived value needs it, {name[:80]} is not such or lacks it")
        if (derived.over if derived else False) != (entry.over_s is not None):
            self._refuse(
                f"{at} over_s", f"expected it where a derived value needs it, {name[:80]} is not such or lacks it"
            )
        if derived is not None and derived.of == "quantity" and entry.of not in self._type.quantities:
            self._refuse(f"{at} of", f"{(entry.of or '')[:80]} is none of a {self._type.name}")
        if derived is not None and derived.of == "rule" and entry.of not in self._names:
            self._refuse(f"{at} of", f"there is no rule {(entry.of or '')[:80]}")
        over_s = self._limit(entry.over_s or 0.0, f"{at} over_s")
        if entry.over_s is not None and (over_s if isinstance(over_s, float) else self._parameters[over_s]) <= 0:
            self._refuse(f"{at} over_s", "must be longer than zero")
        return Operand(kind, name, entry.of or "", over_s)

    def _limit(self, number: float | str | None, at: str) -> Number:
        if not isinstance(number, str):
            return float(number or 0.0)
        if number == FILLING_THRESHOLD and number not in self._parameters:
            self._parameters[number] = DEFAULT_FILLING_THRESHOLD
            self._filling_threshold = number
        if number not in self._parameters:
            self._refuse(at, f"there is no parameter {number[:80]}")
        self._used.add(number)
        return number

    def _number(self, number: float | str, key: str) -> float:
        if isinstance(number, str):
            self._refuse(key, f"expected a number or {FILLING_THRESHOLD}")
        return float(number)

    def _group(self) -> Group | None:
        entry = self._entry
        if entry.group_by is None:
            return None
        for name in entry.explains or []:
            if name not in self._names or name == entry.name:
                self._refuse("explains", f"there is no other rule {name[:80]}")
        return Group(entry.group_by, tuple(entry.explains or []))

    def _kind_of(self, operand: Operand) -> QuantityKind | None:
        """None: an attribute, which is what it is."""
        match operand.kind:
            case Kind.QUANTITY:
                return CATALOGUE[operand.name].kind
            case Kind.DERIVED:
                return QuantityKind.BOOLEAN if DERIVED[operand.name].boolean else QuantityKind.NUMBER
            case Kind.ATTRIBUTE:
                return None

    def _check_text(self, key: str, text: str) -> None:
        """Only plain fields: a rule file must reach nothing else through a format, and print no megabytes."""
        try:
            fields = list(string.Formatter().parse(text))
        except ValueError as error:
            self._refuse(key, str(error))
        for _, name, form, conversion in fields:
            if name is not None and (name not in _FIELDS or not _FORMAT.fullmatch(form or "") or conversion):
                self._refuse(
                    key, f"{{{name[:80]}}}: expected {', '.join(sorted(_FIELDS))}, with a format as .0% or .1f"
                )

    def _refuse(self, at: str, why: str) -> Never:
        raise SettingsError(f"{self._where}: {at.strip()}: {why}" if at.strip() else f"{self._where}: {why}")


def _shown(when: Condition | None) -> Operand | None:
    """The first number that is compared with a limit, else the first value."""
    leaves = [] if when is None else list(comparisons(when))
    limited = [leaf for leaf in leaves if isinstance(leaf, Above | Below)]
    return (limited or leaves)[0].operand if leaves else None
