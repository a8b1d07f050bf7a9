"""Light ahead of people, by hand and as a promise over random streets, speeds, delays and losses."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lights.corridor import REACTION_S, Corridor, Span
from lights.street import StreetRow

NOW = datetime(2026, 11, 20, 21, tzinfo=UTC)
ROW = StreetRow(tuple("abcdefghij"), tuple(30.0 * index for index in range(10)))
CYCLIST_MPS = 25 / 3.6
SHORTEST_HOLD_S = 5.0


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def at_once(spans: dict[str, Span]) -> str:
    return "".join(sorted(lamp for lamp, span in spans.items() if span.from_s == 0))


def test_somebody_new_has_light_on_both_sides() -> None:
    spans = Corridor([ROW]).passed("e", NOW)
    assert at_once(spans) == "cdefg"
    assert next(iter(spans)) == "e"


def test_after_the_second_lamp_the_direction_is_known() -> None:
    corridor = Corridor([ROW])
    corridor.passed("c", NOW)
    assert at_once(corridor.passed("d", at(20))) == "cdef"  # the two ahead, and the one behind
    assert at_once(corridor.passed("e", at(40))) == "defg"


def test_lamps_further_ahead_are_lit_when_the_traveller_needs_them() -> None:
    """1.5 m/s, taken for 1.3 times that: at lamp e after 30 / 1.95 = 15.4 s; there g is to shine, told 2 s before."""
    corridor = Corridor([ROW])
    corridor.passed("c", NOW)
    spans = corridor.passed("d", at(20))
    assert spans["g"].from_s == pytest.approx(30 / 1.95 - REACTION_S)
    assert spans["h"].from_s == pytest.approx(60 / 1.95 - REACTION_S)  # should e not report
    assert "i" not in spans


def test_faster_travel_reaches_further() -> None:
    corridor = Corridor([ROW])
    corridor.passed("a", NOW)
    spans = corridor.passed("b", at(30 / 13.9))
    assert at_once(spans) == "abcde"
    assert spans.keys() == set("abcdefg")


def test_a_lamp_ahead_stays_lit_until_the_slowest_are_there() -> None:
    spans = Corridor([ROW]).passed("e", NOW)
    assert spans["f"].until_s == 30.0  # 1 m/s
    assert spans["g"].until_s == 60.0
    assert spans["e"].until_s == 0.0  # its hold time is all it needs


def test_who_turns_round_has_light_on_both_sides() -> None:
    corridor = Corridor([ROW])
    for lamp, second in (("c", 0), ("d", 20), ("e", 40)):
        corridor.passed(lamp, at(second))
    assert at_once(corridor.passed("d", at(70))) == "bcdef"


def test_at_the_end_of_the_street_somebody_may_be_entering_it() -> None:
    corridor = Corridor([ROW])
    for lamp, second in (("c", 0), ("b", 20), ("a", 40)):
        spans = corridor.passed(lamp, at(second))
    assert at_once(spans) == "abc"


def test_two_people_who_meet_keep_their_light() -> None:
    """One goes up at 1.5 m/s from b, one down from h; they meet at e."""
    corridor = Corridor([ROW])
    for second, lamps in ((0, "bh"), (20, "cg"), (40, "df"), (60, "ee")):
        for lamp in lamps:
            spans = corridor.passed(lamp, at(second))
    assert at_once(spans) == "cdefg"
    assert at_once(corridor.passed("f", at(80))) == "defgh"
    assert at_once(corridor.passed("d", at(80))) == "bcdef"
    assert at_once(corridor.passed("g", at(100))) == "efghi"  # the other is three lamps away
    assert at_once(corridor.passed("h", at(120))) == "ghij"  # alone again


def test_a_message_that_comes_late_or_twice_takes_no_light_away() -> None:
    corridor = Corridor([ROW])
    corridor.passed("c", NOW)
    corridor.passed("e", at(40))
    assert set("bcdef") <= set(at_once(corridor.passed("d", at(40.2))))
    assert set("defg") <= set(at_once(corridor.passed("e", at(40.3))))
    assert set("efgh") <= set(at_once(corridor.passed("f", at(60))))


def test_a_clock_put_back_makes_everybody_new() -> None:
    corridor = Corridor([ROW])
    corridor.passed("c", NOW)
    corridor.passed("d", at(20))
    assert at_once(corridor.passed("e", at(-3600))) == "cdefg"


def test_no_lamps_ahead_is_the_lamp_alone() -> None:
    assert Corridor([ROW]).passed("e", NOW, 0) == {"e": Span(0.0, 0.0)}


def test_a_lamp_of_no_row_lights_itself() -> None:
    assert Corridor([ROW]).passed("elsewhere", NOW).keys() == {"elsewhere"}


def test_where_streets_meet_the_other_street_is_lit_too() -> None:
    side = StreetRow(("x", "y"), (0.0, 30.0))
    assert at_once(Corridor([ROW, side], {"e": ("x",)}).passed("e", NOW)) == "cdefgx"


def test_lamps_at_one_spot_do_no_harm() -> None:
    corridor = Corridor([StreetRow(("a", "b", "c"), (0.0, 0.0, 0.0))])
    for second in (0, 0, 5, 5, 400):
        for lamp in "abc":
            assert corridor.passed(lamp, at(second)).keys() == {"a", "b", "c"}


@dataclass
class Traveller:
    """Passes every lamp of a row at constant speed; `heard` says when the platform hears of each (None: lost)."""

    row: StreetRow
    start_s: float
    speed_mps: float
    upwards: bool
    heard: list[float | None]

    def order(self) -> range:
        last = len(self.row.lamps) - 1
        return range(last + 1) if self.upwards else range(last, -1, -1)

    def passes_s(self, index: int) -> float:
        return self.start_s + abs(self.row.along_m[index] - self.row.along_m[self.order()[0]]) / self.speed_mps


@st.composite
def streets(draw: st.DrawFn) -> StreetRow:
    gaps = draw(st.lists(st.floats(20, 45), min_size=4, max_size=16))
    along = tuple(accumulate(gaps, initial=0.0))
    return StreetRow(tuple(f"lamp-{index}" for index in range(len(along))), along)


@st.composite
def travellers(
    draw: st.DrawFn,
    row: StreetRow,
    slowest: float,
    fastest: float,
    *,
    upwards: bool | None = None,
    start_s: float | None = None,
    loses: bool = True,
) -> Traveller:
    """No two lamps in succession lose their message; it comes at most half a second late."""
    traveller = Traveller(
        row,
        draw(st.floats(0, 200)) if start_s is None else start_s,
        draw(st.floats(slowest, fastest)),
        draw(st.booleans()) if upwards is None else upwards,
        [None] * len(row.lamps),
    )
    is_lost = start_s is not None  # the first one comes
    for index in traveller.order():
        is_lost = loses and not is_lost and draw(st.booleans())
        if not is_lost:
            traveller.heard[index] = traveller.passes_s(index) + draw(st.floats(0, 0.5))
    return traveller


SHINES_S = 1.5
"""A tick of the control, the way to the lamp, and its fade."""


def lit_spans(corridor: Corridor, everybody: list[Traveller]) -> dict[str, list[tuple[float, float]]]:
    """When each lamp shines, told by the corridor and with the shortest hold time."""
    shines: dict[str, list[tuple[float, float]]] = {}
    messages = sorted(
        (heard, who.row.lamps[index]) for who in everybody for index, heard in enumerate(who.heard) if heard is not None
    )
    for heard, lamp in messages:
        for needed, span in corridor.passed(lamp, at(heard)).items():
            until = heard + max(span.until_s, SHORTEST_HOLD_S)
            shines.setdefault(needed, []).append((heard + span.from_s + SHINES_S, until))
    return {lamp: merged(spans) for lamp, spans in shines.items()}


def dark_ahead(
    who: Traveller,
    shines: dict[str, list[tuple[float, float]]],
    *,
    from_message: int,
    lamps: int = 2,
    after_s: float = 0.0,
) -> list[str]:
    """Where the next lamps ahead do not shine, once so many messages have had their effect.

    `after_s`: a lamp may begin to shine so long after the traveller has passed the one before.
    """
    known = sorted(heard for heard in who.heard if heard is not None)
    if len(known) < from_message:
        return []
    promised_s = known[from_message - 1] + SHINES_S
    order = who.order()
    found = []
    for place, (here, there) in enumerate(pairwise(order)):
        for share in (0.001, 0.25, 0.5, 0.75, 0.999):
            now_s = who.passes_s(here) + share * (who.passes_s(there) - who.passes_s(here))
            if now_s < max(promised_s, who.passes_s(here) + after_s):
                continue
            for ahead in order[place + 1 : place + 1 + lamps]:
                lamp = who.row.lamps[ahead]
                if not any(since <= now_s < until for since, until in shines.get(lamp, [])):
                    found.append(f"{lamp} is dark at {now_s:.1f} s, {share:.2f} of the way from {here} to {there}")
    return found


def merged(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """A lamp told again while it shines goes on shining."""
    told: list[tuple[float, float]] = []
    for since, until in sorted(spans):
        if told and since - SHINES_S <= told[-1][1]:
            told[-1] = (told[-1][0], max(told[-1][1], until))
        else:
            told.append((since, until))
    return told


@given(st.data())
def test_a_cyclist_always_has_light_on_the_next_two_lamps(data: st.DataObject) -> None:
    """25 km/h and 30 m; every second message may be lost, the hold time is the shortest."""
    row = StreetRow(tuple(f"lamp-{index}" for index in range(15)), tuple(30.0 * index for index in range(15)))
    who = data.draw(travellers(row, CYCLIST_MPS, CYCLIST_MPS))
    assert dark_ahead(who, lit_spans(Corridor([row]), [who]), from_message=1) == []


@settings(max_examples=100)
@given(st.data())
def test_walkers_and_cyclists_have_light_in_any_street(data: st.DataObject) -> None:
    row = data.draw(streets())
    who = data.draw(travellers(row, 1.0, 8.0))
    assert dark_ahead(who, lit_spans(Corridor([row]), [who]), from_message=1) == []


@settings(max_examples=100)
@given(st.data())
def test_a_car_at_50_has_light_from_the_second_lamp_that_reports_it(data: st.DataObject) -> None:
    row = data.draw(streets())
    who = data.draw(travellers(row, 8.0, 50 / 3.6))
    assert dark_ahead(who, lit_spans(Corridor([row]), [who]), from_message=2) == []


@settings(max_examples=100)
@given(st.data())
def test_two_people_who_meet_have_light(data: st.DataObject) -> None:
    """One from each end, of any speed."""
    gaps = data.draw(st.lists(st.floats(20, 45), min_size=9, max_size=16))
    along = tuple(accumulate(gaps, initial=0.0))
    row = StreetRow(tuple(f"lamp-{index}" for index in range(len(along))), along)
    everybody = [data.draw(travellers(row, 1.0, 8.0, upwards=upwards, start_s=0.0)) for upwards in (True, False)]
    shines = lit_spans(Corridor([row]), everybody)
    assert [dark for who in everybody for dark in dark_ahead(who, shines, from_message=1)] == []


@settings(max_examples=100)
@given(st.data())
def test_among_any_number_of_people_nobody_walks_into_the_dark(data: st.DataObject) -> None:
    """Who enters a street just where another is expected may be taken for them: the next lamp is lit even so."""
    row = data.draw(streets())
    everybody = data.draw(st.lists(travellers(row, 1.0, 8.0, loses=False), min_size=2, max_size=4))
    shines = lit_spans(Corridor([row]), everybody)
    dark = [
        dark for who in everybody for dark in dark_ahead(who, shines, from_message=1, lamps=1, after_s=SHINES_S + 0.5)
    ]
    assert dark == []
