"""Rollups change no answer: two stores that are told the same, of which one rolls up."""

import tempfile
import threading
import uuid
from collections.abc import Collection
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from core.quantity import Value
from core.reading import TOTAL_AGGREGATES, Aggregate, GroupBy, Observation, Reading, Total
from readings.beside.opened import open_beside
from readings.influx.store import InfluxReadings
from readings.sqlite.store import SqliteReadings
from readings.store import ReadingStore

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ALWAYS = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
DEVICES = {"lamp-1": "streetlight", "lamp-2": "streetlight", "bin-1": "waste_bin"}
STREETS = {"lamp-1": "Am Markt", "bin-1": "Am Markt", "lamp-2": "Ufer"}
QUANTITIES = ["active_power_w", "presence", "presence_count", "power_state", "temperature_c"]

instants = st.one_of(
    st.integers(-4, 20).map(lambda quarter_days: MIDNIGHT + quarter_days * DAY / 4),
    st.integers(-3600, 5 * 86_400).map(lambda second: MIDNIGHT + timedelta(seconds=second, microseconds=7)),
    st.integers(-30, 30).map(lambda hour: datetime(1970, 1, 1, tzinfo=UTC) + hour * HOUR),
)
lamp_values: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "active_power_w": st.floats(-1e6, 1e6).map(lambda value: value + 0.0),
        "presence": st.booleans(),
        "presence_count": st.integers(0, 2**53),
        "power_state": st.sampled_from(["on", "off", "low"]),
    },
).filter(bool)
bin_values: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries({"temperature_c": st.floats(-50, 50)})


@st.composite
def some_readings(draw: st.DrawFn) -> list[Reading]:
    readings: list[Reading] = []
    for device_id in draw(st.lists(st.sampled_from(sorted(DEVICES)), min_size=1, max_size=8)):
        at = draw(instants)
        values = draw(lamp_values if DEVICES[device_id] == "streetlight" else bin_values)
        municipality = draw(st.sampled_from(["marburg"] * 6 + ["zoo"]))
        readings.append(Reading(device_id, DEVICES[device_id], municipality, at, at, values))
    return readings


def close(left: list[Observation], right: list[Observation]) -> bool:
    """The same, but for the rounding of sums in another order."""
    return [replace(one, value=0) for one in left] == [replace(one, value=0) for one in right] and all(
        type(one.value) is type(other.value)
        and (one.value == other.value or one.value == pytest.approx(other.value, rel=1e-9, abs=1e-6))
        for one, other in zip(left, right, strict=True)
    )


def added_up(found: list[Total]) -> list[tuple[object, ...]]:
    return [(one.start, one.every, one.group, one.count) for one in found]


def in_two_places_at_once(plain: SqliteReadings) -> bool:
    """Whether some device has readings of one instant in two municipalities."""
    return any(
        plain._file.select(
            f'SELECT 1 FROM "readings_{kind}" AS r JOIN devices AS d ON d.key = r.device '
            "GROUP BY d.device_id, r.observed_us HAVING count(*) > 1 LIMIT 1",
            {},
        )
        for kind in ("streetlight", "waste_bin")
    )


class SameAnswers(RuleBasedStateMachine):
    """`plain` is never rolled up."""

    picks_any_of_one_instant = False
    """Whether a device's values of one instant in two municipalities leave its time-weighted mean open."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.rolled: ReadingStore = self.open_rolled()
        self.plain = SqliteReadings(str(Path(self.folder.name) / "plain.db"))
        self.stores = (self.rolled, self.plain)

    def open_rolled(self) -> ReadingStore:
        return SqliteReadings(str(Path(self.folder.name) / "rolled.db"))

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        self.folder.cleanup()

    @initialize(readings=some_readings(), now=instants)
    def begin(self, readings: list[Reading], now: datetime) -> None:
        self.write(readings)
        assert self.rolled.roll_up(now)

    @rule(readings=some_readings())
    def write(self, readings: list[Reading]) -> None:
        for store in self.stores:
            store.write(readings)

    @rule(now=instants)
    def roll_up(self, now: datetime) -> None:
        assert self.rolled.roll_up(now)

    @rule(device_id=st.sampled_from(sorted(DEVICES)), before=st.none() | instants)
    def delete_device(self, device_id: str, before: datetime | None) -> None:
        for store in self.stores:
            store.delete(device_id=device_id, before=before)

    @rule(before=instants)
    def delete_old(self, before: datetime) -> None:
        for store in self.stores:
            store.delete(before=before)

    @rule(
        quantity=st.sampled_from(QUANTITIES),
        before=instants,
        municipality=st.sampled_from([None, "marburg", "zoo"]),
        spared=st.sampled_from([(), ("zoo",)]),
    )
    def forget(self, quantity: str, before: datetime, municipality: str | None, spared: tuple[str, ...]) -> None:
        for store in self.stores:
            store.forget(quantity, before, municipality=municipality, spared=spared)

    @rule(
        device_id=st.sampled_from(sorted(DEVICES)),
        span=st.tuples(instants, instants) | st.just(ALWAYS),
        every=st.sampled_from([DAY, DAY, 2 * DAY, 7 * DAY, HOUR]),
        aggregate=st.sampled_from(list(Aggregate)),
        limit=st.none() | st.integers(1, 3),
    )
    def series(
        self,
        device_id: str,
        span: tuple[datetime, datetime],
        every: timedelta,
        aggregate: Aggregate,
        limit: int | None,
    ) -> None:
        start, end = sorted(span)
        answers = [
            store.series(device_id, None, start, end, every=every, aggregate=aggregate, limit=limit)
            for store in self.stores
        ]
        assert close(*answers)

    @rule(
        quantity=st.sampled_from(QUANTITIES),
        span=st.tuples(instants, instants) | st.just(ALWAYS),
        every=st.sampled_from([HOUR, 3 * HOUR, DAY, 7 * DAY, HOUR / 2]),
        group_by=st.sampled_from(list(GroupBy)),
        aggregate=st.sampled_from(TOTAL_AGGREGATES),
        municipality=st.sampled_from([None, "marburg"]),
        device_type=st.sampled_from([None, "streetlight"]),
    )
    def totals(  # noqa: PLR0917
        self,
        quantity: str,
        span: tuple[datetime, datetime],
        every: timedelta,
        group_by: GroupBy,
        aggregate: Aggregate,
        municipality: str | None,
        device_type: str | None,
    ) -> None:
        start, end = sorted(span)
        answers = [
            store.totals(
                quantity,
                start,
                end,
                group_by=group_by,
                every=every,
                aggregate=aggregate,
                streets=STREETS,
                municipality=municipality,
                device_type=device_type,
            )
            for store in self.stores
        ]
        assert added_up(answers[0]) == added_up(answers[1])
        assert [one.value for one in answers[0]] == pytest.approx([one.value for one in answers[1]], rel=1e-9, abs=1e-6)

    @invariant()
    def same_readings(self) -> None:
        assert self.rolled.latest() == self.plain.latest()
        for device_id in DEVICES:
            assert self.rolled.series(device_id, None, *ALWAYS) == self.plain.series(device_id, None, *ALWAYS)
            daily = [
                store.series(device_id, None, *ALWAYS, every=DAY, aggregate=Aggregate.TIME_WEIGHTED_MEAN)
                for store in self.stores
            ]
            assert close(*daily) or (self.picks_any_of_one_instant and in_two_places_at_once(self.plain))

    @invariant()
    def same_counters(self) -> None:
        bounds = [MIDNIGHT + day * DAY - HOUR for day in range(-2, 7)]
        spans = [store.counters("presence_count", bounds) for store in self.stores]
        assert [span._replace(gained=0) for span in spans[0]] == [span._replace(gained=0) for span in spans[1]]
        assert [span.gained for span in spans[0]] == pytest.approx([span.gained for span in spans[1]])


TestSameAnswers = SameAnswers.TestCase
TestSameAnswers.settings = settings(
    max_examples=25,
    stateful_step_count=15,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class SameAnswersOnInfluxdb(SameAnswers):
    """The hourly totals begin three days before most of what is written: some of it is late, some is not."""

    picks_any_of_one_instant = True

    def __init__(self, server: Any, apart: Collection[str]) -> None:
        self.server = server
        self.apart = apart
        super().__init__()

    def open_rolled(self) -> ReadingStore:
        beside = open_beside(f"sqlite:///{self.folder.name}/state.db")
        name = f"test-{uuid.uuid4().hex}"
        where = {"url": self.server.url, "token": self.server.token, "org": self.server.org, "bucket": name}
        store = InfluxReadings(**where, apart=self.apart, beside=beside)
        store.renew(MIDNIGHT - 3 * DAY)
        return store

    def teardown(self) -> None:
        assert isinstance(self.rolled, InfluxReadings)
        buckets = self.rolled._client.buckets_api()
        buckets.delete_bucket(buckets.find_bucket_by_name(self.rolled._bucket))
        super().teardown()

    @rule()
    def renew(self) -> None:
        """Made anew of what is there; the next roll-up does it all."""
        self.rolled.renew(MIDNIGHT + 3 * DAY)


def test_same_answers_on_influxdb(influxdb_server: Any) -> None:
    run_state_machine_as_test(
        lambda: SameAnswersOnInfluxdb(influxdb_server, QUANTITIES),  # type: ignore[arg-type] # a factory will do
        settings=settings(TestSameAnswers.settings, max_examples=10),
    )


def lamp(at: datetime, **values: Value) -> Reading:
    return Reading("lamp-1", "streetlight", "marburg", at, at, values)


def rollup_rows(store: SqliteReadings, name: str) -> list[int]:
    return [store._file.select(f'SELECT count(*) FROM "{table}_{name}"', {})[0][0] for table in ("daily", "hourly")]


def test_long_spans_are_answered_from_rollups(sqlite_readings: SqliteReadings) -> None:
    """Falsified rollups show: whole days and hours come from them, the edges and what is stale from the readings."""
    store = sqlite_readings
    store.write([lamp(MIDNIGHT + hour * HOUR, dim_level=0.5) for hour in range(72)])
    assert store.roll_up(MIDNIGHT + 4 * DAY)
    assert rollup_rows(store, "dim_level") == [3, 72]
    with store._file.transaction() as connection:
        connection.execute('UPDATE "daily_dim_level" SET hi = 9')
        connection.execute('UPDATE "hourly_dim_level" SET hi = 9')

    def highest(start: datetime) -> list[float]:
        span = (start, MIDNIGHT + 3 * DAY)
        daily = store.series("lamp-1", ["dim_level"], *span, every=DAY, aggregate=Aggregate.MAX)
        total = store.totals("dim_level", *span, every=DAY, group_by=GroupBy.MUNICIPALITY, aggregate=Aggregate.MAX)
        assert [one.value for one in daily] == [one.value for one in total] or start != MIDNIGHT
        return [float(one.value) for one in daily]

    assert highest(MIDNIGHT) == [9, 9, 9]
    assert highest(MIDNIGHT + 6 * HOUR) == [0.5, 9, 9]
    store.write([lamp(MIDNIGHT + 30 * HOUR, dim_level=0.5)])
    assert highest(MIDNIGHT + 6 * HOUR) == [0.5, 0.5, 0.5]
    assert store.roll_up(MIDNIGHT + 4 * DAY)
    assert highest(MIDNIGHT + 6 * HOUR) == [0.5, 0.5, 9]


def test_what_is_forgotten_is_nowhere(sqlite_readings: SqliteReadings) -> None:
    store = sqlite_readings
    store.write([lamp(MIDNIGHT, presence=True, presence_count=7), lamp(MIDNIGHT + HOUR, presence=False)])
    assert store.roll_up(MIDNIGHT + 2 * DAY)
    store.write([lamp(MIDNIGHT + 2 * HOUR, presence=True)])  # late, not rolled up yet
    store.forget("presence", MIDNIGHT + 3 * HOUR)
    assert store.roll_up(MIDNIGHT + 2 * DAY)
    assert store.series("lamp-1", None, *ALWAYS) == [Observation("presence_count", MIDNIGHT, 7)]
    assert [one.quantity for one in store.latest()] == ["presence_count"]
    assert rollup_rows(store, "presence") == [0, 0]
    assert store._file.select("SELECT count(*) FROM readings_streetlight", {}) == [(1,)]


def test_a_day_that_ends_is_rolled_up_from_its_beginning(sqlite_readings: SqliteReadings) -> None:
    """Rolled up every hour: what was said in the morning counts, also if the device was silent in the evening."""
    store = sqlite_readings
    store.write([lamp(MIDNIGHT + 8 * HOUR, dim_level=0.5)])
    for hour in range(9, 27):
        assert store.roll_up(MIDNIGHT + hour * HOUR)
    assert rollup_rows(store, "dim_level") == [1, 1]


def test_quantities_of_different_readings_are_rolled_up_each_by_its_own(sqlite_readings: SqliteReadings) -> None:
    """As many of one as of the other, but not in the same readings: each holds until its own next value."""
    store = sqlite_readings
    store.write([lamp(MIDNIGHT, dim_level=0.25, voltage_v=230.0), lamp(MIDNIGHT + 6 * HOUR, dim_level=0.75)])
    store.write([lamp(MIDNIGHT + 18 * HOUR, voltage_v=234.0)])
    assert store.roll_up(MIDNIGHT + 3 * DAY)
    with store._file.transaction() as connection:
        connection.execute("DELETE FROM readings_streetlight")
    span = (MIDNIGHT, MIDNIGHT + DAY)
    for aggregate, expected in (
        (Aggregate.TIME_WEIGHTED_MEAN, [0.625, 231.0]),
        (Aggregate.LAST, [0.75, 234.0]),
        (Aggregate.COUNT, [2, 2]),
        (Aggregate.SUM, [1.0, 464.0]),
    ):
        daily = store.series("lamp-1", None, *span, every=DAY, aggregate=aggregate)
        assert [one.value for one in daily] == expected


def test_totals_of_influxdb_are_answered_from_rollups(influx_readings_as_opened: InfluxReadings) -> None:
    """Falsified rollups show: whole hours come from them, edges, what is stale and what is new from the readings."""
    store = influx_readings_as_opened
    assert store._beside is not None
    store.write([lamp(MIDNIGHT + hour * HOUR / 2, dim_level=0.5) for hour in range(8)])  # all late: it is long ago

    def highest(start: datetime, every: timedelta = HOUR) -> list[float]:
        span = (start, MIDNIGHT + 4 * HOUR)
        totals = store.totals("dim_level", *span, every=every, group_by=GroupBy.DEVICE_TYPE, aggregate=Aggregate.MAX)
        return [total.value for total in totals]

    assert store.roll_up(MIDNIGHT + DAY)
    with store._beside._beside.engine.begin() as connection:
        connection.execute(text("UPDATE hourly_totals SET hi = 9"))
    assert highest(MIDNIGHT) == [9, 9, 9, 9]
    assert highest(MIDNIGHT + HOUR / 4) == [0.5, 9, 9, 9]
    assert highest(MIDNIGHT, 2 * HOUR) == [9, 9]
    assert highest(MIDNIGHT, HOUR / 2) == [0.5] * 8
    store.write([lamp(MIDNIGHT + 2 * HOUR, dim_level=0.25)])
    assert highest(MIDNIGHT) == [9, 9, 0.5, 0.5]
    assert store.roll_up(MIDNIGHT + DAY)
    assert highest(MIDNIGHT) == [9, 9, 0.5, 9]
    store.renew(MIDNIGHT + DAY)
    assert highest(MIDNIGHT) == [0.5] * 4
    assert store.roll_up(MIDNIGHT + 2 * DAY)
    assert highest(MIDNIGHT) == [0.5] * 4


def test_written_and_rolled_up_at_once(tmp_path: Path) -> None:
    """Late readings of one thread while two stores on the same file roll up; in the end all is right."""
    path = str(tmp_path / "readings.db")
    failures: list[BaseException] = []
    done = threading.Event()

    def roll_up(store: SqliteReadings) -> None:
        try:
            while not done.is_set():
                store.roll_up(MIDNIGHT + 9 * DAY)
        except BaseException as failure:  # noqa: BLE001 - given to the test below
            failures.append(failure)

    with closing(SqliteReadings(path)) as one, closing(SqliteReadings(path)) as other:
        threads = [threading.Thread(target=roll_up, args=[store]) for store in (one, other)]
        for thread in threads:
            thread.start()
        for index in range(300):
            one.write([lamp(MIDNIGHT + (index * 7 % 72) * HOUR + index * timedelta(seconds=1), presence_count=index)])
        done.set()
        for thread in threads:
            thread.join(60)
        assert not failures
        assert one.roll_up(MIDNIGHT + 9 * DAY)
        daily = one.series("lamp-1", ["presence_count"], *ALWAYS, every=DAY, aggregate=Aggregate.SUM)
        assert len(daily) == 3
        assert sum(float(each.value) for each in daily) == sum(range(300))
        hourly = one.totals(
            "presence_count", *ALWAYS, every=HOUR, group_by=GroupBy.MUNICIPALITY, aggregate=Aggregate.SUM
        )
        assert sum(each.value for each in hourly) == sum(range(300))
