"""Rules tried on stored readings raise what ingest would have raised, and change nothing."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actions.alerts.try_rules import Bounds, Trial, try_rules
from core.alert import AlertState
from core.device import Device, DeviceStatus, Municipality
from core.errors import NotFoundError
from core.reading import Reading
from devices.registry import device_type
from readings.sqlite.store import SqliteReadings
from rules.catalogue import load_rules
from rules.engine import RuleEngine
from rules.rule import Rule
from rules.rule_file import parse_rules
from state.state import State, open_state

START = datetime(2026, 5, 4, tzinfo=UTC)
END = START + timedelta(days=3)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    yield opened
    opened.close()


@pytest.fixture
def readings(tmp_path: Path) -> Iterator[SqliteReadings]:
    opened = SqliteReadings(str(tmp_path / "readings.db"))
    yield opened
    opened.close()


def fill(state: State, readings: SqliteReadings) -> list[Reading]:
    """Three bins in two municipalities; the second falls silent, the third is somebody else's."""
    said = []
    for number, municipality in ((1, "marburg"), (2, "marburg"), (3, "lohra")):
        state.municipalities.put(Municipality(municipality=municipality, name=municipality, filling_threshold=0.6))
        state.devices.add(Device(device_id=f"bin-{number}", device_type="waste_bin", municipality=municipality))
        for hour in range(72 if number != 2 else 20):
            at = START + timedelta(hours=hour, minutes=number)
            level = (hour % 24) / 24 * (1 if number != 2 else 0.4)
            said.append(Reading(f"bin-{number}", "waste_bin", municipality, at, at, {"filling_level": level}))
    readings.write(said)
    return sorted(said, key=lambda reading: reading.observed_at)


def tried(state: State, readings: SqliteReadings, rules: tuple[Rule, ...], **more: object) -> Trial:
    return try_rules({"waste_bin": rules}, state, readings, start=START, end=END, **more)  # type: ignore[arg-type]


def test_the_alerts_are_those_of_the_live_engine(state: State, readings: SqliteReadings) -> None:
    said = fill(state, readings)
    rules = load_rules()["waste_bin"]
    engine = RuleEngine({"waste_bin": rules})
    devices = {device.device_id: device for device in state.devices.all()}
    engine.configure(devices, state.municipalities.all(), {}, START)  # a few minutes before the first readings
    live, tick = [], START + timedelta(minutes=15)
    for reading in said:
        while tick <= reading.observed_at:
            live += engine.judge_silence(tick)
            tick += timedelta(minutes=15)
        live += engine.judge(reading, reading.received_at)
    while tick <= END:
        live += engine.judge_silence(tick)
        tick += timedelta(minutes=15)
    last = {change.alert.alert_id: change.alert for change in live}
    fired = [change.alert.alert_id for change in live if change.alert.state is AlertState.FIRING]

    trial = tried(state, readings, rules)
    assert trial.alerts == [last[alert_id] for alert_id in fired]
    assert {alert.rule for alert in trial.alerts} == {"bin_full", "communication_failure", "overflow_soon"}
    assert (trial.devices, trial.readings, trial.complete, trial.end) == (3, len(said), True, END)
    assert state.alerts.open_alerts() == []


def test_only_one_municipality_with_its_own_threshold(state: State, readings: SqliteReadings) -> None:
    fill(state, readings)
    (rule,) = (rule for rule in load_rules()["waste_bin"] if rule.name == "bin_full")
    trial = tried(state, readings, (rule,), municipality="lohra")
    assert {alert.device_id for alert in trial.alerts} == {"bin-3"}
    assert trial.alerts[0].fired_at == START + timedelta(hours=15, minutes=3)  # 15/24 is the first above 0.6
    with pytest.raises(NotFoundError, match="no municipality 'nowhere'"):
        tried(state, readings, (rule,), municipality="nowhere")


def test_overrides_are_left_out_and_discovered_devices_too(state: State, readings: SqliteReadings) -> None:
    fill(state, readings)
    state.rule_overrides.put("marburg", "hot", {"enabled": False})
    state.devices.change("bin-3", lambda kept: replace(kept, status=DeviceStatus.DISCOVERED))
    text = """
        [[rule]]
        name = "hot"
        severity = "info"
        summary = "a"
        summary_de = "b"
        quantity = "filling_level"
        above = 0.3
    """
    trial = tried(state, readings, parse_rules(device_type("waste_bin"), text))
    assert {alert.device_id for alert in trial.alerts} == {"bin-1", "bin-2"}


@pytest.mark.parametrize(
    ("bounds", "judged", "fired"),
    [
        (Bounds(readings=20), 20, 0),
        (Bounds(alerts=1), None, 1),
        (Bounds(enough=lambda: True), 0, 0),
    ],
)
def test_a_bound_ends_it_and_says_so(
    state: State, readings: SqliteReadings, bounds: Bounds, judged: int | None, fired: int
) -> None:
    fill(state, readings)
    (rule,) = (rule for rule in load_rules()["waste_bin"] if rule.name == "bin_full")
    trial = tried(state, readings, (rule,), bounds=bounds)
    assert (trial.complete, len(trial.alerts)) == (False, fired)
    assert judged is None or trial.readings == judged
    assert START < trial.end < END


def test_pages_smaller_than_the_history_miss_nothing(
    state: State, readings: SqliteReadings, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = fill(state, readings)
    monkeypatch.setattr("actions.alerts.try_rules._MOST", 7)
    monkeypatch.setattr("actions.alerts.try_rules._FEWEST", 1)
    assert tried(state, readings, load_rules()["waste_bin"]).readings == len(said)


def test_nobody_is_silent_before_the_first_reading(state: State, readings: SqliteReadings) -> None:
    state.municipalities.ensure("marburg")
    for number in (1, 2):
        state.devices.add(Device(device_id=f"bin-{number}", device_type="waste_bin", municipality="marburg"))
    at = END - timedelta(hours=7)
    readings.write([Reading("bin-1", "waste_bin", "marburg", at, at, {"filling_level": 0.1})])
    (alert,) = tried(state, readings, load_rules()["waste_bin"]).alerts
    assert (alert.device_id, alert.started_at) == ("bin-1", at)


def test_readings_that_a_rule_does_not_look_at_are_left_out(state: State, readings: SqliteReadings) -> None:
    fill(state, readings)
    at = START + timedelta(hours=1, minutes=30)
    readings.write([Reading("bin-1", "waste_bin", "marburg", at, at, {"battery_level": 0.1})])
    chosen = {rule.name: rule for rule in load_rules()["waste_bin"]}
    assert [alert.rule for alert in tried(state, readings, (chosen["battery_low"],)).alerts] == ["battery_low"]
    assert tried(state, readings, (chosen["battery_low"],)).readings == 1
    assert tried(state, readings, (chosen["bin_full"],)).readings == 164
    assert tried(state, readings, (chosen["communication_failure"],)).readings == 165


def test_nothing_stored_is_nothing_judged(state: State, readings: SqliteReadings) -> None:
    trial = tried(state, readings, load_rules()["waste_bin"])
    assert (trial.alerts, trial.devices, trial.readings, trial.complete) == ([], 0, 0, True)
