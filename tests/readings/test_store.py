"""The sentences of ReadingStore about writing, newest values, series as observed, paging and deleting."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from core.errors import InvalidInputError, StorageError
from core.quantity import Value
from core.reading import DeviceObservation, Observation, Reading
from readings.store import ReadingStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ALWAYS = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))


def lamp(minute: float, device_id: str = "lamp-1", municipality: str = "marburg", **values: Value) -> Reading:
    at = NOON + minute * MINUTE
    return Reading(device_id, "streetlight", municipality, at, at, values)


def waste_bin(minute: float, device_id: str = "bin-1", municipality: str = "marburg", **values: Value) -> Reading:
    at = NOON + minute * MINUTE
    return Reading(device_id, "waste_bin", municipality, at, at, values)


def brief(newest: list[DeviceObservation]) -> list[tuple[str, str, float, Value]]:
    return [(o.device_id, o.quantity, (o.observed_at - NOON) / MINUTE, o.value) for o in newest]


def values(store: ReadingStore, device_id: str = "lamp-1") -> list[tuple[float, str, Value]]:
    return [((o.observed_at - NOON) / MINUTE, o.quantity, o.value) for o in store.series(device_id, None, *ALWAYS)]


class TestWrite:
    @pytest.mark.parametrize(
        ("quantity", "value"),
        [
            ("presence", True),
            ("presence", False),
            ("presence_count", 0),
            ("presence_count", 2**53),
            ("dim_level", 0.1),
            ("dim_level", 5e-324),
            ("active_power_w", -1.7976931348623157e308),
            ("active_power_w", 100.0),
            ("power_state", "booting_up"),
            ("faults", ""),
            ("faults", "day_burner,lamp_failure"),
            ("faults", 'a "b" \\ c, d=é😀 ${x} \' --'),
        ],
    )
    def test_values_keep_their_type(self, reading_store: ReadingStore, quantity: str, value: Value) -> None:
        reading_store.write([lamp(0, "lamp-1", "marburg", **{quantity: value})])
        expected = Observation(quantity, NOON, value)
        for found in (
            reading_store.series("lamp-1", [quantity], *ALWAYS)[0],
            Observation(quantity, NOON, reading_store.latest()[0].value),
        ):
            assert found == expected
            assert type(found.value) is type(value)

    def test_a_whole_number_comes_back_as_a_number(self, reading_store: ReadingStore) -> None:
        reading_store.write([lamp(0, dim_level=1)])
        assert type(reading_store.latest()[0].value) is float

    def test_instants_keep_microseconds_and_come_back_in_utc(self, reading_store: ReadingStore) -> None:
        at = datetime(2026, 3, 29, 2, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=5, minutes=45)))
        reading_store.write([Reading("lamp-1", "streetlight", "marburg", at, at, {"dim_level": 0.5})])
        expected = datetime(2026, 3, 28, 21, 14, 59, 999_999, tzinfo=UTC)
        for found in (
            reading_store.latest()[0].observed_at,
            reading_store.series("lamp-1", None, *ALWAYS)[0].observed_at,
        ):
            assert found == expected
            assert found.utcoffset() == timedelta(0)

    @pytest.mark.parametrize("year", [1678, 1969, 2261])
    def test_far_instants_are_kept(self, reading_store: ReadingStore, year: int) -> None:
        at = datetime(year, 6, 1, 12, 0, 0, 1, tzinfo=UTC)
        reading_store.write([Reading("lamp-1", "streetlight", "marburg", at, at, {"dim_level": 0.5})])
        assert reading_store.series("lamp-1", None, *ALWAYS) == [Observation("dim_level", at, 0.5)]
        assert [found.observed_at for found in reading_store.latest()] == [at]

    def test_the_same_instant_again_overwrites_named_values_and_leaves_others(
        self, reading_store: ReadingStore
    ) -> None:
        reading_store.write([lamp(0, dim_level=0.2, temperature_c=4.0)])
        reading_store.write([lamp(0, dim_level=0.9, power_state="on")])
        expected = [(0.0, "dim_level", 0.9), (0.0, "power_state", "on"), (0.0, "temperature_c", 4.0)]
        assert values(reading_store) == expected
        assert brief(reading_store.latest()) == [("lamp-1", name, at, value) for at, name, value in expected]

    def test_the_last_of_one_batch_wins_at_the_same_instant(self, reading_store: ReadingStore) -> None:
        reading_store.write([lamp(0, dim_level=0.1), lamp(0, temperature_c=3.0), lamp(0, dim_level=0.2)])
        assert values(reading_store) == [(0.0, "dim_level", 0.2), (0.0, "temperature_c", 3.0)]
        assert brief(reading_store.latest())[0] == ("lamp-1", "dim_level", 0.0, 0.2)

    def test_nothing_to_write(self, reading_store: ReadingStore) -> None:
        reading_store.write([])
        reading_store.write([lamp(0)])
        assert reading_store.latest() == []

    @pytest.mark.parametrize(
        ("wrong", "named"),
        [
            (lamp(0, filling_level=0.5), "filling_level"),
            (lamp(0, dim_level=float("nan")), "dim_level"),
            (lamp(0, active_power_w=float("inf")), "active_power_w"),
            (lamp(0, device_id="lamp 1", dim_level=0.5), "device id"),
            (lamp(0, device_id='x",device_id="y', dim_level=0.5), "device id"),
            (lamp(0, municipality="Mar,burg", dim_level=0.5), "municipality"),
            (Reading("lamp-1", "toaster", "marburg", NOON, NOON, {"dim_level": 0.5}), "toaster"),
            (
                Reading("lamp-1", "streetlight", "marburg", datetime(1677, 1, 1, tzinfo=UTC), NOON, {"dim_level": 0.5}),
                "1678",
            ),
            (
                Reading("lamp-1", "streetlight", "marburg", datetime(2262, 1, 1, tzinfo=UTC), NOON, {"dim_level": 0.5}),
                "2261",
            ),
        ],
    )
    def test_what_cannot_be_kept_is_refused_with_all_of_its_batch(
        self, reading_store: ReadingStore, wrong: Reading, named: str
    ) -> None:
        with pytest.raises(StorageError, match=named):
            reading_store.write([lamp(0, device_id="good", dim_level=0.5), wrong])
        assert reading_store.latest() == []
        assert reading_store.series("good", None, *ALWAYS) == []
        reading_store.write([lamp(1, dim_level=0.5)])
        assert values(reading_store) == [(1.0, "dim_level", 0.5)]

    def test_more_than_one_request_of_readings(self, reading_store: ReadingStore) -> None:
        reading_store.write([lamp(index, dim_level=0.5, presence_count=index) for index in range(12_000)])
        found = reading_store.series("lamp-1", ["presence_count"], *ALWAYS)
        assert [observation.value for observation in found] == list(range(12_000))


class TestLatest:
    def test_newest_of_each_quantity_ordered_by_device_and_quantity(self, reading_store: ReadingStore) -> None:
        reading_store.write(
            [
                lamp(0, "b", dim_level=0.1, temperature_c=1.0),
                lamp(5, "b", dim_level=0.2),
                lamp(3, "B", power_state="on"),
                waste_bin(1, "a", filling_level=0.4),
            ]
        )
        assert brief(reading_store.latest()) == [
            ("B", "power_state", 3.0, "on"),
            ("a", "filling_level", 1.0, 0.4),
            ("b", "dim_level", 5.0, 0.2),
            ("b", "temperature_c", 0.0, 1.0),
        ]
        assert reading_store.latest(device_ids=["a"]) == [
            DeviceObservation("a", "waste_bin", "marburg", "filling_level", NOON + MINUTE, 0.4)
        ]

    def test_a_late_reading_never_takes_the_place_of_a_newer_one(self, reading_store: ReadingStore) -> None:
        reading_store.write([lamp(10, dim_level=0.2)])
        reading_store.write([lamp(5, dim_level=0.7, temperature_c=2.0)])
        reading_store.write([lamp(6, dim_level=0.8), lamp(1, dim_level=0.9, temperature_c=9.0)])
        assert brief(reading_store.latest()) == [
            ("lamp-1", "dim_level", 10.0, 0.2),
            ("lamp-1", "temperature_c", 5.0, 2.0),
        ]

    def test_filters_narrow_together(self, reading_store: ReadingStore) -> None:
        reading_store.write(
            [
                lamp(0, "l1", "marburg", temperature_c=1.0),
                lamp(0, "l2", "kirchhain", temperature_c=2.0),
                waste_bin(0, "b1", "marburg", temperature_c=3.0),
            ]
        )

        def devices(**filters: Any) -> list[str]:
            return [found.device_id for found in reading_store.latest(**filters)]

        assert devices() == ["b1", "l1", "l2"]
        assert devices(municipality="marburg") == ["b1", "l1"]
        assert devices(device_type="streetlight") == ["l1", "l2"]
        assert devices(municipality="marburg", device_type="streetlight") == ["l1"]
        assert devices(device_ids=["l2", "b1", "b1"]) == ["b1", "l2"]
        assert devices(device_ids=["l2"], municipality="marburg") == []
        assert devices(device_ids=[]) == []
        assert devices(device_ids=["no such"], device_type="streetlight") == []
        assert devices(device_type="toaster") == []
        assert devices(municipality='x" or true or r.municipality == "') == []
        assert devices(device_ids=["' OR 1=1 --"]) == []

    def test_many_device_ids(self, reading_store: ReadingStore) -> None:
        reading_store.write([lamp(0, f"lamp-{index:03d}", dim_level=index / 1000) for index in range(300)])
        wanted = [f"lamp-{index:03d}" for index in range(0, 300, 2)] + [f"absent-{index}" for index in range(2000)]
        found = reading_store.latest(device_ids=wanted)
        assert [(one.device_id, one.value) for one in found] == [
            (f"lamp-{index:03d}", index / 1000) for index in range(0, 300, 2)
        ]

    def test_a_device_that_moves_leaves_its_history_where_it_was_observed(self, reading_store: ReadingStore) -> None:
        reading_store.write([lamp(0, municipality="marburg", dim_level=0.1, temperature_c=1.0)])
        reading_store.write([lamp(5, municipality="kirchhain", dim_level=0.5)])
        reading_store.write([lamp(3, municipality="marburg", dim_level=0.3)])
        newest = [(o.municipality, o.quantity, o.value) for o in reading_store.latest()]
        assert newest == [("kirchhain", "dim_level", 0.5), ("marburg", "temperature_c", 1.0)]
        assert [(o.quantity, o.value) for o in reading_store.latest(municipality="marburg")] == [
            ("dim_level", 0.3),
            ("temperature_c", 1.0),
        ]
        assert values(reading_store) == [
            (0.0, "dim_level", 0.1),
            (0.0, "temperature_c", 1.0),
            (3.0, "dim_level", 0.3),
            (5.0, "dim_level", 0.5),
        ]

    @pytest.mark.parametrize("order", [1, -1])
    def test_two_municipalities_at_one_instant_are_one_observation(
        self, reading_store: ReadingStore, order: int
    ) -> None:
        """The greater name wins, whatever was written first: repetition in any order ends the same."""
        both = [lamp(0, municipality="a", dim_level=0.1), lamp(0, municipality="b", dim_level=0.2)][::order]
        for reading in both:
            reading_store.write([reading])
        assert values(reading_store) == [(0.0, "dim_level", 0.2)]
        assert brief(reading_store.latest()) == [("lamp-1", "dim_level", 0.0, 0.2)]


class TestSeries:
    def test_ascending_by_instant_and_quantity_from_start_until_before_end(self, reading_store: ReadingStore) -> None:
        tick = timedelta(microseconds=1) / MINUTE
        reading_store.write(
            [lamp(minute, temperature_c=minute, dim_level=0.5) for minute in (10, 10 - tick, 0, -tick, 5)]
        )
        found = reading_store.series("lamp-1", ["temperature_c", "dim_level"], NOON, NOON + 10 * MINUTE)
        assert [(o.observed_at, o.quantity) for o in found] == [
            (NOON, "dim_level"),
            (NOON, "temperature_c"),
            (NOON + 5 * MINUTE, "dim_level"),
            (NOON + 5 * MINUTE, "temperature_c"),
            (NOON + 10 * MINUTE - timedelta(microseconds=1), "dim_level"),
            (NOON + 10 * MINUTE - timedelta(microseconds=1), "temperature_c"),
        ]

    def test_only_the_device_and_quantities_asked_for(self, reading_store: ReadingStore) -> None:
        reading_store.write([lamp(0, dim_level=0.1, power_state="on"), lamp(0, "lamp-2", dim_level=0.2)])
        assert reading_store.series("lamp-1", ["power_state"], *ALWAYS) == [Observation("power_state", NOON, "on")]
        assert reading_store.series("lamp-1", [], *ALWAYS) == []
        assert reading_store.series("lamp-1", ["filling_level", 'x"; DROP'], *ALWAYS) == []
        assert reading_store.series('lamp-1" or true or "', None, *ALWAYS) == []
        assert reading_store.series("lamp", None, *ALWAYS) == []

    def test_an_empty_span_has_nothing(self, reading_store: ReadingStore) -> None:
        reading_store.write([lamp(0, dim_level=0.1)])
        assert reading_store.series("lamp-1", None, NOON, NOON) == []
        assert reading_store.series("lamp-1", None, NOON + MINUTE, NOON) == []

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
    def test_pages_cover_everything_exactly_once(self, reading_store: ReadingStore, limit: int) -> None:
        reading_store.write([lamp(minute, dim_level=0.5, presence=True) for minute in range(5)])
        reading_store.write([lamp(minute, faults="", presence_count=minute) for minute in (0, 2, 4)])
        reading_store.write([lamp(minute, municipality="zoo", presence=False, snr_db=1.0) for minute in (1, 2, 7)])
        everything = reading_store.series("lamp-1", None, *ALWAYS)
        assert len(everything) == 5 * 2 + 3 * 2 + 3 + 1
        pages: list[Observation] = []
        after = None
        while page := reading_store.series("lamp-1", None, *ALWAYS, limit=limit, after=after):
            assert len(page) == limit or len(pages) + len(page) == len(everything)
            pages += page
            assert len(pages) <= len(everything)
            after = (page[-1].observed_at, page[-1].quantity)
        assert pages == everything

    def test_wrong_arguments_are_named(self, reading_store: ReadingStore) -> None:
        for named, arguments in (
            ("every", {"every": timedelta(0)}),
            ("every", {"every": -MINUTE}),
            ("every", {"every": timedelta.max}),
            ("aggregate", {"aggregate": "mean"}),
            ("limit", {"limit": 0}),
        ):
            with pytest.raises(InvalidInputError, match=named):
                reading_store.series("lamp-1", None, *ALWAYS, **arguments)


class TestDelete:
    def fill(self, store: ReadingStore) -> None:
        store.write(
            [lamp(0, dim_level=0.1, power_state="on"), lamp(10, dim_level=0.2), lamp(0, "lamp-2", dim_level=0.3)]
        )
        store.write([lamp(4, municipality="zoo", dim_level=0.4), waste_bin(12, filling_level=0.6)])

    def test_a_device(self, reading_store: ReadingStore) -> None:
        self.fill(reading_store)
        reading_store.delete(device_id="lamp-1")
        assert values(reading_store) == []
        assert brief(reading_store.latest()) == [
            ("bin-1", "filling_level", 12.0, 0.6),
            ("lamp-2", "dim_level", 0.0, 0.3),
        ]

    def test_what_is_older_than_an_instant(self, reading_store: ReadingStore) -> None:
        self.fill(reading_store)
        reading_store.delete(before=NOON + 10 * MINUTE)
        assert values(reading_store) == [(10.0, "dim_level", 0.2)]
        assert brief(reading_store.latest()) == [
            ("bin-1", "filling_level", 12.0, 0.6),
            ("lamp-1", "dim_level", 10.0, 0.2),
        ]

    def test_the_instant_itself_stays_to_the_microsecond(self, reading_store: ReadingStore) -> None:
        reading_store.write([lamp(0, dim_level=0.1), lamp(0, "lamp-2", dim_level=0.2)])
        reading_store.delete(before=NOON)
        assert len(reading_store.latest()) == 2
        reading_store.delete(before=NOON + timedelta(microseconds=1), device_id="lamp-2")
        assert brief(reading_store.latest()) == [("lamp-1", "dim_level", 0.0, 0.1)]

    def test_both_together(self, reading_store: ReadingStore) -> None:
        self.fill(reading_store)
        reading_store.delete(device_id="lamp-1", before=NOON + 4 * MINUTE)
        assert values(reading_store) == [(4.0, "dim_level", 0.4), (10.0, "dim_level", 0.2)]
        assert values(reading_store, "lamp-2") == [(0.0, "dim_level", 0.3)]

    def test_what_is_written_afterwards_counts_again(self, reading_store: ReadingStore) -> None:
        """Also an older and the very same instant: nothing of what was deleted keeps them out."""
        self.fill(reading_store)
        reading_store.delete(device_id="lamp-1")
        reading_store.write([lamp(-5, dim_level=0.8), lamp(0, power_state="off")])
        assert values(reading_store) == [(-5.0, "dim_level", 0.8), (0.0, "power_state", "off")]
        assert brief(reading_store.latest(device_ids=["lamp-1"])) == [
            ("lamp-1", "dim_level", -5.0, 0.8),
            ("lamp-1", "power_state", 0.0, "off"),
        ]

    @pytest.mark.parametrize("device_id", ["absent", 'lamp-1" or device_id="lamp-2', "' OR 1=1 --", ""])
    def test_a_device_that_has_none(self, reading_store: ReadingStore, device_id: str) -> None:
        self.fill(reading_store)
        reading_store.delete(device_id=device_id)
        assert len(reading_store.latest()) == 4

    def test_far_instants(self, reading_store: ReadingStore) -> None:
        self.fill(reading_store)
        reading_store.delete(before=ALWAYS[0])
        assert len(reading_store.latest()) == 4
        reading_store.delete(before=ALWAYS[1])
        assert reading_store.latest() == []

    def test_everything_is_refused(self, reading_store: ReadingStore) -> None:
        with pytest.raises(InvalidInputError):
            reading_store.delete()


def test_ping_answers(reading_store: ReadingStore) -> None:
    reading_store.ping()
