"""The sentences of ReadingStore about counters. Expected values by hand."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.counter import CounterSpan, gained, joined
from core.errors import InvalidInputError
from core.quantity import Value
from core.reading import Reading
from readings.counters import span_of
from readings.sqlite.store import SqliteReadings
from readings.store import ReadingStore

MIDNIGHT = datetime(2026, 3, 1, 23, tzinfo=UTC)
"""In Berlin, in winter."""
HOUR = timedelta(hours=1)
DAYS = [MIDNIGHT + day * timedelta(days=1) for day in range(4)]


def lamp(hour: float, device_id: str = "lamp-1", municipality: str = "marburg", **values: Value) -> Reading:
    at = MIDNIGHT + hour * HOUR
    return Reading(device_id, "streetlight", municipality, at, at, values)


def told(spans: list[CounterSpan]) -> list[tuple[object, ...]]:
    """(device, municipality, interval, first hour, first, last hour, last, gained, resets, hours)."""
    return [
        (
            *span[:3],
            (span.first_at - MIDNIGHT) / HOUR,
            span.first,
            (span.last_at - MIDNIGHT) / HOUR,
            span.last,
            round(span.gained, 9),
            span.resets,
            span.hours,
        )
        for span in spans
    ]


READINGS = [
    lamp(-1, active_energy_kwh=99.0),
    lamp(0, active_energy_kwh=100.0),
    lamp(0.25, active_energy_kwh=100.5),
    lamp(5, active_energy_kwh=101.0, switch_on_count=7),
    lamp(6, dim_level=1.0),
    # the second day: nothing; the third: two resets
    lamp(48, active_energy_kwh=103.0),
    lamp(50, active_energy_kwh=1.0),
    lamp(52, active_energy_kwh=2.5),
    lamp(54, active_energy_kwh=0.25),
    lamp(3, "lamp-2", active_energy_kwh=5.0),
    lamp(4, "lamp-2", active_energy_kwh=5.5),
    lamp(30, "lamp-2", "zoo", active_energy_kwh=6.0),
]
EXPECTED = [
    ("lamp-1", "marburg", 0, 0.0, 100.0, 5.0, 101.0, 1.0, 0, 2),
    ("lamp-1", "marburg", 2, 48.0, 103.0, 54.0, 0.25, 2.75, 2, 4),
    ("lamp-2", "marburg", 0, 3.0, 5.0, 4.0, 5.5, 0.5, 0, 2),
    ("lamp-2", "zoo", 1, 30.0, 6.0, 30.0, 6.0, 0.0, 0, 1),
]


def test_spans_of_devices_by_interval(reading_store: ReadingStore) -> None:
    reading_store.write(READINGS)
    assert told(reading_store.counters("active_energy_kwh", DAYS)) == EXPECTED
    assert told(reading_store.counters("active_energy_kwh", DAYS, municipality="zoo")) == EXPECTED[3:]
    assert told(reading_store.counters("active_energy_kwh", DAYS, device_ids={"lamp-2"})) == EXPECTED[2:]
    assert told(reading_store.counters("switch_on_count", DAYS)) == [
        ("lamp-1", "marburg", 0, 5.0, 7.0, 5.0, 7.0, 0.0, 0, 1)
    ]
    assert reading_store.counters("active_energy_kwh", DAYS, device_ids=set()) == []
    assert reading_store.counters("active_energy_kwh", DAYS[:1]) == []


def test_rollups_change_nothing(reading_store: ReadingStore) -> None:
    reading_store.write(READINGS)
    for hour in (20, 49, 51, 100, 200):
        reading_store.roll_up(MIDNIGHT + hour * HOUR)
        assert told(reading_store.counters("active_energy_kwh", DAYS)) == EXPECTED
        assert told(reading_store.counters("active_energy_kwh", [DAYS[0], DAYS[3]])) == [
            ("lamp-1", "marburg", 0, 0.0, 100.0, 54.0, 0.25, 5.75, 2, 6),
            ("lamp-2", "marburg", 0, 3.0, 5.0, 4.0, 5.5, 0.5, 0, 2),
            ("lamp-2", "zoo", 0, 30.0, 6.0, 30.0, 6.0, 0.0, 0, 1),
        ]
    reading_store.write([lamp(4, active_energy_kwh=0.5)])  # late: a reset that nobody had seen
    assert told(reading_store.counters("active_energy_kwh", DAYS))[0] == (
        *EXPECTED[0][:7], 101.5, 1, 3,
    )  # fmt: skip


def test_a_reset_within_a_day_shows_that_later_readings_hide(reading_store: ReadingStore) -> None:
    """The first reading of the day is its lowest and the last its highest."""
    reading_store.write(
        [
            lamp(1, switch_on_count=2547),
            lamp(2, switch_on_count=13238),
            lamp(3, switch_on_count=5000),  # 5000 since it began anew
            lamp(9, switch_on_count=70000),
            lamp(33, switch_on_count=70001),
            lamp(57, switch_on_count=80000),
        ]
    )
    expected = [
        ("lamp-1", "marburg", 0, 1.0, 2547.0, 9.0, 70000.0, 10691.0 + 5000.0 + 65000.0, 1, 4),
        ("lamp-1", "marburg", 1, 33.0, 70001.0, 33.0, 70001.0, 0.0, 0, 1),
        ("lamp-1", "marburg", 2, 57.0, 80000.0, 57.0, 80000.0, 0.0, 0, 1),
    ]
    weeks = [MIDNIGHT + day * timedelta(days=7) for day in range(2)]
    for _ in range(2):
        assert told(reading_store.counters("switch_on_count", DAYS)) == expected
        assert told(reading_store.counters("switch_on_count", weeks)) == [
            ("lamp-1", "marburg", 0, 1.0, 2547.0, 57.0, 80000.0, 80691.0 + 10000.0, 1, 6)
        ]
        reading_store.roll_up(MIDNIGHT + 200 * HOUR)


def test_a_day_that_is_not_over_bears_no_witness(reading_store: ReadingStore) -> None:
    """A late reading of the day has it rolled up before its end; the next day begins inside the interval."""
    assert reading_store.roll_up(MIDNIGHT + 4 * HOUR)
    reading_store.write([lamp(2, switch_on_count=7)])
    assert reading_store.roll_up(MIDNIGHT + 4 * HOUR)
    reading_store.write([lamp(43, switch_on_count=9)])
    assert told(reading_store.counters("switch_on_count", DAYS))[1:] == [
        ("lamp-1", "marburg", 1, 43.0, 9.0, 43.0, 9.0, 0.0, 0, 1)
    ]


def test_what_never_went_back_is_answered_from_rollups(sqlite_readings: SqliteReadings) -> None:
    """Falsified rollups show: between an interval's ends the readings are not read."""
    sqlite_readings.write([lamp(hour, active_energy_kwh=100.0 + hour) for hour in range(72)])
    assert sqlite_readings.roll_up(MIDNIGHT + 200 * HOUR)
    with sqlite_readings._file.transaction() as connection:
        connection.execute('UPDATE "daily_active_energy_kwh" SET hours = 1 << 12')
    assert [(span.gained, span.hours) for span in sqlite_readings.counters("active_energy_kwh", DAYS)] == [
        (23.0, 1),
        (23.0, 1),
        (23.0, 1),
    ]


def test_rollups_of_an_earlier_version_are_made_anew(sqlite_readings: SqliteReadings) -> None:
    sqlite_readings.write(READINGS)
    assert sqlite_readings.roll_up(MIDNIGHT + 200 * HOUR)
    with sqlite_readings._file.transaction() as connection:
        connection.execute('ALTER TABLE "daily_active_energy_kwh" DROP COLUMN falls')
    sqlite_readings.close()
    again = SqliteReadings(str(sqlite_readings._file.path))
    assert told(again.counters("active_energy_kwh", DAYS)) == EXPECTED
    assert again.roll_up(MIDNIGHT + 200 * HOUR)
    assert again._file.select('SELECT count(*), count(falls) FROM "daily_active_energy_kwh"', {}) == [(6, 6)]
    again.close()


def test_what_is_no_counter_is_refused(sqlite_readings: SqliteReadings) -> None:
    with pytest.raises(InvalidInputError, match="no counter"):
        sqlite_readings.counters("dim_level", DAYS)
    with pytest.raises(InvalidInputError, match="bounds"):
        sqlite_readings.counters("active_energy_kwh", DAYS[::-1])


@given(values=st.lists(st.integers(0, 50).map(float), min_size=2, max_size=30), cut=st.integers(1, 29))
def test_joined_parts_are_the_whole(values: list[float], cut: int) -> None:
    cut = min(cut, len(values) - 1)
    points = [(hour * 3_600_000_000, value) for hour, value in enumerate(values)]
    whole = span_of("lamp-1", "marburg", 0, points)
    assert joined(span_of("lamp-1", "marburg", 0, points[:cut]), span_of("lamp-1", "marburg", 0, points[cut:])) == whole
    assert whole.gained >= 0


def test_a_counter_that_went_back_began_at_zero() -> None:
    assert gained([5, 7, 7, 1, 2]) == (4, 1)
    assert gained([5]) == (0, 0)
