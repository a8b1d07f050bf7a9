"""Properties of ReadingStore against a model in a few lines of Python."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.quantity import Value
from core.reading import Aggregate, Observation, Reading
from readings.store import ReadingStore

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
ALWAYS = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
QUANTITIES: dict[str, st.SearchStrategy[Value]] = {
    "active_power_w": st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: value + 0.0),  # no -0.0
    "presence": st.booleans(),
    "presence_count": st.integers(0, 2**53),
    "power_state": st.sampled_from(["on", "off", "low"]),
}
NUMBERS = ("active_power_w", "presence", "presence_count")
_counter = itertools.count()

instants = st.one_of(
    st.integers(-5, 25).map(lambda tick: tick * 1_800_000_000),  # half hours: many on the edges of intervals
    st.integers(-5_000_000, 20_000_000_000),
)
histories = st.dictionaries(
    st.tuples(instants, st.sampled_from(["marburg"] * 5 + ["zoo"])),
    st.fixed_dictionaries({}, optional=QUANTITIES).filter(bool),
    max_size=12,
).map(lambda kept: {at: (municipality, values) for (at, municipality), values in kept.items()})
"""At each instant (microseconds) one municipality and some values."""
History = dict[int, tuple[str, dict[str, Value]]]

each_backend = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def fresh_device() -> str:
    """Each example has a device of its own: the store lives as long as the test."""
    return f"device-{next(_counter)}"


def readings(device_id: str, history: History) -> list[Reading]:
    """One reading per value, so that values of one instant can arrive apart."""
    return [
        Reading(device_id, "streetlight", municipality, at, at, {name: value})
        for us, (municipality, values) in history.items()
        for at in [EPOCH + us * MICROSECOND]
        for name, value in values.items()
    ]


def observations(history: History) -> list[Observation]:
    return [
        Observation(name, EPOCH + us * MICROSECOND, value)
        for us, (_, values) in sorted(history.items())
        for name, value in sorted(values.items())
    ]


@each_backend
@given(history=histories, data=st.data())
def test_any_order_and_repetition_ends_the_same(
    reading_store: ReadingStore, history: History, data: st.DataObject
) -> None:
    device_id = fresh_device()
    said = readings(device_id, history)
    again = data.draw(st.lists(st.sampled_from(said), max_size=5)) if said else []
    in_some_order = data.draw(st.permutations(said + again))
    while in_some_order:
        size = data.draw(st.integers(1, len(in_some_order)))
        reading_store.write(in_some_order[:size])
        in_some_order = in_some_order[size:]
    expected = observations(history)
    newest = {one.quantity: one for one in expected}
    assert reading_store.series(device_id, None, *ALWAYS) == expected
    assert [
        Observation(one.quantity, one.observed_at, one.value) for one in reading_store.latest(device_ids=[device_id])
    ] == [newest[name] for name in sorted(newest)]


@each_backend
@given(history=histories, start=instants, end=instants, limit=st.integers(1, 6))
def test_pages_of_a_span_are_the_span(
    reading_store: ReadingStore, history: History, start: int, end: int, limit: int
) -> None:
    device_id = fresh_device()
    reading_store.write(readings(device_id, history))
    span = (EPOCH + start * MICROSECOND, EPOCH + end * MICROSECOND)
    expected = [one for one in observations(history) if span[0] <= one.observed_at < span[1]]
    pages: list[Observation] = []
    after = None
    while page := reading_store.series(device_id, None, *span, limit=limit, after=after):
        pages += page
        assert len(pages) <= len(expected)
        after = (page[-1].observed_at, page[-1].quantity)
    assert pages == expected


@each_backend
@given(history=histories, before=instants)
def test_deleting_by_age_keeps_exactly_the_rest(reading_store: ReadingStore, history: History, before: int) -> None:
    device_id = fresh_device()
    reading_store.write(readings(device_id, history))
    reading_store.delete(device_id=device_id, before=EPOCH + before * MICROSECOND)
    expected = observations({us: kept for us, kept in history.items() if us >= before})
    newest = {one.quantity: one for one in expected}
    assert reading_store.series(device_id, None, *ALWAYS) == expected
    found = reading_store.latest(device_ids=[device_id])
    assert [(one.quantity, one.value) for one in found] == [(name, newest[name].value) for name in sorted(newest)]


@each_backend
@given(
    history=histories,
    before=instants,
    municipality=st.sampled_from([None, "marburg", "zoo"]),
    spared=st.sampled_from([(), ("zoo",)]),
)
def test_forgetting_a_quantity_keeps_exactly_the_rest(
    reading_store: ReadingStore, history: History, before: int, municipality: str | None, spared: tuple[str, ...]
) -> None:
    device_id = fresh_device()
    reading_store.write(readings(device_id, history))
    reading_store.forget("presence", EPOCH + before * MICROSECOND, municipality=municipality, spared=spared)
    reading_store.forget("presence", EPOCH - timedelta(days=1))
    expected = observations(
        {
            us: (of, {name: value for name, value in values.items() if name != "presence" or us >= before or stays})
            for us, (of, values) in history.items()
            for stays in [of in spared or municipality not in (None, of)]
        }
    )
    newest = {one.quantity: one for one in expected}
    assert reading_store.series(device_id, None, *ALWAYS) == expected
    found = reading_store.latest(device_ids=[device_id])
    assert [(one.quantity, one.value) for one in found] == [(name, newest[name].value) for name in sorted(newest)]


def time_weighted_mean(points: list[tuple[int, float]], start: int, end: int) -> float:
    """By its definition: what held at each stretch between start, the points inside, and end."""
    total = known = 0.0
    edges = sorted({start, end, *(us for us, _ in points if start <= us < end)})
    for left, right in itertools.pairwise(edges):
        held = [value for us, value in points if us <= left]
        if held:
            total += held[-1] * (right - left)
            known += right - left
    return total / known


MODEL: dict[Aggregate, Callable[[list[float]], float]] = {
    Aggregate.MEAN: lambda values: sum(values) / len(values),
    Aggregate.MIN: min,
    Aggregate.MAX: max,
    Aggregate.SUM: sum,
    Aggregate.COUNT: len,
    Aggregate.LAST: lambda values: values[-1],
}


@pytest.mark.parametrize("aggregate", list(Aggregate))
@each_backend
@given(
    history=histories,
    span=st.tuples(instants, st.integers(1, 30_000_000_000)),
    every=st.sampled_from([3_600_000_000, 1_800_000_000, 999_999_937, 86_400_000_000]),
)
def test_aggregates_are_those_of_the_model(
    reading_store: ReadingStore, aggregate: Aggregate, history: History, span: tuple[int, int], every: int
) -> None:
    device_id = fresh_device()
    reading_store.write(readings(device_id, history))
    start, end = span[0], sum(span)
    expected: dict[tuple[int, str], float] = {}
    for name in NUMBERS:
        points = [(us, float(values[name])) for us, (_, values) in sorted(history.items()) if name in values]
        for interval in sorted({us - us % every for us, _ in points if start <= us < end}):
            first, last = max(interval, start), min(interval + every, end)
            if aggregate is Aggregate.TIME_WEIGHTED_MEAN:
                expected[interval, name] = time_weighted_mean(points, first, last)
            else:
                expected[interval, name] = MODEL[aggregate]([value for us, value in points if first <= us < last])
    found = reading_store.series(
        device_id,
        NUMBERS,
        EPOCH + start * MICROSECOND,
        EPOCH + end * MICROSECOND,
        every=every * MICROSECOND,
        aggregate=aggregate,
    )
    assert [((one.observed_at - EPOCH) // MICROSECOND, one.quantity) for one in found] == sorted(expected)
    assert [one.value for one in found] == pytest.approx(
        [expected[key] for key in sorted(expected)], rel=1e-9, abs=1e-6
    )
