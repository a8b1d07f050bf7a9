"""Hourly totals beside InfluxDB, on SQLite and PostgreSQL: what is right, what is stale, what is taken."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest

from core.clock import from_epoch_us
from core.reading import Aggregate, GroupBy
from readings.beside.hourly_run import Run
from readings.beside.hourly_totals import HourlyTotals
from readings.beside.opened import open_beside
from readings.calls import totals_query
from readings.contract import HOUR_US

MARBURG, ZOO = ("marburg", "streetlight"), ("zoo", "streetlight")
MOST = 100


@pytest.fixture(params=["sqlite_url", "postgresql_url"])
def hours(request: pytest.FixtureRequest) -> Iterator[HourlyTotals]:
    beside = open_beside(request.getfixturevalue(request.param))
    assert beside is not None
    with closing(beside):
        beside.hours.begin(100)
        beside.hours.reach(None, 100)
        yield beside.hours


def answered(
    hours: HourlyTotals,
    first: int,
    end: int,
    municipality: str | None = None,
    *,
    every_hours: int = 1,
    aggregate: Aggregate = Aggregate.SUM,
) -> object:
    """The aggregates by (hour, group), and the span in hours; None: the readings have to be asked."""
    query = totals_query(
        "voltage_v",
        from_epoch_us(first * HOUR_US),
        from_epoch_us(end * HOUR_US),
        group_by=GroupBy.MUNICIPALITY,
        every=timedelta(hours=every_hours),
        aggregate=aggregate,
        streets=None,
        municipality=municipality,
        device_type=None,
    )
    found = hours.totals(query, "voltage_v")
    if found is None:
        return None
    rows, (from_us, end_us) = found
    sums = {(start_us // HOUR_US, group): value for start_us, group, value, _ in rows}
    return sums, from_us // HOUR_US, end_us // HOUR_US


def make(hours: HourlyTotals, value: float) -> Run:
    """Take the next run, each of its hours with the same sum."""
    run = hours.next_run(MOST)
    assert run is not None
    hours.take(run, {(*key, "voltage_v"): (1, value, value, value) for key in run.stamps})
    return run


def test_what_nobody_wrote_is_right(hours: HourlyTotals) -> None:
    assert answered(hours, 10, 20) == ({}, 10, 20)
    assert answered(hours, 90, 120) == ({}, 90, 100)
    assert answered(hours, 100, 120) is None


def test_late_hours_are_stale_until_made(hours: HourlyTotals) -> None:
    hours.mark([(MARBURG, 15), (ZOO, 15)])
    assert answered(hours, 10, 20) == ({}, 10, 15)
    assert answered(hours, 15, 20) is None
    make(hours, 230.0)
    assert hours.next_run(MOST) is None
    assert answered(hours, 10, 20) == ({(15, "marburg"): 230.0, (15, "zoo"): 230.0}, 10, 20)
    assert answered(hours, 10, 20, "zoo") == ({(15, "zoo"): 230.0}, 10, 20)


def test_advancing_marks_what_there_may_be_of_everybody(hours: HourlyTotals) -> None:
    hours.advance(102, lambda: [MARBURG, ZOO])
    assert answered(hours, 90, 120) == ({}, 90, 100)
    run = make(hours, 1.0)
    assert sorted(run.stamps) == [("marburg", 100), ("marburg", 101), ("zoo", 100), ("zoo", 101)]
    sums = {(hour, town): 1.0 for hour in (100, 101) for town in ("marburg", "zoo")}
    assert answered(hours, 90, 120) == (sums, 90, 102)


def test_what_changed_while_it_was_computed_is_not_taken(hours: HourlyTotals) -> None:
    hours.mark([(MARBURG, 15), (MARBURG, 16)])
    run = hours.next_run(MOST)
    assert run is not None
    hours.mark([(MARBURG, 15)])
    hours.take(run, {("marburg", hour, "voltage_v"): (1, 1.0, 1.0, 1.0) for hour in (15, 16)})
    again = hours.next_run(MOST)
    assert again is not None
    assert list(again.stamps) == [("marburg", 15)]
    assert answered(hours, 16, 20) == ({(16, "marburg"): 1.0}, 16, 20)


def test_made_anew_takes_the_place_and_what_is_gone_goes(hours: HourlyTotals) -> None:
    hours.mark([(MARBURG, 15), (MARBURG, 16)])
    make(hours, 1.0)
    hours.mark([(MARBURG, 15), (MARBURG, 16)])
    run = hours.next_run(MOST)
    assert run is not None
    hours.take(run, {("marburg", 16, "voltage_v"): (1, 2.0, 2.0, 2.0)})
    assert answered(hours, 10, 20) == ({(16, "marburg"): 2.0}, 10, 20)


def test_forgotten_hours_go_and_the_cut_one_is_stale(hours: HourlyTotals) -> None:
    hours.mark([(whose, hour) for whose in (MARBURG, ZOO) for hour in (15, 16, 17)])
    make(hours, 1.0)
    hours.forget(16 * HOUR_US + 1, "voltage_v", None, ["zoo"])
    assert answered(hours, 10, 20) == ({(15, "zoo"): 1.0}, 10, 16)
    make(hours, 3.0)
    sums = {(15, "zoo"): 1.0, (16, "zoo"): 1.0, (17, "zoo"): 1.0, (16, "marburg"): 3.0, (17, "marburg"): 1.0}
    assert answered(hours, 10, 20) == (sums, 10, 20)
    hours.forget(17 * HOUR_US, "dim_level", None, ())
    assert answered(hours, 10, 20) == (sums, 10, 20)


def test_what_is_computed_while_it_is_forgotten_is_not_taken(hours: HourlyTotals) -> None:
    hours.mark([(MARBURG, 15)])
    run = hours.next_run(MOST)
    assert run is not None
    hours.forget(50 * HOUR_US, None, None, ())
    hours.take(run, {("marburg", 15, "voltage_v"): (1, 1.0, 1.0, 1.0)})
    assert hours.next_run(MOST) is not None


@pytest.mark.parametrize(
    ("aggregate", "first_day", "second_day"),
    [
        (Aggregate.SUM, 4.0, 10.0),
        (Aggregate.MEAN, 4 / 3, 10 / 3),
        (Aggregate.MIN, 0.5, 2.0),
        (Aggregate.MAX, 1.5, 3.5),
        (Aggregate.COUNT, 3, 3),
    ],
)
def test_hours_make_days(hours: HourlyTotals, aggregate: Aggregate, first_day: float, second_day: float) -> None:
    """Of all device types together, also before 1970."""
    parts = {
        ("streetlight", -3): (1, 1.0, 1.0, 1.0),
        ("waste_bin", -24): (2, 3.0, 0.5, 1.5),
        ("streetlight", 1): (2, 7.0, 3.0, 3.5),
        ("waste_bin", 0): (1, 3.0, 2.0, 2.0),
    }
    hours.mark([(("marburg", kind), hour) for kind, hour in parts])
    while run := hours.next_run(MOST):
        hours.take(run, {("marburg", hour, "voltage_v"): parts[run.device_type, hour] for _, hour in run.stamps})
    assert answered(hours, -24, 24, every_hours=24, aggregate=aggregate) == (
        {(-24, "marburg"): pytest.approx(first_day), (0, "marburg"): pytest.approx(second_day)},
        -24,
        24,
    )


def test_what_lies_before_the_reach_is_asked_of_the_readings(hours: HourlyTotals) -> None:
    hours.begin(100)
    assert answered(hours, 10, 200) is None
    hours.reach(50, 50)
    hours.mark([(MARBURG, 20)])
    assert hours.next_run(MOST) is None
    hours.advance(60, lambda: [MARBURG])
    make(hours, 1.0)
    while hours.next_run(MOST):
        make(hours, 1.0)
    found = answered(hours, 10, 200)
    assert isinstance(found, tuple)
    assert found[1:] == (50, 100)
