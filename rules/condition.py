"""Conditions as trees: frozen values that say what is asked, and functions made of them that answer for a reading.

A condition is True, False or None: not known, because the reading lacks a value that it needs. `all` is False as soon
as one part is False, else None when one is not known; `any` is True as soon as one part is True, and passes over what
is not known unless nothing is known.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from core.quantity import Value, split_faults
from rules.derived import DERIVED
from rules.derived_over_time import Tracker
from rules.judged_reading import JudgedReading

Number = float | str
"""A number, or the name of the parameter that holds it."""
Parameters = Mapping[str, float]
Test = Callable[[JudgedReading, bool], bool | None]
"""Takes a reading and whether the condition held before, which decides within a hysteresis."""


_TWO: Final = 2


class Kind(StrEnum):
    """Where a value comes from."""

    QUANTITY = "quantity"
    ATTRIBUTE = "attribute"
    DERIVED = "derived"


@dataclass(frozen=True, slots=True)
class Operand:
    """A value to look at; `of` and `over_s` belong to derived values."""

    kind: Kind
    name: str
    of: str = ""
    over_s: Number = 0.0

    def quantities(self) -> frozenset[str]:
        """The quantities without which it is not known."""
        if self.kind is Kind.QUANTITY:
            return frozenset({self.name})
        if self.kind is Kind.ATTRIBUTE:
            return frozenset()
        derived = DERIVED[self.name]
        return derived.quantities | ({self.of} if derived.of == "quantity" else frozenset())

    def reader(self, parameters: Parameters) -> Callable[[JudgedReading], Value | None]:
        """The function that finds it."""
        name = self.name
        if self.kind is Kind.QUANTITY:
            return lambda seen: seen.values.get(name)
        if self.kind is Kind.ATTRIBUTE:
            return lambda seen: seen.device.attributes.get(name)
        return DERIVED[name].make(self.of, _resolved(self.over_s, parameters))

    def tracker(self, parameters: Parameters) -> Tracker | None:
        """What has to see every reading for it; None for most."""
        if self.kind is not Kind.DERIVED:
            return None
        make = DERIVED[self.name].tracker
        return None if make is None else make(self.of, _resolved(self.over_s, parameters))


@dataclass(frozen=True, slots=True)
class Above:
    """At `limit` or more; once it holds, down to `limit - hysteresis`."""

    operand: Operand
    limit: Number
    hysteresis: Number = 0.0

    def test(self, parameters: Parameters) -> Test:
        """The function that answers."""
        limit = _resolved(self.limit, parameters)
        held_limit = limit - _resolved(self.hysteresis, parameters)
        read = self.operand.reader(parameters)

        def test(seen: JudgedReading, held: bool) -> bool | None:  # noqa: FBT001 - called for every reading
            value = read(seen)
            if value is None or type(value) is str:
                return None
            return value >= (held_limit if held else limit)  # type: ignore[operator]

        if self.operand.kind is not Kind.QUANTITY:
            return test
        name = self.operand.name

        def test_quantity(seen: JudgedReading, held: bool) -> bool | None:  # noqa: FBT001 - the same, without a call
            value = seen.values.get(name)
            return None if value is None else value >= (held_limit if held else limit)  # type: ignore[operator]

        return test_quantity


@dataclass(frozen=True, slots=True)
class Below:
    """At `limit` or less; once it holds, up to `limit + hysteresis`."""

    operand: Operand
    limit: Number
    hysteresis: Number = 0.0

    def test(self, parameters: Parameters) -> Test:
        """The function that answers."""
        limit = _resolved(self.limit, parameters)
        held_limit = limit + _resolved(self.hysteresis, parameters)
        read = self.operand.reader(parameters)

        def test(seen: JudgedReading, held: bool) -> bool | None:  # noqa: FBT001 - called for every reading
            value = read(seen)
            if value is None or type(value) is str:
                return None
            return value <= (held_limit if held else limit)  # type: ignore[operator]

        if self.operand.kind is not Kind.QUANTITY:
            return test
        name = self.operand.name

        def test_quantity(seen: JudgedReading, held: bool) -> bool | None:  # noqa: FBT001 - the same, without a call
            value = seen.values.get(name)
            return None if value is None else value <= (held_limit if held else limit)  # type: ignore[operator]

        return test_quantity


@dataclass(frozen=True, slots=True)
class Equals:
    """Exactly this number, boolean or text."""

    operand: Operand
    value: Value

    def test(self, parameters: Parameters) -> Test:
        """The function that answers."""
        read, wanted = self.operand.reader(parameters), self.value

        def test(seen: JudgedReading, held: bool) -> bool | None:  # noqa: ARG001, FBT001
            value = read(seen)
            return None if value is None else value == wanted

        return test


@dataclass(frozen=True, slots=True)
class Contains:
    """One of these faults is among those of a quantity that lists faults."""

    operand: Operand
    faults: frozenset[str]

    def test(self, parameters: Parameters) -> Test:  # noqa: ARG002 - as the other conditions
        """The function that answers."""
        name, faults = self.operand.name, self.faults

        def test(seen: JudgedReading, held: bool) -> bool | None:  # noqa: ARG001, FBT001
            value = seen.values.get(name)
            if not value:
                return None if value is None else False
            return not faults.isdisjoint(split_faults(str(value)))

        return test


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds."""

    parts: tuple["Condition", ...]

    def test(self, parameters: Parameters) -> Test:
        """The function that answers; parts are asked in order."""
        tests = tuple(part.test(parameters) for part in self.parts)

        def test(seen: JudgedReading, held: bool) -> bool | None:  # noqa: FBT001
            answer: bool | None = True
            for part in tests:
                holds = part(seen, held)
                if holds is None:
                    answer = None
                elif not holds:
                    return False
            return answer

        if len(tests) != _TWO:
            return test
        first, second = tests

        def test_two(seen: JudgedReading, held: bool) -> bool | None:  # noqa: FBT001 - the same, without a loop
            one = first(seen, held)
            if one is False:
                return False
            other = second(seen, held)
            return other if one or other is False else None

        return test_two


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple["Condition", ...]

    def test(self, parameters: Parameters) -> Test:
        """The function that answers; parts are asked in order."""
        tests = tuple(part.test(parameters) for part in self.parts)

        def test(seen: JudgedReading, held: bool) -> bool | None:  # noqa: FBT001
            answer: bool | None = None
            for part in tests:
                holds = part(seen, held)
                if holds:
                    return True
                if holds is not None:
                    answer = False
            return answer

        if len(tests) != _TWO:
            return test
        first, second = tests

        def test_two(seen: JudgedReading, held: bool) -> bool | None:  # noqa: FBT001 - the same, without a loop
            one = first(seen, held)
            if one:
                return True
            other = second(seen, held)
            return one if other is None else other

        return test_two


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold. There is no hysteresis inside: it would work the wrong way round."""

    part: "Condition"

    def test(self, parameters: Parameters) -> Test:
        """The function that answers."""
        part = self.part.test(parameters)

        def test(seen: JudgedReading, held: bool) -> bool | None:  # noqa: FBT001
            holds = part(seen, held)
            return None if holds is None else not holds

        return test


Comparison = Above | Below | Equals | Contains
Condition = Comparison | AllOf | AnyOf | Not


def comparisons(condition: Condition) -> Iterator[Comparison]:
    """The leaves, in order."""
    if isinstance(condition, AllOf | AnyOf):
        for part in condition.parts:
            yield from comparisons(part)
    elif isinstance(condition, Not):
        yield from comparisons(condition.part)
    else:
        yield condition


def _resolved(number: Number, parameters: Parameters) -> float:
    return parameters[number] if isinstance(number, str) else number
