"""How much of a shift is left for work once its legal breaks are taken."""

from dataclasses import replace
from typing import Final

from pickups.routes.problem import BreakRule, VehicleKind

LEAST_SHIFT_S: Final = 3600
"""With less left of its shift a vehicle does not set out any more. Assumed."""


def break_due_s(work_s: int, rule: BreakRule | None) -> int:
    """Length of all breaks together that so much work (waiting included) demands."""
    if rule is None or work_s <= rule.after_s:
        return 0
    if work_s <= rule.long_after_s:
        return rule.length_s * (-(-work_s // rule.after_s) - 1)
    return max(rule.long_length_s, rule.length_s * (-(-work_s // rule.after_s) - 1))


def longest_work_s(kind: VehicleKind, rule: BreakRule | None) -> int:
    """The most work that fits into a vehicle's shift together with the breaks it demands; below 0: no shift at all."""
    shift_s = min(kind.max_duration_s, kind.latest_s - kind.earliest_s)
    if rule is None:
        return shift_s
    steps = [rule.after_s * number for number in range(1, shift_s // rule.after_s + 1)]
    # Work only pays up to a step or with the break that the shift's full length demands.
    lengths = sorted({break_due_s(shift_s, rule), rule.length_s, rule.long_length_s})
    tries = [*(shift_s - length for length in lengths), *steps, rule.long_after_s, shift_s]
    return max((work for work in tries if work + break_due_s(work, rule) <= shift_s), default=shift_s)


def leaving_from(kind: VehicleKind, now_s: int, *, again: bool = True) -> VehicleKind:
    """The vehicle on a day of which so many seconds have gone: its shift ends when it would have ended.

    One whose shift is over is given another one (`again`) from now on, past midnight if need be.
    """
    if now_s <= kind.earliest_s:
        return kind
    left_s = kind.earliest_s + kind.max_duration_s - now_s
    if again and left_s < LEAST_SHIFT_S:
        return replace(kind, earliest_s=now_s, latest_s=max(kind.latest_s, now_s + kind.max_duration_s))
    return replace(kind, earliest_s=now_s, max_duration_s=max(0, left_s))
