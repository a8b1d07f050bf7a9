"""The sentences of ReadingStore about intervals: series with `every`, and totals. Expected values by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.errors import InvalidInputError
from core.quantity import Value
from core.reading import Aggregate, GroupBy, Observation, Reading
from readings.store import ReadingStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ALWAYS = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))


def lamp(minute: float, device_id: str = "lamp-1", municipality: str = "marburg", **values: Value) -> Reading:
    at = NOON + minute * MINUTE
    return Reading(device_id, "streetlight", municipality, at, at, values)


def per_hour(  # noqa: PLR0917 - reads like the call it stands for
    store: ReadingStore,
    quantity: str,
    aggregate: Aggregate | None,
    start: float = -600,
    end: float = 600,
    every: timedelta = HOUR,
) -> list[tuple[float, Value]]:
    """(minute of the interval's start, value)."""
    found = store.series(
        "lamp-1", [quantity], NOON + start * MINUTE, NOON + end * MINUTE, every=every, aggregate=aggregate
    )
    return [((one.observed_at - NOON) / MINUTE, one.value) for one in found]


class TestSeries:
    @pytest.fixture(autouse=True)
    def _fill(self, reading_store: ReadingStore) -> None:
        """Three in the first hour, none in the second, two in the third, of which one is on its first instant."""
        reading_store.write(
            [
                lamp(0, active_power_w=10.0, presence=True, presence_count=2**53, power_state="on"),
                lamp(30, active_power_w=40.0, presence=False, presence_count=2**53, power_state="low"),
                lamp(59, active_power_w=10.0, presence=False, presence_count=2, power_state="off"),
                lamp(120, active_power_w=-5.0, presence=True, power_state="on"),
                lamp(165, active_power_w=8.0, presence=True, power_state="on"),
                lamp(10, "lamp-2", active_power_w=1000.0),
            ]
        )

    @pytest.mark.parametrize(
        ("aggregate", "expected"),
        [
            (None, [(0, 20.0), (120, 1.5)]),
            (Aggregate.MEAN, [(0, 20.0), (120, 1.5)]),
            (Aggregate.MIN, [(0, 10.0), (120, -5.0)]),
            (Aggregate.MAX, [(0, 40.0), (120, 8.0)]),
            (Aggregate.SUM, [(0, 60.0), (120, 3.0)]),
            (Aggregate.COUNT, [(0, 3), (120, 2)]),
            (Aggregate.LAST, [(0, 10.0), (120, 8.0)]),
        ],
    )
    def test_numbers(
        self, reading_store: ReadingStore, aggregate: Aggregate | None, expected: list[tuple[float, Value]]
    ) -> None:
        found = per_hour(reading_store, "active_power_w", aggregate)
        assert found == expected
        kind = int if aggregate is Aggregate.COUNT else float
        assert all(type(value) is kind for _, value in found)

    @pytest.mark.parametrize(
        ("aggregate", "expected"),
        [
            (Aggregate.MEAN, [(0, pytest.approx(1 / 3)), (120, 1.0)]),
            (Aggregate.MIN, [(0, 0.0), (120, 1.0)]),
            (Aggregate.MAX, [(0, 1.0), (120, 1.0)]),
            (Aggregate.SUM, [(0, 1.0), (120, 2.0)]),
            (Aggregate.COUNT, [(0, 3), (120, 2)]),
            (Aggregate.LAST, [(0, False), (120, True)]),
            (Aggregate.TIME_WEIGHTED_MEAN, [(0, 0.5), (120, pytest.approx(1.0))]),
        ],
    )
    def test_booleans_count_as_0_and_1_and_last_stays_one(
        self, reading_store: ReadingStore, aggregate: Aggregate, expected: list[tuple[float, Value]]
    ) -> None:
        found = per_hour(reading_store, "presence", aggregate)
        assert found == expected
        assert all(isinstance(value, bool) == (aggregate is Aggregate.LAST) for _, value in found)

    def test_sums_of_large_counters_do_not_overflow(self, reading_store: ReadingStore) -> None:
        reading_store.write([lamp(1 + second / 60, presence_count=2**53) for second in range(1200)])
        assert per_hour(reading_store, "presence_count", Aggregate.SUM) == [(0, pytest.approx(1202 * 2.0**53))]
        assert per_hour(reading_store, "presence_count", Aggregate.LAST) == [(0, 2)]
        assert per_hour(reading_store, "presence_count", Aggregate.MAX) == [(0, 2.0**53)]

    @pytest.mark.parametrize("aggregate", list(Aggregate))
    def test_what_is_no_number_gives_only_last_and_count(
        self, reading_store: ReadingStore, aggregate: Aggregate
    ) -> None:
        expected: dict[Aggregate, list[tuple[float, Value]]] = {
            Aggregate.LAST: [(0, "off"), (120, "on")],
            Aggregate.COUNT: [(0, 3), (120, 2)],
        }
        assert per_hour(reading_store, "power_state", aggregate) == expected.get(aggregate, [])

    def test_only_the_part_of_an_interval_inside_the_span_counts(self, reading_store: ReadingStore) -> None:
        """The first and last interval are cut, and still dated at the multiple of an hour."""
        assert per_hour(reading_store, "active_power_w", Aggregate.SUM, 30, 165) == [(0, 50.0), (120, -5.0)]
        assert per_hour(reading_store, "active_power_w", Aggregate.COUNT, 0.001, 120) == [(0, 2)]

    def test_intervals_are_multiples_since_1970(self, reading_store: ReadingStore) -> None:
        """1970-01-01 was a Thursday, so weeks start on Thursdays: 2026-02-26; 7 hours: 493 070 * 7 h before 12:00."""
        week = reading_store.series("lamp-1", ["active_power_w"], *ALWAYS, every=timedelta(weeks=1))
        (mean,) = week
        assert (mean.observed_at, mean.value) == (datetime(2026, 2, 26, tzinfo=UTC), pytest.approx(63 / 5))
        hours = int((NOON - datetime(1970, 1, 1, tzinfo=UTC)) / HOUR)
        seven = per_hour(reading_store, "active_power_w", Aggregate.COUNT, every=7 * HOUR)
        assert seven[0][0] == -60 * (hours % 7)

    def test_before_1970(self, reading_store: ReadingStore) -> None:
        at = datetime(1969, 12, 31, 23, 30, tzinfo=UTC)
        reading_store.write(
            [
                Reading("old", "streetlight", "marburg", at, at, {"dim_level": 0.25}),
                Reading("old", "streetlight", "marburg", at + HOUR, at, {"dim_level": 0.75}),
            ]
        )
        for aggregate in (Aggregate.MEAN, Aggregate.TIME_WEIGHTED_MEAN, Aggregate.LAST):
            found = reading_store.series("old", None, *ALWAYS, every=HOUR, aggregate=aggregate)
            assert [one.observed_at for one in found] == [at - HOUR / 2, at + HOUR / 2]
            assert [one.value for one in found] == [0.25, 0.5 if aggregate is Aggregate.TIME_WEIGHTED_MEAN else 0.75]

    def test_several_quantities_in_order_and_in_pages(self, reading_store: ReadingStore) -> None:
        quantities = ["presence", "active_power_w", "power_state", "presence_count", "dim_level"]
        for aggregate in Aggregate:
            everything = reading_store.series("lamp-1", quantities, *ALWAYS, every=HOUR, aggregate=aggregate)
            names = [(round((one.observed_at - NOON) / HOUR), one.quantity) for one in everything]
            numeric = [
                (0, "active_power_w"),
                (0, "presence"),
                (0, "presence_count"),
                (2, "active_power_w"),
                (2, "presence"),
            ]
            texts = [(0, "power_state"), (2, "power_state")] if aggregate in (Aggregate.LAST, Aggregate.COUNT) else []
            assert names == sorted(numeric + texts)
            for limit in (1, 2, 4):
                pages: list[Observation] = []
                after = None
                while page := reading_store.series(
                    "lamp-1", quantities, *ALWAYS, every=HOUR, aggregate=aggregate, limit=limit, after=after
                ):
                    assert len(page) <= limit
                    pages += page
                    assert len(pages) <= len(everything)
                    after = (page[-1].observed_at, page[-1].quantity)
                assert pages == everything

    def test_a_device_that_moved_is_one_series(self, reading_store: ReadingStore) -> None:
        reading_store.write(
            [lamp(45, municipality="zoo", active_power_w=100.0), lamp(90, municipality="zoo", active_power_w=7.0)]
        )
        assert per_hour(reading_store, "active_power_w", Aggregate.MEAN, end=120) == [(0, 40.0), (60, 7.0)]
        assert per_hour(reading_store, "active_power_w", Aggregate.LAST, end=120) == [(0, 10.0), (60, 7.0)]
        # 10 for 30 min, 40 for 15, 100 for 14, 10 for 1; then 10 for 30 and 7 for 30
        weighted = per_hour(reading_store, "active_power_w", Aggregate.TIME_WEIGHTED_MEAN, end=120)
        assert weighted == [(0, pytest.approx((300 + 600 + 1400 + 10) / 60)), (60, pytest.approx(8.5))]

    def test_a_result_too_large_for_a_double_is_left_out(self, reading_store: ReadingStore) -> None:
        reading_store.write([lamp(minute, "huge", active_power_w=1.5e308) for minute in (0, 1, 60)])
        found = reading_store.series("huge", None, *ALWAYS, every=HOUR, aggregate=Aggregate.SUM)
        assert found == [Observation("active_power_w", NOON + HOUR, 1.5e308)]


class TestTimeWeightedMean:
    """Each value holds until the next observation, the interval's end or the span's end."""

    @pytest.fixture(autouse=True)
    def _fill(self, reading_store: ReadingStore) -> None:
        reading_store.write([lamp(10, dim_level=0.1), lamp(40, dim_level=0.2), lamp(135, dim_level=0.3)])

    def test_from_the_first_observation_and_carried_over_empty_intervals(self, reading_store: ReadingStore) -> None:
        """0.1 for 30 min, 0.2 for 20; nothing dated in the second hour; 0.2 carried for 15 min, 0.3 for 45."""
        assert per_hour(reading_store, "dim_level", Aggregate.TIME_WEIGHTED_MEAN) == [
            (0, pytest.approx(7 / 50)),
            (120, pytest.approx((3 + 13.5) / 60)),
        ]

    def test_the_observation_before_the_span_is_carried_in(self, reading_store: ReadingStore) -> None:
        """[12:30, 14:30): 0.1 for 10 min, 0.2 for 20; then 0.2 for 15, 0.3 for 15."""
        assert per_hour(reading_store, "dim_level", Aggregate.TIME_WEIGHTED_MEAN, 30, 150) == [
            (0, pytest.approx(5 / 30)),
            (120, pytest.approx(7.5 / 30)),
        ]

    def test_an_observation_on_the_first_instant_carries_nothing(self, reading_store: ReadingStore) -> None:
        assert per_hour(reading_store, "dim_level", Aggregate.TIME_WEIGHTED_MEAN, 40, 60) == [(0, pytest.approx(0.2))]

    def test_intervals_without_an_observation_have_none(self, reading_store: ReadingStore) -> None:
        assert per_hour(reading_store, "dim_level", Aggregate.TIME_WEIGHTED_MEAN, 60, 120) == []


class TestTotals:
    @pytest.fixture(autouse=True)
    def _fill(self, reading_store: ReadingStore) -> None:
        at = NOON + 5 * MINUTE
        reading_store.write(
            [
                lamp(0, "l1", "marburg", temperature_c=10.0, active_power_w=1.0),
                lamp(20, "l1", "marburg", temperature_c=20.0, presence=True, faults=""),
                lamp(30, "l2", "marburg", temperature_c=60.0, presence=False, presence_count=2**53),
                lamp(30, "l3", "kirchhain", temperature_c=-1.0, presence_count=2**53),
                lamp(90, "l3", "kirchhain", temperature_c=4.0),
                Reading("b1", "waste_bin", "marburg", at, at, {"temperature_c": 8.0, "filling_level": 0.5}),
            ]
        )

    def totals(
        self, store: ReadingStore, quantity: str, aggregate: Aggregate, group_by: GroupBy, **filters: Any
    ) -> list[tuple[float, str, float, int]]:
        start = NOON + filters.pop("start", -60) * MINUTE
        end = NOON + filters.pop("end", 600) * MINUTE
        found = store.totals(quantity, start, end, group_by=group_by, every=HOUR, aggregate=aggregate, **filters)
        assert all(total.every == HOUR and type(total.value) is float for total in found)
        return [((total.start - NOON) / MINUTE, total.group, total.value, total.count) for total in found]

    @pytest.mark.parametrize(
        ("aggregate", "marburg", "kirchhain", "later"),
        [
            (Aggregate.MEAN, 24.5, -1.0, 4.0),
            (Aggregate.MIN, 8.0, -1.0, 4.0),
            (Aggregate.MAX, 60.0, -1.0, 4.0),
            (Aggregate.SUM, 98.0, -1.0, 4.0),
            (Aggregate.COUNT, 4.0, 1.0, 1.0),
        ],
    )
    def test_over_all_observations_of_a_municipality(
        self, reading_store: ReadingStore, aggregate: Aggregate, marburg: float, kirchhain: float, later: float
    ) -> None:
        assert self.totals(reading_store, "temperature_c", aggregate, GroupBy.MUNICIPALITY) == [
            (0, "kirchhain", kirchhain, 1),
            (0, "marburg", marburg, 4),
            (60, "kirchhain", later, 1),
        ]

    def test_by_device_type(self, reading_store: ReadingStore) -> None:
        assert self.totals(reading_store, "temperature_c", Aggregate.MAX, GroupBy.DEVICE_TYPE) == [
            (0, "streetlight", 60.0, 4),
            (0, "waste_bin", 8.0, 1),
            (60, "streetlight", 4.0, 1),
        ]

    @pytest.mark.parametrize(
        ("aggregate", "value"),
        [
            (Aggregate.MEAN, 23.0),
            (Aggregate.MIN, -1.0),
            (Aggregate.MAX, 60.0),
            (Aggregate.SUM, 69.0),
            (Aggregate.COUNT, 3.0),
        ],
    )
    def test_by_street_leaves_out_devices_without_one(
        self, reading_store: ReadingStore, aggregate: Aggregate, value: float
    ) -> None:
        streets = {"l2": 'Straße "A"', "l3": 'Straße "A"', "b1": "Ähre", "absent": "Nowhere"}
        reading_store.write([lamp(40, "l2", temperature_c=10.0)])
        found = self.totals(reading_store, "temperature_c", aggregate, GroupBy.STREET, streets=streets, end=60)
        assert found == [
            (0, 'Straße "A"', pytest.approx(value), 3),
            (0, "Ähre", 1.0 if aggregate is Aggregate.COUNT else 8.0, 1),
        ]

    def test_by_device_wherever_it_was(self, reading_store: ReadingStore) -> None:
        reading_store.write([lamp(50, "l2", "kirchhain", temperature_c=10.0)])
        for _ in range(2):
            assert self.totals(reading_store, "temperature_c", Aggregate.MAX, GroupBy.DEVICE) == [
                (0, "b1", 8.0, 1),
                (0, "l1", 20.0, 2),
                (0, "l2", 60.0, 2),
                (0, "l3", -1.0, 1),
                (60, "l3", 4.0, 1),
            ]
            span = (NOON - 12 * HOUR, NOON + 12 * HOUR)
            daily = reading_store.totals(
                "temperature_c", *span, group_by=GroupBy.DEVICE, every=24 * HOUR, municipality="kirchhain"
            )
            assert [(one.group, one.value, one.count) for one in daily] == [("l2", 10.0, 1), ("l3", 1.5, 2)]
            reading_store.roll_up(NOON + 48 * HOUR)

    def test_filters_narrow_together(self, reading_store: ReadingStore) -> None:
        def groups(**filters: object) -> list[tuple[str, int]]:
            found = self.totals(reading_store, "temperature_c", Aggregate.SUM, GroupBy.MUNICIPALITY, end=60, **filters)
            return [(group, count) for _, group, _, count in found]

        assert groups() == [("kirchhain", 1), ("marburg", 4)]
        assert groups(municipality="marburg") == [("marburg", 4)]
        assert groups(device_type="streetlight") == [("kirchhain", 1), ("marburg", 3)]
        assert groups(municipality="marburg", device_type="waste_bin") == [("marburg", 1)]
        assert groups(municipality="' OR 1=1 --") == []
        assert groups(device_type='x" or true or r._measurement == "') == []
        assert groups(device_type="toaster") == []

    def test_only_the_part_of_an_interval_inside_the_span_counts(self, reading_store: ReadingStore) -> None:
        assert self.totals(reading_store, "temperature_c", Aggregate.SUM, GroupBy.MUNICIPALITY, start=20, end=30) == [
            (0, "marburg", 20.0, 1)
        ]

    def test_booleans_count_as_0_and_1_and_counters_do_not_overflow(self, reading_store: ReadingStore) -> None:
        assert self.totals(reading_store, "presence", Aggregate.MEAN, GroupBy.MUNICIPALITY) == [(0, "marburg", 0.5, 2)]
        reading_store.write([lamp(second / 60, "l4", presence_count=2**53) for second in range(1200)])
        assert self.totals(reading_store, "presence_count", Aggregate.SUM, GroupBy.DEVICE_TYPE) == [
            (0, "streetlight", pytest.approx(1202 * 2.0**53), 1202)
        ]

    def test_what_is_no_number_is_only_counted(self, reading_store: ReadingStore) -> None:
        assert self.totals(reading_store, "faults", Aggregate.COUNT, GroupBy.MUNICIPALITY) == [(0, "marburg", 1.0, 1)]
        assert self.totals(reading_store, "faults", Aggregate.MEAN, GroupBy.MUNICIPALITY) == []

    def test_nothing_found(self, reading_store: ReadingStore) -> None:
        assert self.totals(reading_store, 'x"', Aggregate.SUM, GroupBy.MUNICIPALITY) == []
        assert self.totals(reading_store, "tilt_deg", Aggregate.SUM, GroupBy.MUNICIPALITY) == []
        assert (
            self.totals(reading_store, "tilt_deg", Aggregate.SUM, GroupBy.DEVICE_TYPE, device_type="streetlight") == []
        )
        assert self.totals(reading_store, "temperature_c", Aggregate.SUM, GroupBy.STREET, streets={}) == []
        assert self.totals(reading_store, "temperature_c", Aggregate.SUM, GroupBy.DEVICE_TYPE, start=600) == []

    def test_a_deleted_device_is_gone(self, reading_store: ReadingStore) -> None:
        reading_store.delete(device_id="l3")
        found = self.totals(reading_store, "temperature_c", Aggregate.COUNT, GroupBy.MUNICIPALITY)
        assert found == [(0, "marburg", 4.0, 4)]

    def test_wrong_arguments_are_named(self, reading_store: ReadingStore) -> None:
        span = (NOON, NOON + HOUR)
        for aggregate in (Aggregate.LAST, Aggregate.TIME_WEIGHTED_MEAN):
            with pytest.raises(InvalidInputError, match="aggregate"):
                reading_store.totals("dim_level", *span, group_by=GroupBy.STREET, every=HOUR, aggregate=aggregate)
        with pytest.raises(InvalidInputError, match="street"):
            reading_store.totals("dim_level", *span, group_by=GroupBy.STREET, every=HOUR)
        with pytest.raises(InvalidInputError, match="every"):
            reading_store.totals("dim_level", *span, group_by=GroupBy.MUNICIPALITY, every=timedelta(0))
