"""A real recording, bins of a city for a year and a half, through import, replay, due list and plan."""

import csv
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from actions.pickups.due import due_for
from cli.main import app
from core.pickup import DueBin, DueReason
from core.settings import load_settings
from mqtt.client import Message, MqttClient
from readings.open import open_readings
from readings.store import ReadingStore
from state.devices import DeviceFilter
from state.state import State, open_state

DATA = Path(__file__).parents[3] / "shared" / "data" / "wyndham"
RECORDING, CONTAINERS = DATA / "smartbin_filllevel_2018_2019.csv", DATA / "containers.csv"
YEARS_LATER = datetime(2026, 5, 4, tzinfo=UTC)
MELBOURNE = ZoneInfo("Australia/Melbourne")
COLUMNS = ("--map", "device_id=Bin ID", "--map", "observed_at=timestamp", "--map", "filling_level=Fullness")
REPLAY = ("--type", "waste_bin", "--municipality", "wyndham", *COLUMNS, "--time-format", "%d-%m-%Y")

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the recording is not there: {DATA}")


def kreispuls(*arguments: object) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == 0, result.exception or result.output
    return result.stdout


def import_containers() -> None:
    columns = ("--map", "device_id=serial", "--map", "name=description")
    fields = ("--set", "device_type=waste_bin", "--set", "municipality=wyndham")
    assert kreispuls("devices", "import", CONTAINERS, *columns, *fields) == "33 devices imported\n"


def recorded() -> dict[tuple[str, date], float]:
    """Level by bin and local day, the last row of a day: read without our own reader."""
    with RECORDING.open(newline="") as file:
        return {
            (row["Bin ID"], datetime.strptime(row["timestamp"], "%d-%m-%Y").date()): int(row["Fullness"]) / 10  # noqa: DTZ007
            for row in csv.DictReader(file)
        }


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[State, ReadingStore]]:
    """The containers imported, the whole recording played straight into SQLite."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KREISPULS_DATA_DIR", str(tmp_path_factory.mktemp("wyndham")))
        patch.setenv("KREISPULS_TIMEZONE", "Australia/Melbourne")
        import_containers()
        said = kreispuls("replay", RECORDING, *REPLAY, "--scale", "filling_level=0.1", "--direct")
        assert said.startswith("16067 rows: 15299 readings of 33 devices stored; 768 rows repeat a device and time")
        settings = load_settings()
        state, readings = open_state(settings.state_url), open_readings(settings)
        yield state, readings
        readings.close()
        state.close()


def due_on(stores: tuple[State, ReadingStore], day: date) -> list[DueBin]:
    return due_for(*stores, "wyndham", day, MELBOURNE, now=YEARS_LATER)


def test_every_level_is_kept_on_its_day_the_last_of_a_day_counts(stores: tuple[State, ReadingStore]) -> None:
    start, end = datetime(2018, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC)
    kept = {
        (device.device_id, item.observed_at.astimezone(MELBOURNE).date()): item.value
        for device in stores[0].devices.all(DeviceFilter(municipality="wyndham"))
        for item in stores[1].series(device.device_id, ["filling_level"], start, end)
    }
    assert kept == recorded()


@pytest.mark.parametrize(
    "day",
    [
        pytest.param(date(2019, 5, 6), id="an ordinary day"),
        pytest.param(date(2018, 8, 13), id="the first day of most bins"),
        pytest.param(date(2019, 12, 31), id="the last day"),
        pytest.param(date(2019, 10, 6), id="the day summer time begins"),
    ],
)
def test_the_bins_over_the_threshold_are_those_of_the_recording(stores: tuple[State, ReadingStore], day: date) -> None:
    levels = recorded()
    newest = {
        bin_id: max(other for other_bin, other in levels if other_bin == bin_id and other <= day)
        for bin_id in {bin_id for bin_id, known in levels if known <= day}
    }
    expected = {bin_id for bin_id, at in newest.items() if (day - at).days < 16 and levels[bin_id, at] >= 0.8}
    due = due_on(stores, day)
    assert {item.device_id for item in due if DueReason.ABOVE_THRESHOLD in item.reasons} == expected
    assert all(item.latitude is not None for item in due)
    for item in due:
        assert item.observed_at is not None
        assert item.filling_level == levels[item.device_id, item.observed_at.astimezone(MELBOURNE).date()]


def test_on_the_morning_the_forecast_adds_bins_that_will_be_full_by_night(stores: tuple[State, ReadingStore]) -> None:
    reasons = Counter(reason for item in due_on(stores, date(2019, 5, 6)) for reason in item.reasons)
    assert reasons[DueReason.FORECAST] > 0
    for item in due_on(stores, date(2019, 5, 6)):
        if item.reasons == (DueReason.FORECAST,):
            assert item.forecast is not None
            assert item.filling_level is not None
            assert item.filling_level < 0.8 <= item.forecast.filling_level
            assert item.forecast.at == datetime(2019, 5, 6, 14, tzinfo=UTC)


def test_before_the_recording_nothing_is_known(stores: tuple[State, ReadingStore]) -> None:
    assert due_on(stores, date(2018, 6, 1)) == []


@pytest.mark.usefixtures("stores")
def test_a_plan_for_a_date_inside_the_recording(stores: tuple[State, ReadingStore]) -> None:
    """Every due bin is on the route: together they are less than a truck takes."""
    document = json.loads(kreispuls("plan", "--municipality", "wyndham", "--date", "2019-05-06", "--format", "json"))
    planned = sorted(stop["device_id"] for route in document["routes"] for stop in route["stops"])
    assert planned == sorted(item.device_id for item in due_on(stores, date(2019, 5, 6)))
    assert document["unplanned"] == []
    assert document["distance_source"] == "great_circle_x1.35"
    assert document["depot"]["name"] == "middle of the bins (no depot set)"


@pytest.fixture
def may(tmp_path: Path) -> Path:
    """The rows of May 2019."""
    lines = RECORDING.read_text().splitlines(keepends=True)
    file = tmp_path / "may.csv"
    file.write_text(lines[0] + "".join(line for line in lines if "-05-2019" in line))
    return file


@pytest.fixture
def ingest(
    tmp_path: Path, mosquitto: Any, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., object]
) -> Iterator[list[Message]]:
    """The bins are imported and ingest runs at a real broker; gives what was published for Wyndham."""
    monkeypatch.setenv("KREISPULS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("KREISPULS_MQTT_URL", mosquitto.url)
    monkeypatch.setenv("KREISPULS_INGEST_METRICS_PORT", "0")
    monkeypatch.setenv("KREISPULS_TIMEZONE", "Australia/Melbourne")
    import_containers()
    heard: list[Message] = []
    topics = ["kreispuls/v1/wyndham/+/+/event/up", "kreispuls/v1/_platform/+/+/platform/status"]
    listener = MqttClient(mosquitto.url, "listener", filters=topics, on_message=heard.append)
    listener.start()
    listener.wait_connected(10)
    process = subprocess.Popen([sys.executable, "-m", "cli.main", "ingest"], cwd=Path(__file__).parents[2])
    try:
        wait_until(lambda: any(message.payload == b"online" for message in heard), "ingest is online", timeout_s=60)
        heard.clear()
        yield heard
    finally:
        process.terminate()
        process.wait(30)
        listener.stop()


def test_a_month_over_a_real_broker(may: Path, ingest: list[Message], wait_until: Callable[..., object]) -> None:
    """Every bin and day of May 2019 is published once and kept; due list and plan follow from it."""
    kreispuls("replay", may, *REPLAY, "--speed", "max")
    expected = {key: level for key, level in recorded().items() if (key[1].year, key[1].month) == (2019, 5)}
    wait_until(lambda: len(ingest) >= len(expected), "the whole month on the topics")
    published = {}
    for message in ingest:
        payload = json.loads(message.payload)
        day = datetime.fromisoformat(payload["observed_at"]).astimezone(MELBOURNE).date()
        published[message.topic.split("/")[4], day] = payload["filling_level"]
    assert published == expected
    assert len(ingest) == len(expected)

    settings = load_settings()
    state, readings = open_state(settings.state_url), open_readings(settings)
    start, end = datetime(2019, 4, 30, tzinfo=UTC), datetime(2019, 6, 2, tzinfo=UTC)
    bins = sorted({bin_id for bin_id, _ in expected})

    def kept() -> dict[tuple[str, date], object]:
        return {
            (bin_id, item.observed_at.astimezone(MELBOURNE).date()): item.value
            for bin_id in bins
            for item in readings.series(bin_id, ["filling_level"], start, end)
        }

    try:
        wait_until(lambda: kept() == expected, "the whole month in the store")
        due = due_for(state, readings, "wyndham", date(2019, 5, 20), MELBOURNE, now=YEARS_LATER)
    finally:
        readings.close()
        state.close()
    full = {bin_id for (bin_id, day), level in expected.items() if day == date(2019, 5, 20) and level >= 0.8}
    assert {item.device_id for item in due if DueReason.ABOVE_THRESHOLD in item.reasons} >= full
    document = json.loads(kreispuls("plan", "--municipality", "wyndham", "--date", "2019-05-20", "--format", "json"))
    assert full <= {stop["device_id"] for route in document["routes"] for stop in route["stops"]}
