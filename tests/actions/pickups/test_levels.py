"""One false report decides nothing: due list and plan take the level as rules do."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actions.pickups.due import due_for
from actions.pickups.levels import levels_before, newest_levels
from actions.pickups.plan import plan_day
from core.device import Device
from core.reading import Reading
from core.settings import Settings
from readings.open import open_readings
from readings.store import ReadingStore
from state.state import State, open_state

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FOUND = Path(__file__).resolve().parents[4] / "shared" / "data" / "found" / "04-one-report-spike"
BIN = Device(device_id="b", device_type="waste_bin", municipality="marburg", latitude=50.8, longitude=8.77)


@pytest.fixture
def made(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path)


@pytest.fixture
def readings(made: Settings) -> Iterator[ReadingStore]:
    store = open_readings(made)
    yield store
    store.close()


@pytest.fixture
def state(made: Settings) -> Iterator[State]:
    opened = open_state(made.state_url)
    yield opened
    opened.close()


def say(readings: ReadingStore, levels: list[float], *, every: timedelta = HOUR, until: datetime = NOW) -> None:
    """The last of the levels is reported an hour before `until`."""
    first = until - HOUR - (len(levels) - 1) * every
    readings.write(
        [
            Reading(
                "b", "waste_bin", "marburg", first + number * every, first + number * every, {"filling_level": level}
            )
            for number, level in enumerate(levels)
        ]
    )


@pytest.mark.parametrize(
    ("levels", "every", "expected"),
    [
        ([0.3] * 10 + [1.0], HOUR, 0.3),
        ([0.9, 0.93, 0.97, 0.03], HOUR, 0.93),
        ([0.3, 0.3, 1.0, 1.0], HOUR, 1.0),
        ([0.97, 0.97, 0.03, 0.02], HOUR, 0.02),
        ([0.3, 0.3, 0.4], HOUR, 0.4),
        ([0.3, 0.3, 1.0], timedelta(hours=3), 1.0),
        ([0.3, 0.9], HOUR, 0.9),
    ],
    ids=["a bag", "a lost echo", "said twice", "emptied", "filled a little", "reports seldom", "new"],
)
def test_a_level_far_from_those_before_counts_when_it_comes_twice(
    readings: ReadingStore, levels: list[float], every: timedelta, expected: float
) -> None:
    say(readings, levels, every=every)
    for only in ("marburg", None):
        assert newest_levels(readings, [BIN], only, NOW)["b"].filling_level == pytest.approx(expected)
    assert levels_before(readings, [BIN], NOW)["b"].filling_level == pytest.approx(expected)


def test_so_it_is_for_a_bin_that_fell_silent_after_it(readings: ReadingStore) -> None:
    say(readings, [0.3] * 10 + [1.0], until=NOW - timedelta(days=9))
    assert newest_levels(readings, [BIN], None, NOW)["b"].filling_level == 0.3


@pytest.mark.skipif(not FOUND.is_dir(), reason=f"{FOUND} is not there")
def test_the_false_reports_that_were_found(made: Settings, state: State, readings: ReadingStore) -> None:
    state.municipalities.ensure("marburg")
    state.devices.put_many(
        [
            Device(
                device_id=row["id"],
                device_type="waste_bin",
                municipality="marburg",
                latitude=float(row["latitude"]),
                longitude=float(row["longitude"]),
                attributes={"volume_l": float(row["volume_l"])},
            )
            for row in csv.DictReader((FOUND / "bins.csv").open(encoding="utf-8"))
        ]
    )
    rows = list(csv.DictReader((FOUND / "levels.csv").open(encoding="utf-8")))
    readings.write(
        [
            Reading(row["id"], "waste_bin", "marburg", then, then, {"filling_level": float(row["v"])})
            for row in rows
            for then in [datetime.fromisoformat(row["t"])]
        ]
    )
    now = max(datetime.fromisoformat(row["t"]) for row in rows) + timedelta(minutes=10)
    last: dict[str, list[float]] = {}
    for row in rows:
        last.setdefault(row["id"], []).append(float(row["v"]))
    due = {one.device_id for one in due_for(state, readings, "marburg", now.date(), made.zone, now=now)}
    spikes_up = {name for name, levels in last.items() if levels[-1] - levels[-2] > 0.15}
    spikes_down = {name for name, levels in last.items() if levels[-2] - levels[-1] > 0.15}
    assert spikes_up
    assert spikes_down
    assert not due & spikes_up
    assert {name for name in spikes_down if last[name][-2] >= 0.8} <= due
    plan = plan_day(state, readings, "marburg", now.date(), settings=made, clock=lambda: now, time_limit_s=0.5)
    planned = {stop.device_id for route in plan.routes for stop in route.stops}
    assert not planned & spikes_up
    assert {name for name in spikes_down if last[name][-2] >= 0.9} <= planned | set(plan.unplanned)
