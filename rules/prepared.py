"""Rules of one device type as they hold in one municipality, made ready for judging thousands of readings a second."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from core.quantity import Value
from rules.condition import Test, comparisons
from rules.derived_over_time import Tracker
from rules.judged_reading import JudgedReading
from rules.rule import Rule

_MOST_SHAPES: Final = 512
"""Sets of quantities that are remembered; devices send a handful, only a hostile one more."""


@dataclass(frozen=True, slots=True)
class Judge:
    """One rule as functions."""

    rule: Rule
    name: str
    given: Test | None
    met: Test
    clear: Test | None
    read: Callable[[JudgedReading], Value | None]
    for_s: float
    for_reports: int
    keep_firing_s: float

    def fires(self, held_s: float, reports: int) -> bool:
        """Whether a condition that has held so long, in so many reports, is to fire."""
        return held_s >= self.for_s and reports >= self.for_reports


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What readings of one set of quantities concern."""

    judges: tuple[Judge, ...]
    names: frozenset[str]
    trackers: tuple[Tracker, ...]


class Prepared:
    """The enabled rules of a device type in a municipality, by what they look at."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        enabled = [rule for rule in rules if rule.enabled]
        self.names = frozenset(rule.name for rule in enabled)
        self.silent = tuple(rule for rule in enabled if rule.silent)
        self.unresponsive = tuple(rule for rule in enabled if rule.unresponsive)
        self.groups = tuple(rule for rule in enabled if rule.group is not None)
        self._judges = tuple((rule.quantities(), judge) for rule in enabled if (judge := _judge(rule)) is not None)
        self.trackers = tuple(dict.fromkeys(tracker for rule in enabled for tracker in _trackers(rule)))
        self._shapes: dict[tuple[str, ...], Shape] = {}

    def shape(self, values: Mapping[str, Value]) -> Shape:
        """The rules and trackers that a reading with these quantities concerns."""
        key = tuple(values)
        found = self._shapes.get(key)
        if found is None:
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()
            judges = tuple(judge for quantities, judge in self._judges if not quantities.isdisjoint(key))
            found = self._shapes[key] = Shape(
                judges,
                frozenset(judge.name for judge in judges),
                tuple(tracker for tracker in self.trackers if tracker.quantities <= set(key)),
            )
        return found


def _judge(rule: Rule) -> Judge | None:
    if rule.when is None or rule.value is None:
        return None
    parameters = rule.parameters
    return Judge(
        rule=rule,
        name=rule.name,
        given=rule.given.test(parameters) if rule.given else None,
        met=rule.when.test(parameters),
        clear=rule.clear.test(parameters) if rule.clear else None,
        read=rule.value.reader(parameters),
        for_s=rule.for_s,
        for_reports=rule.for_reports,
        keep_firing_s=rule.keep_firing_s,
    )


def _trackers(rule: Rule) -> Iterable[Tracker]:
    operands = [rule.value] if rule.value else []
    for condition in (rule.given, rule.when, rule.clear):
        if condition is not None:
            operands += [leaf.operand for leaf in comparisons(condition)]
    for operand in operands:
        if (tracker := operand.tracker(rule.parameters)) is not None:
            yield tracker
