import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from core.quantity import CATALOGUE, split_faults
from core.reading import Observation, Reading
from core.topics import Topics
from devices.registry import device_type
from readings.sqlite.store import SqliteReadings
from simulators.faults import LATE_CLOCK_S, FaultKind
from simulators.fleet import Fleet
from simulators.history import History, resume, write_history

END = datetime(2026, 11, 20, 15, tzinfo=UTC)
DAYS = 8
START = END - timedelta(days=DAYS)
MakeFleet = Callable[..., Fleet]


class Past:
    """A fleet with eight days of history in a store, and what was told on the way."""

    def __init__(self, fleet: Fleet, store: SqliteReadings) -> None:
        self.fleet = fleet
        self.store = store
        self.progress: list[float] = []
        self.history: History = write_history(fleet, store, start=START, end=END, progress=self.progress.append)

    def series(self, device_id: str, *quantities: str) -> list[Observation]:
        return self.store.series(device_id, quantities, START - timedelta(hours=1), END)

    def device_with(self, fault: FaultKind | None, prefix: str) -> str:
        faults = self.fleet.faults
        return next(
            device.device_id
            for device in self.fleet.devices
            if device.device_id.startswith(prefix) and faults.get(device.device_id) is fault
        )


@pytest.fixture(scope="module")
def past(region: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    from simulators.fleet import build_fleet  # noqa: PLC0415 - the shared fixture makes one per test
    from simulators.region import Region  # noqa: PLC0415

    assert isinstance(region, Region)
    store = SqliteReadings(str(tmp_path_factory.mktemp("history") / "readings.db"))
    yield Past(build_fleet(region, lamps=200, bins=80), store)
    store.close()


def _values(observations: Sequence[Observation]) -> list[float]:
    return [float(observation.value) for observation in observations]


def test_progress_grows_to_one(past: Past) -> None:
    assert past.progress == sorted(past.progress)
    assert past.progress[-1] == 1.0
    assert len(past.progress) == 280


def test_every_device_has_a_past_that_the_catalogue_knows(past: Past) -> None:
    latest = past.store.latest()
    assert {observation.device_id for observation in latest} == {device.device_id for device in past.fleet.devices}
    assert past.history.last_seen.keys() == {device.device_id for device in past.fleet.devices}
    for observation in latest:
        assert START - timedelta(hours=1) <= observation.observed_at < END
        quantity = CATALOGUE[observation.quantity]
        raw = split_faults(str(observation.value)) if observation.quantity == "faults" else observation.value
        assert quantity.accept(raw) == observation.value


def test_a_lamp_reports_every_quarter_of_an_hour_in_the_dark_and_hourly_by_day(past: Past) -> None:
    lamp = past.device_with(None, "lamp-lohra")
    day = datetime(2026, 11, 18, tzinfo=UTC)
    by_hour = [
        len(past.store.series(lamp, ["dim_level"], day + timedelta(hours=hour), day + timedelta(hours=hour + 1)))
        for hour in (2, 11, 13, 21)
    ]
    assert by_hour == [4, 1, 1, 4]


def test_lamps_are_dark_by_day_at_standby_at_night_and_sometimes_raised(past: Past) -> None:
    levels = past.series("lamp-marburg-0010", "dim_level")
    by_day = {float(level.value) for level in levels if 8 <= level.observed_at.hour < 15}
    at_night = [float(level.value) for level in levels if level.observed_at.hour in (18, 19, 20, 21, 22, 23)]
    assert by_day == {0.0}
    assert set(at_night) == {0.2, 1.0}
    assert at_night.count(0.2) > at_night.count(1.0)


def test_counters_never_fall_from_history_into_live(make_fleet: MakeFleet, tmp_path: Path) -> None:
    store = SqliteReadings(str(tmp_path / "readings.db"))
    fleet = make_fleet(70, 0)
    write_history(fleet, store, start=END - timedelta(days=2), end=END, progress=lambda _: None)
    latest = {(item.device_id, item.quantity): item.value for item in store.latest()}
    counters = [quantity.name for quantity in CATALOGUE.values() if quantity.counter]
    for lamp in fleet.lamps:
        for name in counters:
            values = _values(store.series(lamp, [name], START, END))
            assert values == sorted(values)
    fleet.start(END + timedelta(seconds=20))
    first: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for message in fleet.due_messages(END + timedelta(hours=1)):
        if message.topic.endswith("event/up") and message.payload.endswith(b"}"):
            device_id = Topics("kreispuls/v1").parse(message.topic).device_id
            values_now = json.loads(message.payload)
            first[device_id] = {name: values_now[name] for name in counters if name in values_now} | first[device_id]
    assert len(first) > 50
    for device_id, values_of in first.items():
        for name, value in values_of.items():
            assert float(latest[device_id, name]) <= value <= float(latest[device_id, name]) + 200
    store.close()


def test_presences_are_written_for_two_days_of_the_pilot_street(past: Past) -> None:
    words = past.series("lamp-marburg-0010", "presence")
    assert words[0].observed_at >= END - timedelta(hours=48)
    assert {word.value for word in words} == {True, False}
    assert len(words) > 50
    assert past.series(past.device_with(None, "lamp-lohra"), "presence") == []


def test_the_presence_count_rises_by_those_who_passed(past: Past) -> None:
    counts = _values(past.series("lamp-marburg-0010", "presence_count"))
    assert counts == sorted(counts)
    assert 60 * DAYS < counts[-1] - counts[0] < 400 * DAYS  # 300 passages a day, walkers pass a part of the lamps


def test_history_and_live_see_the_same_people(make_fleet: MakeFleet) -> None:
    written, lived = make_fleet(60, 0), make_fleet(60, 0)
    start = END - timedelta(hours=6)
    write_history(written, _Written(), start=start, end=END, progress=lambda _: None)  # type: ignore[arg-type]
    before = {device_id: lamp.presence_count for device_id, lamp in lived.lamps.items()}
    lived.start(start)
    lived.due_messages(END)
    counts = {device_id: lamp.presence_count for device_id, lamp in lived.lamps.items()}
    assert counts == {device_id: lamp.presence_count for device_id, lamp in written.lamps.items()}
    assert sum(counts.values()) > sum(before.values()) + 1000


def test_bins_were_emptied_in_weekly_rounds_and_several_are_due(past: Past) -> None:
    assert past.history.emptyings
    for emptying in past.history.emptyings:
        local = emptying.at.astimezone(past.fleet.region.zone)
        assert local.weekday() < 5
        assert 7 <= local.hour <= 9
        assert emptying.level_after <= 0.02
    per_bin = defaultdict(list)
    for emptying in past.history.emptyings:
        per_bin[emptying.device_id].append(emptying.at)
    assert all(there - here >= timedelta(days=6) for at in per_bin.values() for here, there in pairwise(at))
    due = [bin_ for bin_ in past.fleet.bins.values() if bin_.level >= 0.8]
    assert 4 <= len(due) <= 40


def test_an_emptying_is_a_drop_in_the_readings(past: Past) -> None:
    emptying = next(
        found
        for found in past.history.emptyings
        if found.level_before > 0.6 and found.device_id not in past.fleet.faults
    )
    levels = past.series(emptying.device_id, "filling_level")
    before = [float(level.value) for level in levels if level.observed_at <= emptying.at]
    after = [float(level.value) for level in levels if level.observed_at > emptying.at]
    assert before[-1] == pytest.approx(emptying.level_before, abs=0.07)
    assert after[0] < 0.1


def test_levels_go_on_where_history_ends(make_fleet: MakeFleet, tmp_path: Path) -> None:
    store = SqliteReadings(str(tmp_path / "readings.db"))
    fleet = make_fleet(0, 60)
    write_history(fleet, store, start=START, end=END, progress=lambda _: None)
    last = {item.device_id: float(item.value) for item in store.latest() if item.quantity == "filling_level"}
    fleet.start(END + timedelta(seconds=10))
    kind = device_type("waste_bin")
    heard = 0
    for message in fleet.due_messages(END + timedelta(seconds=21)):
        device_id = Topics("kreispuls/v1").parse(message.topic).device_id
        if device_id in fleet.faults:
            continue
        decoded = kind.decode(message.payload, fleet.bins[device_id].device.attributes)
        assert float(decoded.values["filling_level"]) == pytest.approx(last[device_id], abs=0.15)
        heard += 1
    assert heard > 50
    store.close()


def test_faults_show_in_history(past: Past) -> None:
    silent = past.device_with(FaultKind.SILENCE, "lamp")
    since = datetime.fromtimestamp(past.fleet.injections[silent].since_s, UTC)
    assert past.series(silent, "dim_level")[-1].observed_at < since <= END - timedelta(hours=12)
    burnt_out = past.device_with(FaultKind.BURNT_OUT, "lamp")
    last_night = [
        observation
        for observation in past.series(burnt_out, "active_power_w", "faults")
        if END - timedelta(hours=12) < observation.observed_at < END - timedelta(hours=10)
    ]
    assert {observation.value for observation in last_night} == {0.6, "lamp_failure"}
    burner = past.device_with(FaultKind.DAY_BURNER, "lamp")
    assert past.series(burner, "dim_level")[-1].value == 1.0
    assert past.series(burner, "faults")[-1].value == "day_burner"
    stuck = past.device_with(FaultKind.STUCK_VALUE, "lamp")
    since = datetime.fromtimestamp(past.fleet.injections[stuck].since_s, UTC)
    assert len({item.value for item in past.series(stuck, "active_power_w") if item.observed_at > since}) == 1
    drifting = past.device_with(FaultKind.DRIFT, "lamp")
    hours = (END.timestamp() - past.fleet.injections[drifting].since_s) / 3600
    well = float(past.series(past.device_with(None, "lamp"), "temperature_c")[-1].value)
    assert float(past.series(drifting, "temperature_c")[-1].value) - well == pytest.approx(0.4 * hours, abs=3)
    late = past.device_with(FaultKind.LATE_CLOCK, "bin")
    assert END - past.series(late, "filling_level")[-1].observed_at > timedelta(seconds=LATE_CLOCK_S - 200)


class _Written:
    """Collects what would be written; only `write` is used of a store."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []

    def write(self, readings: Sequence[Reading]) -> None:
        assert len(readings) <= 5000
        self.readings += readings


def test_same_seed_same_history(make_fleet: MakeFleet) -> None:
    histories = []
    for _ in range(2):
        written = _Written()
        write_history(
            make_fleet(70, 20),
            written,  # type: ignore[arg-type]
            start=END - timedelta(days=2),
            end=END,
            progress=lambda _: None,
        )
        histories.append(written.readings)
    assert histories[0] == histories[1]
    assert len(histories[0]) > 5000


def test_a_new_fleet_resumes_from_what_the_store_has(past: Past, make_fleet: MakeFleet) -> None:
    fleet = make_fleet(200, 80)
    resume(fleet, past.store.latest())
    for device_id, lamp in past.fleet.lamps.items():
        if device_id not in past.fleet.faults:
            assert fleet.lamps[device_id].energy_kwh == pytest.approx(lamp.energy_kwh, abs=0.1)
            assert fleet.lamps[device_id].presence_count <= lamp.presence_count
    for device_id, bin_ in past.fleet.bins.items():
        if device_id not in past.fleet.faults:
            assert fleet.bins[device_id].level == pytest.approx(bin_.level, abs=0.15)


def test_a_span_without_reports_is_no_trouble(make_fleet: MakeFleet, tmp_path: Path) -> None:
    store = SqliteReadings(str(tmp_path / "readings.db"))
    history = write_history(make_fleet(5, 2), store, start=END - timedelta(seconds=1), end=END, progress=lambda _: None)
    assert history.readings <= 10
    store.close()
